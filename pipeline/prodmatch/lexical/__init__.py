"""Words: terms, BM25 and spelling."""
