"""A folder of this process, outside any store, that goes when the process ends."""

import atexit
import contextlib
import tempfile
from functools import cache
from pathlib import Path

from prodmatch.errors import StoreError
from prodmatch.storage.atomic import remove_path


@cache
def temporary_folder() -> Path:
    """The folder, readable by its owner alone; made by the first call."""
    folder = Path(tempfile.mkdtemp(prefix="prodmatch-"))
    atexit.register(remove_temporary_folder)
    return folder


def remove_temporary_folder() -> None:
    """Removes the folder where there is one; for an exit that runs nothing of `atexit` too."""
    if temporary_folder.cache_info().currsize:
        with contextlib.suppress(StoreError):
            remove_path(temporary_folder())
        temporary_folder.cache_clear()
