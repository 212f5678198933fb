"""`python -m prodmatch_cli`, and the command `prodmatch`."""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback while modules are imported

from prodmatch_cli.main import main  # which listens to signals itself

if __name__ == "__main__":
    main()
