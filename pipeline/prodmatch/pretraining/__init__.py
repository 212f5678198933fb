"""Training encoders: data, batches, contrast with anchors, and what is written of them."""
