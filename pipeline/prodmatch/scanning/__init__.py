"""A catalogue read once: its usable rows, their keys, and what is wrong with the others."""
