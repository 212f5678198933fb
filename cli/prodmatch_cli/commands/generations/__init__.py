"""Commands for what a store holds."""
