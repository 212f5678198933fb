"""Other forms of words that a query is searched as: regional spellings, compounds."""
