"""Whether progress bars are drawn; phases are named in the log, as records of level `info`."""

import logging
import os
import sys

logger = logging.getLogger(__name__)


def bars_off() -> bool | None:
    """What `tqdm` takes as `disable`: True where `TQDM_DISABLE` is set by now, else off a terminal.

    Of itself tqdm reads the variable only once, when it is imported.
    """
    return True if os.environ.get("TQDM_DISABLE") else None


def name_loading_of_torch() -> None:
    """Logs that torch is loaded next, which takes seconds, unless it is there already."""
    if "torch" not in sys.modules:
        logger.info("loading torch", extra={"phase": "loading torch"})
