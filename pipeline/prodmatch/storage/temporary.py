"""Work in progress: folders that go when it ends, and what killed runs left of theirs."""

import atexit
import contextlib
import fcntl
import math
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt

from prodmatch.storage.atomic import (
    UNIQUE,
    create_file,
    held_directory,
    remove_any,
    set_aside,
    writing,
)

Number = TypeVar("Number", bound=np.generic)
SETTLED_SECONDS = 1.0  # from which age on a file is held, if anybody writes it


@contextlib.contextmanager
def scratch_directory(root: Path) -> Iterator[Path]:
    """A directory for work in progress below `root`, removed when the block ends.

    Those of runs that were killed are removed first.
    """
    remove_abandoned(root / "scratch")
    with set_aside(root / "scratch") as path, held_directory(path, 0o700):
        yield path


def remove_abandoned(path: Path) -> None:
    """Removes what runs that were killed left next to `path` when they were to write it.

    What a live process writes is held by it, and stays; so does all on a file system without locks.
    """
    with contextlib.suppress(OSError):
        for each in [*path.parent.iterdir()]:
            found = UNIQUE.match(each.name)
            if found and each.name[found.end() :] == path.name and _is_abandoned(each):
                remove_any(each)


def _is_abandoned(path: Path) -> bool:
    found = path.lstat()
    is_folder = stat.S_ISDIR(found.st_mode)
    is_ours = found.st_uid == os.geteuid() and (is_folder or stat.S_ISREG(found.st_mode))
    if not is_ours or time.time() - found.st_mtime < SETTLED_SECONDS:
        return False
    kind = os.O_RDONLY if is_folder else os.O_RDWR  # over NFS the file must be open for writing
    descriptor = os.open(path, kind | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


@contextlib.contextmanager
def new_scratch_file(path: Path) -> Iterator[BinaryIO]:
    """A file open for writing in a scratch directory; nobody else reads it, so it is not synced."""
    with writing(path), create_file(path) as file:
        yield file


def new_array(path: Path, shape: tuple[int, ...], kind: type[Number]) -> npt.NDArray[Number]:
    """Zeros of that shape, mapped to a new file in a scratch directory.

    Its room on the disk is taken at once: where a mapped page finds none, the process dies.

    Raises:
        StoreError: the disk has not that much room.
    """
    with writing(path), create_file(path) as file:
        os.posix_fallocate(file.fileno(), 0, np.dtype(kind).itemsize * math.prod(shape))
    return np.memmap(path, kind, "r+", shape=shape)


def temporary_folder() -> Path:
    """The folder of this process, outside any store, readable by its owner alone.

    It is made by the first call, and goes when the process ends.
    """
    return _open_folder()[1]


def remove_temporary_folder() -> None:
    """Removes the folder where there is one; for an exit that runs nothing of `atexit` too."""
    if _open_folder.cache_info().currsize:
        _open_folder()[0].close()
        _open_folder.cache_clear()


@cache
def _open_folder() -> tuple[contextlib.ExitStack, Path]:
    stack = contextlib.ExitStack()
    folder = stack.enter_context(scratch_directory(Path(tempfile.gettempdir())))
    atexit.register(remove_temporary_folder)
    return stack, folder
