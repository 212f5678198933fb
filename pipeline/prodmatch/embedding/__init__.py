"""A catalogue to features, features to embeddings."""
