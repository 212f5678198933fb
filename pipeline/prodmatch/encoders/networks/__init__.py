"""Encoders as networks of torch: loaded, run, exported and written."""
