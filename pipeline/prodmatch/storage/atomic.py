"""Files and directories that are complete or absent, and their digests.

Nothing else in the program writes a file. A name appears only when everything below it has
been flushed to disk: content, then the directory that holds it, then the rename, then the
directory that holds the name.
"""

import contextlib
import fcntl
import hashlib
import io
import json
import logging
import os
import re
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, cast

from prodmatch.errors import DamagedError, StoreError

logger = logging.getLogger(__name__)

TEMPORARY = "_tmp-"
UNIQUE = re.compile(rf"{TEMPORARY}[0-9a-f]{{32}}-")  # what a temporary name has before the name
SMALL_BYTES = 4 << 20  # a file's digest up to here costs milliseconds, so it is always compared


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


def file_digests(root: Path) -> list[bytes]:
    """The name and the SHA-256 of each file below `root` but for Markdown, by their names."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.suffix != ".md")
    pairs = ((path.relative_to(root).as_posix(), digest_file(path)) for path in files)
    return [part.encode() for pair in pairs for part in pair]


@contextlib.contextmanager
def new_file(path: Path, *, before_naming: Callable[[], None] = lambda: None) -> Iterator[BinaryIO]:
    """A file open for writing that takes the name `path` when the block ends without error.

    Args:
        before_naming: called when all is on disk, just before the rename; what it raises stops it.

    Raises:
        StoreError: the disk is full, read-only or not ours; the old file is untouched.
    """
    with set_aside(path) as temporary, create_file(temporary) as file:
        yield file
        _sync_open_file(file)
        before_naming()
        temporary.replace(path)
        _sync_directory(path.parent)


def write_file(path: Path, content: bytes | str) -> None:
    """Writes a file, a text in UTF-8, complete or not at all."""
    with new_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def publish_file(path: Path, content: bytes) -> bool:
    """Gives a file of this content the name `path`, never one that is taken; whether it did so.

    Of several that try at once, on any machine, exactly one does: the name is a second link to
    what was written aside and flushed.

    Raises:
        StoreError: the disk is full, read-only or not ours, or its file system has no links.
    """
    with set_aside(path) as temporary, create_file(temporary) as file:
        file.write(content)
        _sync_open_file(file)
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return False
        _sync_directory(path.parent)
    return True


@contextlib.contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """A directory to fill that takes the name `path`, which must be new, when the block ends.

    Every file in it is flushed to disk before the name appears. A flush that fails is final: a
    second one could report success for pages that the system has dropped.

    Raises:
        StoreError: it cannot be written, or `path` exists; nothing is left behind.
    """
    with set_aside(path) as temporary, held_directory(temporary, 0o755):
        yield temporary
        for folder, _, names in os.walk(temporary, topdown=False):
            for name in names:
                _sync_file(Path(folder) / name)
            _sync_directory(Path(folder))
        if path.exists():
            raise StoreError(f"{path}: exists already; it is never overwritten. Remove it.")
        temporary.rename(path)
        try:
            _sync_directory(path.parent)
        except OSError:
            path.rename(temporary)
            raise


def copy_file(source: Path, target: Path) -> None:
    """The bytes of `source` in the new file `target`, in a directory that appears complete."""
    with writing(target):
        make_directory(target.parent)
        with source.open("rb") as old, create_file(target) as new:
            shutil.copyfileobj(old, new, 1 << 20)


def link_or_copy(source: Path, target: Path) -> None:
    """The same bytes under a second name: a hard link where the file system has them."""
    with writing(target):
        make_directory(target.parent)
    try:
        target.hardlink_to(source)
    except OSError:
        copy_file(source, target)


def json_bytes(content: Mapping[str, object]) -> bytes:
    """`content` as indented JSON with sorted keys."""
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def write_json(
    path: Path, content: Mapping[str, object], *, before_naming: Callable[[], None] = lambda: None
) -> None:
    """Writes `content` as indented JSON with sorted keys, complete or not at all."""
    with new_file(path, before_naming=before_naming) as file:
        file.write(json_bytes(content))


def read_json(path: Path, remedy: str = "Build it again.") -> dict[str, object]:
    """The JSON object in a file.

    Args:
        remedy: a sentence for the message: what to do about another file.

    Raises:
        DamagedError: the file is missing, is not JSON, or holds something else than an object.
    """
    if not path.is_file():  # a pipe would be waited for
        raise DamagedError(f"{path}: is missing, or no plain file. {remedy}")
    try:
        return parse_json(path.read_bytes(), str(path), remedy)
    except OSError as error:
        raise DamagedError(f"{path}: cannot be read ({error}). {remedy}") from error


def parse_json(content: bytes, place: str, remedy: str) -> dict[str, object]:
    """The JSON object in some bytes; `place` is where they come from, for messages.

    Raises:
        DamagedError: they are not JSON, or hold something else than an object.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{place}: cannot be read as JSON ({error}). {remedy}") from error
    if not isinstance(found, dict):
        kind = {"list": "a list", "int": "a number", "float": "a number", "str": "a text"}
        shown = kind.get(type(found).__name__, json.dumps(found))
        raise DamagedError(f"{place}: holds {shown}, not an object. {remedy}")
    return found


def list_files(root: Path) -> dict[str, dict[str, object]]:
    """Name, size and SHA-256 of every file below `root`, for its manifest."""
    found = (path for path in root.rglob("*") if path.is_file())
    paths = sorted(path for path in found if path.name != "manifest.json")
    return {
        path.relative_to(root).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": digest_file(path),
        }
        for path in paths
    }


def check_files(
    root: Path, listed: Mapping[str, object], *, digests: bool, remedy: str = "Build it again."
) -> None:
    """Raise unless every file listed in a manifest is there with its size, and its digest.

    Args:
        root: the directory that the manifest's names are relative to.
        listed: what `list_files` gave.
        digests: compare the SHA-256 of all files, not only of those up to 4 MiB.
        remedy: a sentence for the message: what to do about another file.

    Raises:
        DamagedError: names the first file that is wrong, and what was expected.
    """
    for name, entry in listed.items():
        path = root / name
        if not isinstance(entry, dict) or Path(name).is_absolute() or ".." in Path(name).parts:
            raise DamagedError(f"{root / 'manifest.json'}: the entry of {name!r} is no file's.")
        try:
            found = path.lstat()
            size: object = found.st_size if stat.S_ISREG(found.st_mode) else "no plain file"
            same = size == entry.get("bytes")
            if same and (digests or found.st_size <= SMALL_BYTES):
                same = digest_file(path) == entry.get("sha256")
        except (FileNotFoundError, NotADirectoryError):
            size, same = "nothing", False
        except OSError as error:
            raise DamagedError(f"{path}: cannot be read ({error.strerror}).") from error
        if size != entry.get("bytes"):
            raise DamagedError(
                f"{path}: {entry.get('bytes')} bytes expected, found {size}. {remedy}"
            )
        if not same:
            raise DamagedError(
                f"{path}: its SHA-256 is not the one in the manifest, so its bytes changed. "
                f"{remedy}"
            )


def verify_or_remove(folder: Path) -> bool:
    """Whether a directory is there and every byte of it is what its manifest says.

    A damaged one is removed, so that it can be made again; call it under the lock.
    """
    if not folder.exists():
        return False
    try:
        files = read_json(folder / "manifest.json").get("files")
        if not isinstance(files, dict) or not files:
            raise DamagedError(f"{folder / 'manifest.json'}: lists no files.")
        check_files(folder, files, digests=True)
    except DamagedError as error:
        logger.warning("%s Removed, to be made again.", error)
        remove_path(folder)
        return False
    return True


def remove_leftovers(root: Path) -> None:
    """Removes what dead runs left below `root` under temporary names; call it under the lock."""
    with writing(root):
        for path in list(root.rglob(f"{TEMPORARY}*")):
            if UNIQUE.match(path.name):  # no name of anybody else
                remove_any(path)


def remove_path(path: Path) -> None:
    """Removes a file, or a directory and all below it; killed in between, its name is gone already.

    Raises:
        StoreError: it cannot be removed.
    """
    temporary = temporary_name(path)
    with writing(path):
        path.rename(temporary)
        remove_any(temporary)


def remove_any(path: Path) -> None:
    """Removes a file, a link, or a directory and all below it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an operating system's refusal into a message that names the path and the reason."""
    try:
        yield
    except (ConnectionError, ChildProcessError):  # of another process, not of a disk
        raise
    except OSError as error:
        origin = UNIQUE.sub("", str(error.filename or path))
        raise StoreError(
            f"{origin}: cannot be written ({error.strerror or error}). "
            "Make room or give a directory you may write to, then run again."
        ) from error


def temporary_name(path: Path) -> Path:
    """A name next to `path` that only this call knows, and that readers pass over."""
    return path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}-{path.name}")


@contextlib.contextmanager
def set_aside(path: Path) -> Iterator[Path]:
    """A name for what is to be called `path`, in its directory; removed when the block ends."""
    temporary = temporary_name(path)
    with writing(path):
        make_directory(path.parent)
        try:
            yield temporary
        finally:
            _forget(temporary)


@contextlib.contextmanager
def held_directory(path: Path, mode: int) -> Iterator[None]:
    """A new directory that this process holds until the block ends."""
    path.mkdir(mode)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _hold(descriptor)
        yield
    finally:
        os.close(descriptor)


def create_file(path: Path) -> BinaryIO:
    """A new file, never one that was there, and never writable by everyone; held while open."""
    file = cast(BinaryIO, io.open(path, "xb", opener=_open_ours))  # noqa: UP020, SIM115
    _hold(file.fileno())
    return file


def _hold(descriptor: int) -> None:
    """Tells other runs, where the file system has locks, that the one that made it is alive."""
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _open_ours(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)


def make_directory(path: Path) -> None:
    """Makes a directory and those above it; each new name is flushed to disk."""
    if path.is_dir():
        return
    make_directory(path.parent)
    try:
        path.mkdir(0o755)
    except FileExistsError:
        if not path.is_dir():
            raise
    _sync_directory(path.parent)


def _forget(path: Path) -> None:
    """Removes a temporary name; what cannot be removed, the next run removes."""
    with contextlib.suppress(OSError):
        remove_any(path)


def _sync_open_file(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
