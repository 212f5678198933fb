"""A file system that refuses: the n-th operation below a folder fails, once or from then on."""

import contextlib
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Disk:
    """Counts the operations that change what is below `root`, and fails those it is told to."""

    root: Path
    fail_at: int = 0  # 0: never
    number: int = 0  # errno
    persistent: bool = False
    log: list[tuple[str, str]] = field(default_factory=list)
    fired: int = 0

    def meet(self, operation: str, path: object) -> None:
        """Counts an operation on a path, and raises where it is to fail."""
        place = os.fspath(path) if isinstance(path, str | os.PathLike) else str(path)
        if not place.startswith(str(self.root)):
            return
        self.log.append((operation, place))
        count = len(self.log)
        if self.fail_at and (count == self.fail_at or (self.persistent and count > self.fail_at)):
            self.fired += 1
            raise OSError(self.number, os.strerror(self.number), place)


class _Writing:
    """A file whose writes are operations of the disk."""

    def __init__(self, file: Any, disk: Disk, path: object) -> None:
        self._file, self._disk, self._path = file, disk, path

    def write(self, data: Any) -> int:
        self._disk.meet("write", self._path)
        return int(self._file.write(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "_Writing":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


def _path_of(descriptor: int) -> str:
    return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115


@contextlib.contextmanager
def failing(disk: Disk) -> Iterator[Disk]:
    """Puts the disk between the program and the operating system."""
    real: dict[tuple[Any, str], Callable[..., Any]] = {}

    def put(module: Any, name: str, first: Callable[..., object]) -> None:
        call = getattr(module, name)
        real[module, name] = call

        def operation(*arguments: Any, **named: Any) -> Any:
            disk.meet(name, first(*arguments, **named))
            return call(*arguments, **named)

        setattr(module, name, operation)

    def opened(path: object, flags: int, *rest: object, **named: object) -> object:
        return path if flags & os.O_CREAT else ""

    for name in ("mkdir", "unlink", "rmdir"):
        put(os, name, lambda path, *rest, **named: path)
    for name in ("replace", "rename", "link"):
        put(os, name, lambda source, target, *rest, **named: target)
    put(os, "open", opened)
    put(os, "fsync", _path_of)
    put(os, "posix_fallocate", lambda descriptor, *rest: _path_of(descriptor))
    plain = io.open

    def open_file(path: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
        file = plain(path, mode, *rest, **named)
        return file if "r" in mode else _Writing(file, disk, path)

    real[io, "open"] = plain
    io.open = open_file
    try:
        yield disk
    finally:
        for (module, name), call in real.items():
            setattr(module, name, call)
