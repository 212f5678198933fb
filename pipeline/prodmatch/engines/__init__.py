"""What runs work over tasks; knows nothing of products."""
