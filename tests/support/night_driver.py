"""Runs nights with the tiny encoders in children of one warm process, for tests that kill them.

Reads a line of JSON for each run: the catalogue, the store, how many workers decode, and whether
the child waits to be continued. Writes the child's pid, then how it ended.
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path

from tiny import night

from prodmatch.model.description import open_model


def main() -> None:
    """Serves until the input ends."""
    model = open_model(sys.argv[1])
    assert model.fingerprint  # read before the children need it
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if not child:
            if asked["wait"]:
                os.kill(os.getpid(), signal.SIGSTOP)
            code = 1
            try:
                night(Path(asked["catalogue"]), model, Path(asked["store"]), asked["workers"])
                code = 0
            finally:
                if code:
                    traceback.print_exc()
                os._exit(code)
        if asked["wait"]:
            os.waitpid(child, os.WUNTRACED)  # continued before it stops, it would stop for good
        print(child, flush=True)  # noqa: T201
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
