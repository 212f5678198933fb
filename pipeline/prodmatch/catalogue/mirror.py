"""A mirror of files at an address: local files with the sizes and times that the listing has."""

import logging
import os
import time
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from prodmatch.catalogue.files import TABLE_LOGS, describe_passed_over, is_parquet
from prodmatch.errors import CatalogueError, RemoteError
from prodmatch.storage.atomic import new_file, remove_path
from prodmatch.storage.places.addresses import describe_place, is_address, mirror_name
from prodmatch.storage.places.remote import RemoteFile, RemoteFolder, open_remote
from prodmatch.storage.temporary import temporary_folder

logger = logging.getLogger(__name__)

Fetch = Literal["all", "catalogue", "nothing"]  # of what is at addresses
TRIES = 3  # of a file that changes while it is fetched
# A file that is younger when it is fetched may be written again within the second that listings
# tell; it is fetched again by the next run.
YOUNG_SECONDS = 60
LONGEST_NAME = 240  # bytes, so that there is room for a temporary name's start


@dataclass(frozen=True)
class LocalFiles:
    """Where files can be read on this machine, and how messages call the place."""

    path: Path
    name: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mirror:
    """The mirror of an address below a directory."""

    address: str
    root: Path

    @classmethod
    def of(cls, address: str, mirrors: Path) -> "Mirror":
        """That of an address, whatever options stand behind its `?`."""
        return cls(address, mirrors / mirror_name(address))

    @property
    def folder(self) -> Path:
        """Where the files of a folder are."""
        return self.root / "folder"

    @property
    def path(self) -> Path:
        """What a reader opens: a file if the address is that of one, else the folder."""
        file = self.root / "file" / describe_place(self.address).rpartition("/")[2]
        return file if file.is_file() else self.folder


def locate_catalogue(
    place: Path | str, mirrors: Path | None = None, *, fetch: bool = True
) -> LocalFiles:
    """A catalogue's files on this machine; those of an address are brought up to date first.

    Args:
        mirrors: the directory of mirrors; one that lasts as long as the process if None.
        fetch: False takes the mirror as it is.

    Raises:
        RemoteError: the address cannot be reached or read; the mirror has whole files only.
        CatalogueError: there is no mirror yet.
        StoreError: the mirror cannot be written.
    """
    if not is_address(str(place)):
        return LocalFiles(Path(place), str(place))
    address = str(place)
    mirror = Mirror.of(address, mirrors or temporary_folder())
    warnings = tuple(update_mirror(open_remote(address), mirror)) if fetch else ()
    if not mirror.path.exists():
        if not fetch:
            raise CatalogueError(
                f"{describe_place(address)}: has not been fetched yet. Run `embed()`."
            )
        raise CatalogueError(
            f"{describe_place(address)}: holds no file that ends in .parquet or .pq."
            + "".join(f" {warning}" for warning in warnings)
        )
    return LocalFiles(mirror.path, describe_place(address), warnings)


def update_mirror(remote: RemoteFolder, mirror: Mirror) -> list[str]:
    """Fetches what is new or changed, drops what is gone, and gives warnings.

    Only Parquet files are fetched, or the one file that the address names. Each is complete or
    absent, whenever the run ends.

    Raises:
        RemoteError: the place cannot be listed, or a file cannot be read.
        StoreError: the mirror cannot be written.
    """
    listing = remote.list_files()
    warnings: list[str] = []
    if "" in listing:
        name = remote.address.rpartition("/")[2]
        wanted = {"file/" + name: ("", listing[""])}
    else:
        chosen = {name: file for name, file in listing.items() if _is_read(name)}
        wanted = {"folder/" + name: (name, file) for name, file in chosen.items()}
        warnings = _describe_others(remote.address, listing)
    drop_others(mirror.root, wanted)
    stale = {
        local: each for local, each in wanted.items() if not is_same(mirror.root / local, each[1])
    }
    for number, (local, (name, file)) in enumerate(stale.items(), 1):
        logger.info("fetching %s (%d of %d)", remote.at(name), number, len(stale))
        fetch_file(remote, name, file, mirror.root / local)
    return warnings


def is_same(path: Path, file: RemoteFile) -> bool:
    """Whether a local file is the mirror of a remote one: of its size and time."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return found.st_size == file.size and found.st_mtime_ns == file.modified_ns


def fetch_file(remote: RemoteFolder, name: str, file: RemoteFile, target: Path) -> None:
    """Makes `target` the mirror of a file; one that changes meanwhile is fetched again.

    Raises:
        RemoteError: it cannot be read, is cut short, or changes each time.
        StoreError: the target cannot be written.
    """
    _require_name(remote, name, target)
    if target.is_dir():
        remove_path(target)
    for attempt in range(1, TRIES + 1):
        try:
            _fetch_once(remote, name, file, target)
        except RemoteError:
            now = remote.describe(name)
            if attempt == TRIES or now in (None, file):  # the same: to try was the client's
                raise
            file = now
        else:
            return


def _fetch_once(remote: RemoteFolder, name: str, file: RemoteFile, target: Path) -> None:
    started = time.time_ns()
    with new_file(target) as out:
        remote.fetch(name, out, file.size)
        if remote.describe(name) != file:
            raise RemoteError(
                f"{remote.at(name)}: was replaced while it was fetched. Run again when it is "
                "written."
            )
        out.flush()
        is_old = started - file.modified_ns > YOUNG_SECONDS * 10**9
        modified = file.modified_ns if file.modified_ns and is_old else 1
        os.utime(out.fileno(), ns=(modified, modified))


def _require_name(remote: RemoteFolder, name: str, target: Path) -> None:
    """Refuses names that would lie elsewhere on this machine, or that it cannot have."""
    parts = name.split("/") if name else [target.name]
    if not is_safe(parts):
        raise RemoteError(
            f"{remote.at(name)}: no file of this machine can have that name. Rename the object."
        )


def is_safe(parts: list[str]) -> bool:
    """Whether the parts of a name are those of a file below a directory."""
    return not any(
        part in ("", ".", "..") or "\0" in part or len(part.encode()) > LONGEST_NAME
        for part in parts
    )


def _is_read(name: str) -> bool:
    return is_parquet(name) and not _hidden(name)


def _hidden(name: str) -> bool:
    parts = name.split("/")
    return any(part[:1] == "." or (part[:1] == "_" and "=" not in part) for part in parts)


def _describe_others(address: str, listing: Mapping[str, RemoteFile]) -> list[str]:
    """Warnings of what is passed over, as those of a directory."""
    others = [repr(name) for name in listing if not is_parquet(name) and not _hidden(name)]
    passed = {"files that do not end in .parquet or .pq": others} if others else {}
    folders = {part for name in listing for part in name.split("/")[:-1]}
    log = next((TABLE_LOGS[name] for name in sorted(folders & set(TABLE_LOGS))), None)
    return describe_passed_over(address, passed, log)


def drop_others(root: Path, kept: Container[str]) -> None:
    """Removes the files below a directory whose names are not among these."""
    for path in [path for path in root.rglob("*") if path.is_symlink() or not path.is_dir()]:
        if path.relative_to(root).as_posix() not in kept:
            remove_path(path)
