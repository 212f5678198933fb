"""Generations: what is published is whole or absent, and one command goes back."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from prodmatch.errors import DamagedError, StoreError
from prodmatch.storage.atomic import (
    check_files,
    digest_file,
    list_files,
    lock_store,
    new_directory,
    new_file,
    read_json,
    remove_leftovers,
    remove_tree,
    write_json,
)

__all__ = [
    "Generation",
    "collect_garbage",
    "list_generations",
    "open_generation",
    "publish_generation",
    "roll_back",
    "verify_generation",
]

CURRENT = "CURRENT"


@dataclass(frozen=True)
class Generation:
    """A published generation: index, products, lexical index, query encoders, manifest."""

    number: int
    folder: Path
    manifest: Mapping[str, object]

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
    def files(self) -> dict[str, object]:
        """The files with their sizes and digests."""
        files = self.manifest.get("files")
        return files if isinstance(files, dict) else {}


def publish_generation(store: Path, fill: Callable[[Path], Mapping[str, object]]) -> Generation:
    """Makes the next generation and points `CURRENT` at it once it is whole.

    Args:
        store: the store, whose lock the caller holds.
        fill: writes the files into a directory and gives the manifest's other entries.

    Raises:
        StoreError: it cannot be written; `CURRENT` is as it was.
    """
    root = store / "index"
    number = max([0, *_numbers(root)]) + 1
    folder = root / f"{number:06d}"
    with new_directory(folder) as temporary:
        entries = fill(temporary)
        manifest = {**entries, "generation": number, "files": list_files(temporary)}
        write_json(temporary / "manifest.json", manifest)
    generation = _open(root, number)
    check_files(folder, generation.files, digests=True)  # read back what was written
    _point(root, generation)
    return generation


def open_generation(store: Path, number: int | None = None) -> Generation:
    """The current generation, or that one; manifest digest and file sizes are checked.

    Raises:
        StoreError: nothing has been published, or no such generation exists.
        DamagedError: a file is not what the manifest says.
    """
    root = store / "index"
    pointer = root / CURRENT
    if number is None and not pointer.exists():
        raise StoreError(
            f"{store}: holds no index yet. Run 'prodmatch embed CATALOGUE' and 'prodmatch index'."
        )
    if number is not None:
        if number not in _numbers(root):
            kept = ", ".join(str(kept) for kept in _numbers(root)) or "none"
            raise StoreError(f"{store}: has no generation {number}; it has {kept}.")
        return _open(root, number)
    named = _read_pointer(pointer)
    while True:
        try:
            return _open_named(root, *named)
        except (DamagedError, OSError):
            before, named = named, _read_pointer(pointer)
            if before == named:  # else publishing and `gc` came between the two reads
                raise


def _open_named(root: Path, number: int, digest: str) -> Generation:
    manifest = root / f"{number:06d}" / "manifest.json"
    if manifest.is_file() and digest_file(manifest) != digest:
        raise DamagedError(
            f"{manifest}: is not the one that {root / CURRENT} names. "
            "Go back with 'prodmatch rollback'."
        )
    return _open(root, number)


def list_generations(store: Path) -> list[Generation]:
    """All generations that can be opened, oldest first."""
    return [_open(store / "index", number) for number in _numbers(store / "index")]


def verify_generation(generation: Generation) -> None:
    """Reads every file of a generation and compares its digest.

    Raises:
        DamagedError: names the first file whose bytes changed.
    """
    check_files(generation.folder, generation.files, digests=True)


def roll_back(store: Path, number: int | None = None) -> Generation:
    """Points `CURRENT` at the generation before the current one, or at that one.

    Raises:
        StoreError: there is no such generation.
        DamagedError: it is not whole; `CURRENT` stays.
    """
    root = store / "index"
    with lock_store(store):
        if number is None:
            current = open_generation_number(store)
            earlier = [found for found in _numbers(root) if found < current]
            if not earlier:
                raise StoreError(f"{store}: there is no generation before {current}.")
            number = earlier[-1]
        generation = open_generation(store, number)
        verify_generation(generation)
        _point(root, generation)
    return generation


def collect_garbage(store: Path, keep: int = 3, *, seconds: float = 3600.0) -> list[Path]:
    """Removes what nothing refers to, and gives the paths.

    Kept are the current generation, the `keep` newest, those that were published within the
    last `seconds`, which a query may have open, and the newest embeddings. Features are kept:
    they are what makes a rebuild cheap.
    """
    with lock_store(store):
        remove_leftovers(store)
        root = store / "index"
        current = open_generation_number(store) if (root / CURRENT).exists() else 0
        numbers = _numbers(root)
        old = [number for number in numbers[:-keep] if number != current]
        folders = [root / f"{number:06d}" for number in old]
        removed = [path for path in folders if time.time() - path.stat().st_mtime > seconds]
        pointer = store / "embeddings" / CURRENT
        newest = read_json(pointer).get("embeddings") if pointer.exists() else None
        sets = [path for path in (store / "embeddings").glob("*") if path.is_dir()]
        removed += [path for path in sets if path.name != newest]
        for path in removed:
            remove_tree(path)
    return removed


def open_generation_number(store: Path) -> int:
    """The number that `CURRENT` names."""
    number = read_json(store / "index" / CURRENT).get("generation")
    if not isinstance(number, int):
        raise DamagedError(f"{store / 'index' / CURRENT}: names no generation.")
    return number


def _point(root: Path, generation: Generation) -> None:
    pointer = {
        "generation": generation.number,
        "manifest_sha256": digest_file(generation.folder / "manifest.json"),
    }
    with new_file(root / CURRENT) as file:
        file.write(json.dumps(pointer, sort_keys=True).encode() + b"\n")


def _open(root: Path, number: int) -> Generation:
    folder = root / f"{number:06d}"
    generation = Generation(number, folder, read_json(folder / "manifest.json"))
    if generation.manifest.get("generation") != number or not generation.files:
        raise DamagedError(f"{folder / 'manifest.json'}: is not the manifest of this generation.")
    check_files(folder, generation.files, digests=False)
    return generation


def _numbers(root: Path) -> list[int]:
    names = [path.name for path in root.glob("*") if path.is_dir()]
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def _read_pointer(pointer: Path) -> tuple[int, str]:
    """The number of the published generation, and the digest of its manifest."""
    content = read_json(pointer)
    current, digest = content.get("generation"), content.get("manifest_sha256")
    if not isinstance(current, int) or not isinstance(digest, str):
        raise DamagedError(f"{pointer}: names no generation. Run 'prodmatch rollback'.")
    return current, digest
