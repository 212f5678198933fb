"""Text and image encoders in torch, and how they are exported."""
