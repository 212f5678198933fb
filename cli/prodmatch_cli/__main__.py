"""`python -m prodmatch_cli`."""

from prodmatch_cli.main import main

main()
