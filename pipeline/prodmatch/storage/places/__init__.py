"""Other places than this machine's disk, and what is pushed to them."""
