"""Lists of codes of the text parts and of the image parts, with the vectors of all rows."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from prodmatch.errors import DamagedError
from prodmatch.search.vectors.code_lists import FEWEST_RESCORED, CodeLists
from prodmatch.search.vectors.half_vectors import HalfVectors
from prodmatch.search.vectors.neighbours import Neighbours, ordered
from prodmatch.storage.atomic import link_or_copy, read_json, write_json
from prodmatch.storage.vectors import Vectors, split_parts

RESCORED = 4  # times the wanted rows, that codes find, are compared by their vectors
FIRST_LISTS = 16  # that a query looks at, before it is tuned
PARTS = ("text", "image")


class PartLists:
    """Lists of codes of the text parts and of the image parts, and the vectors of all rows."""

    def __init__(self, path: Path, row_count: int, dim: int) -> None:
        """Opens the files that lie next to FAISS's.

        Raises:
            DamagedError: one of them is missing, or damaged.
        """
        self._path = path
        self.vectors = HalfVectors(path, row_count, dim)
        text, image = (CodeLists(lists_path(path, name), row_count, dim // 2) for name in PARTS)
        self.parts = (text, image)
        breadths = _breadths_path(path)
        kept = read_json(breadths) if breadths.exists() else {}
        for name, lists in zip(PARTS, self.parts, strict=True):
            most = max(1, lists.quantizer.list_count)
            lists.breadth = min(most, _read_count(breadths, kept, name, FIRST_LISTS))
            lists.rescored = _read_count(breadths, kept, f"{name}_rescored", FEWEST_RESCORED)

    @property
    def kind(self) -> str:
        """In the way of FAISS's factory; of the text parts, then of the image parts."""
        counts = "+".join(str(lists.quantizer.list_count) for lists in self.parts)
        looked_at = "+".join(str(lists.breadth) for lists in self.parts)
        codes = len(self.parts[0].quantizer.codebook)
        return f"IVF{counts},PQ{codes}x4fsr,Refine(SQfp16) nprobe={looked_at}"

    def search(
        self, queries: Vectors, count: int, within: npt.NDArray[np.int64] | None
    ) -> list[Neighbours]:
        """As `AnnIndex.search`: the rows that either part's codes find, compared by vectors."""
        row_count = len(self.vectors.rows)
        bits = None if within is None else row_bits(within, row_count)
        share = 1.0 if within is None else len(within) / row_count
        found: list[list[npt.NDArray[np.int64]]] = [[] for _ in queries]
        for lists, part in zip(self.parts, split_parts(queries), strict=True):
            chosen = np.flatnonzero(part.any(axis=1))
            wanted = max(lists.rescored, RESCORED * count)
            near = lists.candidates(part[chosen], wanted, bits, share)
            for query, rows in zip(chosen.tolist(), near, strict=True):
                if len(rows):
                    found[query].append(rows)
        return [self._best(*pair, count) for pair in zip(queries, found, strict=True)]

    def _best(self, query: Vectors, found: list[npt.NDArray[np.int64]], count: int) -> Neighbours:
        if not found:
            return Neighbours(np.zeros(0, np.int64), np.zeros(0, np.float32))
        rows, part = found[0], slice(None)
        if len(found) > 1:
            rows = np.unique(np.concatenate(found))
        else:  # the other part of the query is zeros
            dim = len(query) // 2
            part = slice(dim) if query[:dim].any() else slice(dim, None)
        near = ordered(rows, self.vectors.compare(query, rows, part))
        return Neighbours(near.rows[:count], near.scores[:count])

    def save(self, path: Path) -> None:
        """The files under other names."""
        link_or_copy(self._path, path)
        for name in PARTS:
            link_or_copy(lists_path(self._path, name), lists_path(path, name))
        pairs = list(zip(PARTS, self.parts, strict=True))
        breadths = {name: each.breadth for name, each in pairs}
        rescored = {f"{name}_rescored": each.rescored for name, each in pairs}
        write_json(_breadths_path(path), breadths | rescored)


def lists_path(path: Path, part: str) -> Path:
    """Where the lists of a part are that belong to an index in a file of FAISS's."""
    return path.with_name(f"{path.stem}.{part}.safetensors")


def _read_count(path: Path, kept: Mapping[str, object], name: str, default: int) -> int:
    """A number of the file that says how much a query looks at."""
    found = kept.get(name, default)
    if type(found) is not int or found < 1:
        raise DamagedError(f"{path}: {name!r} is {found!r}. Build it again.")
    return found


def _breadths_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}.nprobe.json")


def row_bits(rows: npt.NDArray[np.int64], row_count: int) -> npt.NDArray[np.uint8]:
    """Bits of all rows, the first in the lowest, set where they are among these."""
    bits = np.zeros(row_count, dtype=np.bool_)
    bits[rows] = True
    return np.packbits(bits, bitorder="little")
