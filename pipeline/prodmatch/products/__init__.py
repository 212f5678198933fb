"""The products of a generation in SQLite: columns, filters and words."""
