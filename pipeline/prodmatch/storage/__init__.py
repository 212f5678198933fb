"""What is on disk: atomic files, features, embeddings, generations."""
