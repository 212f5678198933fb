"""Generations: what is published is complete or absent, and one command goes back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

from prodmatch.errors import DamagedError, MismatchError, StoreError
from prodmatch.storage.atomic import check_files, list_files, new_directory, write_json
from prodmatch.storage.locks import Hold, lock_store
from prodmatch.storage.manifests import Named, Pointer, read_manifest
from prodmatch.storage.settings import ensure_exists

Read = TypeVar("Read")
FORMAT = 1  # of the manifest
SHAPE = {
    "generation": int,
    "products": int,
    "dim": int,
    "model": str,
    "model_fingerprint": str,
    "files": dict,
}
PUBLISH = "Run `build(catalogue)`."


@dataclass(frozen=True)
class Generation:
    """A published generation: index, products, lexical index, query encoders, manifest.

    As long as it is referred to, `gc` leaves its files where they are.
    """

    number: int
    folder: Path
    manifest: Mapping[str, object]
    hold: Hold | None = field(default=None, repr=False, compare=False)

    @property
    def is_held(self) -> bool:
        """Whether `gc` leaves it where it is."""
        return self.hold is not None and self.hold.is_held

    @property
    def product_count(self) -> int:
        """Products in the generation."""
        return int(str(self.manifest["products"]))

    @property
    def dim(self) -> int:
        """Dimensions of a vector, both parts together."""
        return int(str(self.manifest["dim"]))

    @property
    def weights(self) -> dict[str, float]:
        """Of the signals, for queries that name none."""
        weights = self.manifest.get("weights")
        return dict(weights) if isinstance(weights, dict) else {}

    @property
    def published(self) -> str:
        """When it was published in this store, in UTC: ISO 8601, to the second."""
        written = (self.folder / "manifest.json").stat().st_mtime
        return f"{datetime.fromtimestamp(written, UTC):%Y-%m-%dT%H:%M:%SZ}"

    @property
    def follows(self) -> int:
        """The greatest number that the generation published before this one may have.

        Those between were gone back from, so nobody had them when this one came.
        """
        number = self.manifest.get("follows")
        return number if isinstance(number, int) else self.number - 1

    @property
    def files(self) -> dict[str, object]:
        """The files with their sizes and digests."""
        return cast(dict[str, object], self.manifest["files"])


def publish_generation(store: Path, fill: Callable[[Path], Mapping[str, object]]) -> Generation:
    """Makes the next generation and points `CURRENT` at it once it is complete.

    Args:
        store: the store, whose lock the caller holds.
        fill: writes the files into a directory and gives the manifest's other entries.

    Raises:
        StoreError: it cannot be written; `CURRENT` is as it was.
    """
    root = store / "index"
    number = max([0, *generation_numbers(root)]) + 1
    folder = root / f"{number:06d}"
    with new_directory(folder) as temporary:
        entries = {**fill(temporary), "follows": _followed(store)}
        files = list_files(temporary)
        manifest = {**entries, "format": FORMAT, "generation": number, "files": files}
        write_json(temporary / "manifest.json", manifest)
    generation = _open(root, number)
    verify_generation(generation)  # read back what was written
    _pointer(root).write(number, folder)
    return generation


def _followed(store: Path) -> int | None:
    """The generation that is current now; None where there is none, or it is damaged."""
    try:
        return current_number(store)
    except (DamagedError, StoreError):
        return None


def adopt_generation(
    store: Path, number: int, fill: Callable[[Path], Mapping[str, object]]
) -> Generation:
    """Makes a generation that another store published, and points `CURRENT` at it.

    Args:
        store: the store, whose lock the caller holds.
        number: of the generation in the other store, and in this one.
        fill: writes its files and its manifest into a directory, and gives the entries of the
            files.

    Raises:
        DamagedError: what was written is not what the manifest says; `CURRENT` is as it was.
        StoreError: it cannot be written.
    """
    root = store / "index"
    folder = root / f"{number:06d}"
    with new_directory(folder) as temporary:
        check_files(temporary, fill(temporary), digests=True, remedy="Run again.")
    generation = _open(root, number)
    _pointer(root).write(number, folder)
    return generation


def open_generation(store: Path, number: int | None = None) -> Generation:
    """The current generation, or that one; manifest digest and file sizes are checked.

    Raises:
        StoreError: nothing has been published, or no such generation exists.
        DamagedError: a file is not what the manifest says.
        MismatchError: another version of prodmatch wrote it.
    """
    root = store / "index"
    if number is not None:
        if number not in generation_numbers(root):
            kept = ", ".join(str(kept) for kept in generation_numbers(root)) or "none"
            raise StoreError(f"{store}: has no generation {number}; it has {kept}.")
        return _open(root, number)
    named = _read_pointer(store)
    while True:
        try:
            folder = root / f"{int(named.name):06d}"
            check = partial(_pointer(root).check, named, folder)
            _advise(root, int(named.name), check)
            generation = _open(root, int(named.name))
        except (DamagedError, OSError):
            before, named = named, _read_pointer(store)
            if before == named:  # else publishing and `gc` came between the two reads
                raise
        else:
            if generation.is_held:
                return generation
            before, named = named, _read_pointer(store)
            if before == named:  # else `gc` may be about to remove what is not held
                return generation


def number_before(store: Path, generation: Generation) -> int | None:
    """The newest number that a store has of what a generation followed; None where it has none."""
    numbers = generation_numbers(store / "index")
    return max((number for number in numbers if number <= generation.follows), default=None)


def gone_back_to(store: Path, digest: str) -> Generation | None:
    """The current generation, where one that is newer was made from the embeddings of that name.

    Such embeddings are of a night that was taken back with `rollback`.
    """
    try:
        current = open_generation(store)
    except (DamagedError, MismatchError, StoreError):
        return None
    later = [
        each.manifest.get("embeddings")
        for each in survey_generations(store)
        if isinstance(each, Generation) and each.number > current.number
    ]
    is_current = current.manifest.get("embeddings") == digest
    return current if digest in later and not is_current else None


def current_number(store: Path) -> int:
    """The number of the current generation, whether it is intact or not.

    Raises:
        StoreError: nothing has been published.
        DamagedError: `CURRENT` names no generation.
    """
    return int(_read_pointer(store).name)


@dataclass(frozen=True)
class DamagedGeneration:
    """A generation that cannot be opened, and why."""

    number: int
    error: DamagedError | MismatchError


def survey_generations(store: Path) -> list[Generation | DamagedGeneration]:
    """All generations, oldest first, those that are damaged among them; file sizes are checked.

    Raises:
        StoreError: there is no such store.
    """
    ensure_exists(store)
    found: list[Generation | DamagedGeneration] = []
    for number in generation_numbers(store / "index"):
        try:
            found.append(_open(store / "index", number))
        except (DamagedError, MismatchError) as error:
            found.append(DamagedGeneration(number, error))
    return found


def verify_generation(generation: Generation) -> None:
    """Reads every file of a generation and compares its digest.

    Raises:
        DamagedError: names the first file whose bytes changed.
    """
    _advise(
        generation.folder.parent,
        generation.number,
        lambda remedy: check_files(
            generation.folder, generation.files, digests=True, remedy=remedy
        ),
    )


def roll_back(store: Path, number: int | None = None) -> Generation:
    """Points `CURRENT` at the newest intact generation before the current one, or at that one.

    Where `CURRENT` is missing or names nothing, it is pointed at the newest intact generation.

    Raises:
        StoreError: there is no such store, or generation.
        DamagedError: it is damaged; `CURRENT` stays.
    """
    ensure_exists(store)
    root = store / "index"
    with lock_store(store):
        chosen = [number] if number is not None else _earlier(store)
        for candidate in chosen:
            try:
                generation = open_generation(store, candidate)
                verify_generation(generation)
            except (DamagedError, MismatchError):
                if candidate == chosen[-1]:
                    raise
            else:
                _pointer(root).write(generation.number, generation.folder)
                return generation
    raise StoreError(f"{store}: holds no index yet. {PUBLISH}")


def _earlier(store: Path) -> list[int]:
    """The generations to go back to, the best first."""
    numbers = generation_numbers(store / "index")[::-1]
    try:
        current = current_number(store)
    except DamagedError:
        return numbers
    earlier = [number for number in numbers if number < current]
    if not earlier:
        raise StoreError(
            f"{store}: there is no generation before {current}. {_remedy(numbers[::-1], current)}"
        )
    return earlier


def _pointer(root: Path) -> Pointer:
    return Pointer(root, "generation", int)


def _read_pointer(store: Path) -> Named:
    root = store / "index"
    named = _pointer(root).read(_remedy(generation_numbers(root), None))
    if named is not None:
        return named
    if generation_numbers(root):
        raise DamagedError(
            f"{root / 'CURRENT'}: is missing. {_remedy(generation_numbers(root), None)}"
        )
    raise StoreError(f"{store}: holds no index yet. {PUBLISH}")


def _open(root: Path, number: int) -> Generation:
    return _advise(root, number, partial(_read, root, number))


def _advise(root: Path, number: int, read: Callable[[str], Read]) -> Read:
    """What is read; an error of it names an intact generation, looked for only then."""
    try:
        return read("")
    except (DamagedError, MismatchError):
        return read(advise_instead_of(root / f"{number:06d}"))


def advise_instead_of(folder: Path) -> str:
    """What to do about a damaged generation, by its directory: a command that works."""
    if not folder.name.isdigit():
        return PUBLISH
    root, number = folder.parent, int(folder.name)
    others = [other for other in generation_numbers(root) if other != number]
    return _remedy([other for other in others if _is_intact(root, other)], number)


def _is_intact(root: Path, number: int) -> bool:
    try:
        _read(root, number, "")
    except (DamagedError, MismatchError):
        return False
    return True


def _read(root: Path, number: int, remedy: str) -> Generation:
    path = root / f"{number:06d}" / "manifest.json"
    hold = Hold(path)
    generation = Generation(number, path.parent, read_manifest(path, FORMAT, SHAPE, remedy), hold)
    if generation.manifest["generation"] != number or not generation.files:
        raise DamagedError(f"{path}: is not the manifest of this generation. {remedy}")
    check_files(path.parent, generation.files, digests=False, remedy=remedy)
    return generation


def _remedy(numbers: Sequence[int], number: int | None) -> str:
    """What to do about a damaged generation, or, where None, about a damaged pointer."""
    others = [other for other in numbers if other != number]
    if number is None and others:
        return "Go back with `rollback()`, or publish a new one with `index()`."
    if number is not None and others:
        chosen = max((other for other in others if other < number), default=others[-1])
        return (
            f"Go to another with `rollback(number={chosen})`, or publish a new one with `index()`."
        )
    return "Publish a new one with `index()`."


def generation_numbers(root: Path) -> list[int]:
    """The numbers of all generations below a store's `index`, ascending; not all may be intact."""
    names = [path.name for path in root.glob("*") if path.is_dir()]
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())
