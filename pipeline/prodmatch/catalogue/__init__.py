"""What comes in: the schema, rows and pictures of a Parquet catalogue."""
