"""What the columns of a table hold: types told from all cells, and what is worth searching."""
