"""What two listings say that denies, or leaves open, that they are one product."""
