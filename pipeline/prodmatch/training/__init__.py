"""Fitting heads: data, losses, measures, and what a model is made with."""
