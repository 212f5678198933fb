"""What commands open: catalogues, models, another index."""
