"""What a command writes: answers on stdout, all else on stderr."""
