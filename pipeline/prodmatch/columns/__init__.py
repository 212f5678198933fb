"""What the columns of a table hold: types inferred from all cells, and what is worth searching."""
