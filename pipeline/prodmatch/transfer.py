"""Job: a generation to and from another place, a directory or a bucket; complete or absent."""

import contextlib
import hashlib
import io
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from prodmatch.errors import DamagedError, MismatchError, RemoteError, StoreError, require_path
from prodmatch.exports.pushed import (
    MANIFEST,
    POINTER,
    ListedFile,
    PushedGeneration,
    manifest_name,
    read_listed,
    read_manifest_files,
    read_pushed,
    write_pointer,
)
from prodmatch.storage.atomic import digest_file, link_or_copy, new_file, remove_path, write_file
from prodmatch.storage.generations import (
    adopt_generation,
    current_number,
    generation_numbers,
    open_generation,
    roll_back,
    verify_generation,
)
from prodmatch.storage.locks import hold_store
from prodmatch.storage.places.remote import RemoteFile, RemoteFolder

logger = logging.getLogger(__name__)

FRESH_SECONDS = 3600.0  # objects this young may be of a push that is not at its end


@dataclass(frozen=True)
class PushReport:
    """What a push did."""

    generation: int
    products: int
    files: int
    sent: int  # files that were not there yet
    bytes: int  # of these
    removed: list[int]  # older generations
    target: str


@dataclass(frozen=True)
class PullReport:
    """What a pull did."""

    generation: int
    products: int
    files: int
    fetched: int  # files that no generation of the store has
    bytes: int  # of these
    new: bool  # whether another generation is the current one now
    source: str


def push_generation(
    store: Path | str, target: RemoteFolder, *, number: int | None = None, keep: int = 3
) -> PushReport:
    """Sends a generation to another place and makes it the one that `pull_generation` takes there.

    Files that the place has already are not sent. The generation is read back first, and held open
    meanwhile: `gc` may remove its names, not its bytes. Only one store may push to a place.

    Args:
        number: of the generation; the current one if None.
        keep: generations that stay there, with the one that is sent; what no other refers to is
            removed, after everything else.

    Raises:
        StoreError: there is no such generation.
        DamagedError: it is damaged; nothing is sent.
        RemoteError: the place cannot be written; readers there have what they had.
    """
    generation = open_generation(require_path(store, "store"), number)
    with contextlib.ExitStack() as stack:
        listed = read_listed(generation.manifest, str(generation.folder))
        manifest = stack.enter_context(_open(generation.folder / "manifest.json"))
        files = {
            each.object: stack.enter_context(_open(generation.folder / each.name))
            for each in listed
        }
        verify_generation(generation)
        sent = _send(target, listed, files)
        _require_complete(target, listed)
        name = _write_manifest(target, generation.number, manifest.read())
    kept, removed = _choose_kept(target, name, keep)
    _tidy(target, kept, removed)
    return PushReport(
        generation=generation.number,
        products=generation.product_count,
        files=len(listed),
        sent=len(sent),
        bytes=sum(each.size for each in sent),
        removed=[int(each.partition("-")[0]) for each in removed],
        target=target.address,
    )


def pull_generation(store: Path | str, source: RemoteFolder) -> PullReport:
    """Makes the generation that was pushed to a place the current one of a store.

    It keeps its number, so that what answers say of it is the same everywhere. Every digest is
    compared before it is published; files that the store's other generations have are not fetched.
    Without anything new, nothing is written.

    Args:
        store: a store that only pulls; made where there is none.

    Raises:
        RemoteError: the place cannot be read, or holds nothing; the store's generation stays.
        DamagedError: what is there is not what was pushed; the store's generation stays.
        StoreError: the store has another generation of that number, or cannot be written.
        LockedError: another run writes to the store.
    """
    store = require_path(store, "store")
    pushed = read_pushed(source)
    with hold_store(store):
        pull = _Pull(store, source, pushed)
        new = not pull.is_current()
        if new:
            pull.run()
        generation = open_generation(store)
    return PullReport(
        generation=pushed.number,
        products=generation.product_count,
        files=len(pushed.files),
        fetched=len(pull.fetched),
        bytes=sum(each.size for each in pull.fetched),
        new=new,
        source=source.address,
    )


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise StoreError(f"{path}: was removed meanwhile. Run again.") from error


def _send(
    target: RemoteFolder, listed: Sequence[ListedFile], files: Mapping[str, BinaryIO]
) -> list[ListedFile]:
    """Puts what the place lacks there, and gives it."""
    there = target.list_files(allow_missing=True)
    missing = {each.object: each for each in listed if _lacks(there, each)}
    for each in missing.values():
        logger.info("sending %s", each.name)
        target.put(each.object, files[each.object])
    return list(missing.values())


def _lacks(there: Mapping[str, RemoteFile], listed: ListedFile) -> bool:
    found = there.get(listed.object)
    return found is None or found.size != listed.size


def _require_complete(target: RemoteFolder, listed: Sequence[ListedFile]) -> None:
    there = target.list_files(allow_missing=True)
    for each in listed:
        if _lacks(there, each):
            raise RemoteError(
                f"{target.at(each.object)}: is not there as it was sent. Run again; another push "
                "to this place may have removed it."
            )


def _write_manifest(target: RemoteFolder, number: int, content: bytes) -> str:
    """Puts a manifest there, then the pointer to it; gives its name."""
    digest = hashlib.sha256(content).hexdigest()
    name = manifest_name(number, digest)
    target.put(f"generations/{name}", io.BytesIO(content))
    target.put(POINTER, io.BytesIO(write_pointer(number, digest)))
    return name


def _choose_kept(target: RemoteFolder, newest: str, keep: int) -> tuple[list[str], list[str]]:
    """The manifests that stay, and the older ones that go."""
    names = [name.removeprefix("generations/") for name in target.list_files()]
    others = sorted(name for name in names if MANIFEST.fullmatch(name) and name != newest)
    count = len(others) - (keep - 1)
    return [*others[max(0, count) :], newest], others[: max(0, count)]


def _tidy(target: RemoteFolder, kept: Sequence[str], removed: Sequence[str]) -> None:
    """Removes manifests, and objects that none of those kept lists; a failure is a warning."""
    try:
        used = {f"generations/{name}" for name in kept}
        for name in kept:
            used |= {each.object for each in read_manifest_files(target, name)}
        for name in removed:
            target.remove(f"generations/{name}")
        for name, file in target.list_files().items():
            is_old = time.time() - file.modified_ns / 1e9 > FRESH_SECONDS
            if name.startswith("objects/") and name not in used and is_old:
                target.remove(name)
    except (RemoteError, StoreError, DamagedError) as error:
        logger.warning("old generations are not removed: %s", error)


@dataclass
class _Pull:
    """The way of a pushed generation into a store, whose lock is held."""

    store: Path
    source: RemoteFolder
    pushed: PushedGeneration
    fetched: list[ListedFile] = field(default_factory=list)

    def is_current(self) -> bool:
        """Whether the store has it and answers from it."""
        try:
            current = current_number(self.store)
            open_generation(self.store)
        except (StoreError, DamagedError, MismatchError):
            return False
        return current == self.pushed.number and self._has_it()

    def run(self) -> None:
        """Publishes it: what the store has under its number already, else what is fetched."""
        number, folder = self.pushed.number, self._folder
        if number in generation_numbers(self.store / "index"):
            if not self._has_it():
                raise StoreError(
                    f"{self.store}: has another generation {number} than {self.source.address}. "
                    "Pull into a store that nothing else publishes in, with `store`."
                )
            with contextlib.suppress(DamagedError, MismatchError):
                roll_back(self.store, number)
                return
            logger.warning("%s: is damaged, and is fetched again.", folder)
            remove_path(folder)
        adopt_generation(self.store, number, self._fill)

    @property
    def _folder(self) -> Path:
        return self.store / "index" / f"{self.pushed.number:06d}"

    def _has_it(self) -> bool:
        manifest = self._folder / "manifest.json"
        return manifest.is_file() and digest_file(manifest) == self.pushed.digest

    def _fill(self, folder: Path) -> Mapping[str, object]:
        """Writes the files, those that the store has by other names, then the manifest."""
        known = self._known_files()
        for listed in self.pushed.files:
            target = folder / listed.name
            old = known.get(listed.sha256)
            if old is not None and old.is_file() and digest_file(old) == listed.sha256:
                link_or_copy(old, target)
                continue
            self._fetch(listed, target)
        write_file(folder / "manifest.json", self.pushed.content)
        return {
            each.name: {"bytes": each.size, "sha256": each.sha256} for each in self.pushed.files
        }

    def _fetch(self, listed: ListedFile, target: Path) -> None:
        logger.info("fetching %s", listed.name)
        with new_file(target) as file:
            self.source.fetch(listed.object, file, listed.size)
        if digest_file(target) != listed.sha256:
            raise DamagedError(
                f"{self.source.at(listed.object)}: its bytes are not those that were pushed. Run "
                "again; if they stay so, remove that file there and push again."
            )
        self.fetched.append(listed)

    def _known_files(self) -> dict[str, Path]:
        """The files of the store's generations by their digests; damaged ones are passed over."""
        known = {}
        for number in generation_numbers(self.store / "index"):
            with contextlib.suppress(DamagedError, MismatchError):
                generation = open_generation(self.store, number)
                for each in read_listed(generation.manifest, str(generation.folder)):
                    known[each.sha256] = generation.folder / each.name
        return known
