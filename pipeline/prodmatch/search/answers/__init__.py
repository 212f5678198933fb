"""What comes of a query: hits, and the pages, lists and tables of them."""
