"""Contents to features; torch is loaded here, and only where something is new."""
