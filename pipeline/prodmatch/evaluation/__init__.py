"""Relevance judgements, runs and statistics."""
