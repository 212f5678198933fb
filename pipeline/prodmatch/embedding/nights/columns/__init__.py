"""What is kept of a night's columns, by kind, to compare the next night with."""
