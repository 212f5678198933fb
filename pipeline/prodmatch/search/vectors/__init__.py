"""Indexes over the vectors: built, tuned, measured, searched; the home of FAISS."""
