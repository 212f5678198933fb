"""Histories: what users of a shop looked at and bought, and what to show them next."""
