"""Whether progress bars are drawn; phases are named in the log, as records of level `info`."""

import os


def bars_off() -> bool | None:
    """What `tqdm` takes as `disable`: True where `TQDM_DISABLE` is set by now, else off a terminal.

    Of itself tqdm reads the variable only once, when it is imported.
    """
    return True if os.environ.get("TQDM_DISABLE") else None
