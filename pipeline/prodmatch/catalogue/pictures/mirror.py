"""A mirror of the pictures below an address that a catalogue names; others are not fetched."""

import contextlib
import logging
import posixpath
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from prodmatch.catalogue.mirror import (
    Mirror,
    drop_others,
    fetch_file,
    is_safe,
    is_same,
)
from prodmatch.catalogue.pictures.image_files import fold_name, list_spellings
from prodmatch.catalogue.pictures.images import MOST_BYTES
from prodmatch.errors import RemoteError
from prodmatch.storage.atomic import remove_path
from prodmatch.storage.places.addresses import is_address
from prodmatch.storage.places.remote import RemoteFile, RemoteFolder, open_remote
from prodmatch.storage.temporary import temporary_folder

logger = logging.getLogger(__name__)

THREADS = 16  # each waits for an answer most of the time
AT_ONCE = 512  # pictures
FIRST_FAILURES = 50  # of the first pictures: if all of these fail, it is not the pictures


@dataclass(frozen=True)
class LocalPictures:
    """The directory that paths of pictures are below, and why some are not there."""

    path: Path | None
    unfetched: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # as of a catalogue


def locate_pictures(
    root: Path | str | None,
    mirrors: Path | None,
    list_names: Callable[[], Iterable[str]],
    *,
    fetch: bool,
) -> LocalPictures:
    """Where pictures lie on this machine; those below an address are brought up to date first.

    Args:
        root: a directory, or an address.
        mirrors: the directory of mirrors; one that lasts as long as the process if None.
        list_names: gives the paths that the catalogue names.
        fetch: False takes the mirror as it is.

    Raises:
        RemoteError: the address cannot be listed, or nothing of it can be read.
        StoreError: the mirror cannot be written.
    """
    if root is None or not is_address(str(root)):
        return LocalPictures(None if root is None else Path(root))
    mirror = Mirror.of(str(root), mirrors or temporary_folder())
    names = list(list_names()) if fetch else []
    unfetched = update_pictures(open_remote(str(root)), mirror, names) if names else {}
    return LocalPictures(mirror.folder, unfetched)


def update_pictures(
    remote: RemoteFolder, mirror: Mirror, names: Iterable[str]
) -> dict[str, tuple[str, str]]:
    """Fetches the named pictures that are new or changed, and drops the others.

    Gives reason and detail for those that cannot be fetched, by the detail that the reader has for
    what is missing. A name costs some 300 bytes of memory, a file of the listing 500.

    Raises:
        RemoteError: the place cannot be listed, or none of the first pictures can be read.
        StoreError: the mirror cannot be written.
    """
    listing = remote.list_files()
    wanted: dict[str, str] = {}  # names of files, and how the catalogue writes them
    folded: dict[str, str] = {}  # the only file of each name in any case
    for place in listing:
        folded[fold_name(place)] = "" if fold_name(place) in folded else place
    for name in names:
        places = list(_places(name))
        found = next((each for each in places if each in listing), None)
        found = found or next(filter(None, (folded.get(fold_name(each)) for each in places)), None)
        if found is not None:
            wanted.setdefault(found, name)
    drop_others(mirror.folder, wanted)
    stale = {
        place: listing[place]
        for place in wanted
        if not is_same(mirror.folder / place, listing[place])
    }
    if stale:
        logger.info("fetching %d pictures from %s", len(stale), remote.address)
    unfetched = {}
    with contextlib.closing(_fetch_all(remote, mirror, stale)) as results:
        for count, place, error in results:
            if error is not None:
                unfetched[repr(wanted[place])[:200]] = error
            if count == FIRST_FAILURES and len(unfetched) == count:
                raise RemoteError(
                    f"{remote.address}: none of the first {count} pictures can be fetched "
                    f"({': '.join(next(iter(unfetched.values())))}). Run again."
                )
    return unfetched


def _places(name: str) -> Iterator[str]:
    """The files below the root that a path may be, the likeliest first; none outside it."""
    for each in list_spellings(name):
        place = posixpath.normpath(each)
        if not place.startswith("/") and is_safe(place.split("/")):
            yield place


def _fetch_all(
    remote: RemoteFolder, mirror: Mirror, stale: Mapping[str, RemoteFile]
) -> Generator[tuple[int, str, tuple[str, str] | None]]:
    """The count so far, a name, and why it cannot be fetched; in the order given."""

    def fetch(place: str) -> tuple[str, str] | None:
        target, file = mirror.folder / place, stale[place]
        if target.is_symlink() or target.exists():
            remove_path(target)  # an old picture must not stand for one that is not there
        if file.size > MOST_BYTES:
            return "too_many_bytes", f"{place!r}: {file.size} bytes"
        try:
            fetch_file(remote, place, file, target)
        except RemoteError as error:
            return "not_fetched", str(error)
        return None

    count = 0
    pool = ThreadPoolExecutor(THREADS)
    try:
        for places in _batches(list(stale)):
            for place, error in zip(places, pool.map(fetch, places), strict=True):
                count += 1
                yield count, place, error
    finally:  # where the run ends, those that have not begun do not begin
        pool.shutdown(cancel_futures=True)


def _batches(places: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(places), AT_ONCE):
        yield places[start : start + AT_ONCE]
