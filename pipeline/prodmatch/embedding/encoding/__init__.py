"""Contents to features: what is new goes through the encoders."""
