"""A file system of pyarrow that stands for a bucket, and fails as it is told to."""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pa_fs

from prodmatch.storage.places.remote import RemoteFolder

ADDRESS = "s3://bucket/prefix"


@dataclass
class Bucket(pa_fs.FileSystemHandler):  # type: ignore[misc]  # pyarrow has no types
    """The files below a directory, as a bucket would give them; counts what is read and written."""

    root: Path
    cut: dict[str, int] = field(default_factory=dict)  # bytes that come, by name
    refused: dict[str, OSError] = field(default_factory=dict)  # by name; "" for listings
    before_read: Callable[[str], None] = lambda name: None
    read: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    listed: int = 0

    def __post_init__(self) -> None:
        (self.root / "bucket" / "prefix").mkdir(parents=True, exist_ok=True)
        self.inner = pa_fs.SubTreeFileSystem(str(self.root), pa_fs.LocalFileSystem())

    @property
    def files(self) -> Path:
        """Where the files of the folder that tests use lie."""
        return self.root / "bucket" / "prefix"

    def folder(self, address: str = ADDRESS) -> RemoteFolder:
        """The folder that the program is given."""
        return RemoteFolder(address, pa_fs.PyFileSystem(self), address.removeprefix("s3://"))

    def _meet(self, path: str) -> str:
        name = path.removeprefix("bucket/prefix").lstrip("/")
        if name in self.refused:
            raise self.refused[name]
        return name

    def get_type_name(self) -> str:
        return "bucket"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: list[str]) -> list[pa_fs.FileInfo]:
        for path in paths:
            self._meet(path)
        return list(self.inner.get_file_info(paths))

    def get_file_info_selector(self, selector: pa_fs.FileSelector) -> list[pa_fs.FileInfo]:
        self._meet(selector.base_dir)
        self.listed += 1
        return list(self.inner.get_file_info(selector))

    def open_input_stream(self, path: str) -> Any:
        name = self._meet(path)
        self.before_read(name)
        self.read.append(name)
        content = self.inner.open_input_stream(path).read()
        return pa.PythonFile(pa.BufferReader(content[: self.cut.get(name)]), mode="r")

    def open_output_stream(self, path: str, metadata: Any) -> Any:
        name = self._meet(path)
        self.written.append(name)
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        if name in self.cut:
            return pa.PythonFile(_Full(self.root / path, self.cut[name]), mode="w")
        return self.inner.open_output_stream(path)

    def delete_file(self, path: str) -> None:
        self._meet(path)
        self.inner.delete_file(path)

    def open_input_file(self, path: str) -> Any:
        raise NotImplementedError

    def open_append_stream(self, path: str, metadata: Any) -> Any:
        raise NotImplementedError

    def create_dir(self, path: str, recursive: bool) -> None:
        raise NotImplementedError

    def delete_dir(self, path: str) -> None:
        raise NotImplementedError

    def delete_dir_contents(self, path: str, missing_dir_ok: bool) -> None:
        raise NotImplementedError

    def delete_root_dir_contents(self) -> None:
        raise NotImplementedError

    def copy_file(self, src: str, dest: str) -> None:
        raise NotImplementedError

    def move(self, src: str, dest: str) -> None:
        raise NotImplementedError


class _Full:
    """A file of which only the first bytes are taken, as where a connection ends; a part stays."""

    def __init__(self, path: Path, most: int) -> None:
        self.file, self.room, self.closed = path.open("wb"), most, False

    def write(self, data: Any) -> int:
        self.file.write(bytes(data)[: self.room])
        if len(data) > self.room:
            self.file.close()
            raise OSError(errno.ECONNRESET, "connection reset")
        self.room -= len(data)
        return len(data)

    def flush(self) -> None:
        if not self.file.closed:
            self.file.flush()

    def close(self) -> None:
        self.closed = True
        self.file.close()

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False
