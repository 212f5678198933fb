"""What a model is, without torch: its description, preprocessing, heads and ONNX encoders."""
