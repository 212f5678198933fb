"""A generation in two dimensions: positions, named clusters, pictures, outliers."""
