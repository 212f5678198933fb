"""Relevance qrels, runs and statistics."""
