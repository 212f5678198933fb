"""A query to hits: encode, find candidates, score."""
