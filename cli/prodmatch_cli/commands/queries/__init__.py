"""Commands that answer from what is published."""
