"""Files and directories that are whole or absent, their digests, and the lock of a store.

Nothing else in the program writes a file. A name appears only when everything below it has
been flushed to disk: content, then the directory that holds it, then the rename, then the
directory that holds the name.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from prodmatch.errors import DamagedError, LockedError, StoreError

__all__ = [
    "check_files",
    "digest_bytes",
    "digest_file",
    "list_files",
    "lock_store",
    "new_directory",
    "new_file",
    "read_json",
    "remove_leftovers",
    "remove_tree",
    "scratch_directory",
    "write_json",
]

TEMPORARY = "_tmp-"


def digest_bytes(*parts: bytes) -> str:
    """The SHA-256 of the parts, each preceded by its length, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def digest_file(path: Path) -> str:
    """The SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file open for writing that takes the name `path` when the block ends without error.

    Raises:
        StoreError: the disk is full, read-only or not ours; the old file is untouched.
    """
    temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}-{path.name}")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync_directory(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """A directory to fill that takes the name `path`, which must be new, when the block ends.

    Every file in it is flushed to disk before the name appears.

    Raises:
        StoreError: it cannot be written, or `path` exists; nothing is left behind.
    """
    temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}-{path.name}")
    with _writing(path):
        temporary.mkdir(parents=True)
        try:
            yield temporary
            for folder, _, names in os.walk(temporary):
                for name in names:
                    _sync_file(Path(folder) / name)
                _sync_directory(Path(folder))
            if path.exists():
                raise StoreError(f"{path}: exists already; it is never overwritten. Remove it.")
            temporary.rename(path)
            _sync_directory(path.parent)
        finally:
            if temporary.exists():
                remove_tree(temporary)


@contextlib.contextmanager
def scratch_directory(root: Path) -> Iterator[Path]:
    """A directory for work in progress below `root`, removed when the block ends."""
    path = root / f"{TEMPORARY}{uuid.uuid4().hex}"
    with _writing(path):
        path.mkdir(parents=True)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Writes `content` as indented JSON with sorted keys, whole or not at all."""
    with new_file(path) as file:
        file.write(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False).encode())
        file.write(b"\n")


def read_json(path: Path) -> dict[str, object]:
    """The JSON object in a file.

    Raises:
        DamagedError: the file is missing, is not JSON, or holds something else than an object.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise DamagedError(f"{path}: is missing. Build it again.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedError(f"{path}: cannot be read as JSON ({error}). Build it again.") from error
    if not isinstance(content, dict):
        raise DamagedError(f"{path}: holds a {type(content).__name__}, not an object.")
    return content


def list_files(root: Path, *, leave_out: str = "manifest.json") -> dict[str, dict[str, object]]:
    """Name, size and SHA-256 of every file below `root`, for a manifest."""
    paths = sorted(path for path in root.rglob("*") if path.is_file() and path.name != leave_out)
    return {
        path.relative_to(root).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": digest_file(path),
        }
        for path in paths
    }


def check_files(root: Path, listed: Mapping[str, object], *, digests: bool) -> None:
    """Raise unless every file listed in a manifest is there with its size, and its digest.

    Args:
        root: the directory that the manifest's names are relative to.
        listed: what `list_files` gave.
        digests: compare the SHA-256 too; sizes alone are checked without reading.

    Raises:
        DamagedError: names the first file at fault, and what was expected.
    """
    for name, entry in listed.items():
        path = root / name
        if not isinstance(entry, dict):
            raise DamagedError(f"{root / 'manifest.json'}: the entry of {name!r} is no object.")
        try:
            found: object = path.stat().st_size if path.is_file() else "nothing"
        except OSError as error:
            raise DamagedError(f"{path}: cannot be read ({error.strerror}).") from error
        if found != entry.get("bytes"):
            raise DamagedError(
                f"{path}: {entry.get('bytes')} bytes expected, found {found}. "
                "Build it again, or go back with 'prodmatch rollback'."
            )
        if digests and digest_file(path) != entry.get("sha256"):
            raise DamagedError(
                f"{path}: its SHA-256 is not the one in the manifest, so its bytes changed. "
                "Build it again, or go back with 'prodmatch rollback'."
            )


@contextlib.contextmanager
def lock_store(store: Path) -> Iterator[None]:
    """Holds the store for writing; the lock dies with the process.

    Raises:
        LockedError: another run holds it.
        StoreError: the store cannot be created or written.
    """
    path = store / ".lock"
    with _writing(store):
        store.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(
                f"{store}: another run is writing to this store. Wait for it to end."
            ) from error
        yield
    finally:
        os.close(descriptor)


def remove_leftovers(root: Path) -> None:
    """Removes what dead runs left below `root` under temporary names; call it under the lock."""
    for path in root.rglob(f"{TEMPORARY}*"):
        if path.is_dir():
            remove_tree(path)
        else:
            path.unlink(missing_ok=True)


def remove_tree(path: Path) -> None:
    """Removes a directory and all below it."""
    with _writing(path):
        shutil.rmtree(path)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turns an operating system's refusal into a message that names the path and the reason."""
    try:
        yield
    except (ConnectionError, ChildProcessError):  # of another process, not of a disk
        raise
    except OSError as error:
        place = error.filename or path
        raise StoreError(
            f"{place}: cannot be written ({error.strerror or error}). "
            "Make room or give a place you may write to, then run again."
        ) from error


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
