"""What a query says of prices: numbers, currencies, limits."""
