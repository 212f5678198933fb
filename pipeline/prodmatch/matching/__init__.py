"""Pairs of listings that are one product: candidates, features, scores, differences, groups."""
