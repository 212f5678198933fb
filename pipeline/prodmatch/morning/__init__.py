"""Two generations of a store compared: what changed overnight, and what of it is significant."""
