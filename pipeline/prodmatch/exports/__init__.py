"""A generation's products with their vectors, in the formats of other programs, and as pushed."""
