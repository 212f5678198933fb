"""The command `prodmatch`."""
