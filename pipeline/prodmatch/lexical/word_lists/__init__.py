"""Lists of words that come with the program."""
