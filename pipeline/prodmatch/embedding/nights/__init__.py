"""What the products of a night have, and how two nights are compared."""
