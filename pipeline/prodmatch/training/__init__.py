"""Training encoders from scratch: vocabulary, masked words, views, contrast."""
