"""Where options are read from besides the command line: a file, variables."""
