"""Match products by fused text and image embeddings."""

__version__ = "0.1.0"
