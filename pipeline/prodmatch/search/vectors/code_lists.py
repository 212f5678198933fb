"""Inverted lists of 4-bit codes of one part of all vectors, in a file that is mapped into memory.

The file is one of safetensors: `rotation (dim, dim)`, and of rotated vectors `tops (groups, dim)`,
`centroids (lists, dim)` in the order of their groups, `groups (lists,)`, `codebook (numbers, 16,
width)`, `list_codebook (dim, 16, 1)` of the centroids, `sizes (lists,)`, `list_codes`, the bytes of
the centroids in codes, and `lists`, those of all lists. Codes are in blocks of 32 as FastScan, of
FAISS, reads them; in a list the rows' ids follow.
"""

import json
import math
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import faiss
import numpy as np
import numpy.typing as npt

from prodmatch.errors import DamagedError
from prodmatch.storage.vectors import Rows, Vectors

BLOCK_ROWS = 32
LEVELS = 16  # of a code
MOST_HEADER = 1 << 16  # bytes
FEWEST_RESCORED = 300  # rows that codes find are compared by their vectors
MOST_RESCORED = 2400
FETCHED_SEARCHES = 10  # of an index just opened, which memory may not hold yet
COMPARED = 1.2  # times the lists looked at, that codes find, are compared by their centroids
TENSORS = {
    "rotation": "F32",
    "tops": "F32",
    "centroids": "F32",
    "groups": "I64",
    "codebook": "F32",
    "list_codebook": "F32",
    "sizes": "I64",
    "list_codes": "U8",
    "lists": "U8",
}
TYPES: dict[str, npt.DTypeLike] = {
    "F32": np.dtype("<f4"),
    "I64": np.dtype("<i8"),
    "U8": np.dtype("u1"),
}


@dataclass(frozen=True)
class Quantizer:
    """What lists are chosen and codes are made by.

    Attributes:
        rotation: `(dim, dim)`, which spreads over the numbers of a code what vectors vary by.
        tops: `(groups, dim)` of unit length, of rotated vectors as all that follows.
        centroids: `(lists, dim)` of one length, that of the mean row, in the order of their groups.
        groups: `(lists,)`, ascending: the group of each list.
        codebook: `(numbers, 16, width)` of what vectors differ from their centroids by.
        list_codebook: `(dim, 16, 1)` of the centroids.
    """

    rotation: Vectors
    tops: Vectors
    centroids: Vectors
    groups: Rows
    codebook: Vectors
    list_codebook: Vectors

    @property
    def dim(self) -> int:
        """Of a part."""
        return int(self.centroids.shape[1])

    @property
    def list_count(self) -> int:
        """How many lists there are."""
        return len(self.centroids)

    @property
    def padded_lists(self) -> int:
        """As many, in whole blocks."""
        return -(-self.list_count // BLOCK_ROWS) * BLOCK_ROWS

    @property
    def list_code_bytes(self) -> int:
        """Of a centroid."""
        return (len(self.list_codebook) + 1) // 2

    @property
    def code_bytes(self) -> int:
        """Of a row in a list."""
        return (len(self.codebook) + 1) // 2


class CodeLists:
    """Open lists of codes: a query looks at `breadth` of them and compares `rescored` rows anew."""

    def __init__(self, path: Path, row_count: int, dim: int) -> None:
        """Opens a file of them and checks it.

        Raises:
            DamagedError: it is no such file, or not of that size and dimension.
        """
        self.path, self.row_count = path, row_count
        self._mapped, tensors, start = _map_tensors(path)
        self.quantizer = Quantizer(
            cast(Vectors, tensors["rotation"]),
            cast(Vectors, tensors["tops"]),
            cast(Vectors, tensors["centroids"]),
            cast(Rows, tensors["groups"]),
            cast(Vectors, tensors["codebook"]),
            cast(Vectors, tensors["list_codebook"]),
        )
        self.sizes = cast(Rows, tensors["sizes"])
        self._list_codes = cast(npt.NDArray[np.uint8], tensors["list_codes"])
        self._bytes = cast(npt.NDArray[np.uint8], tensors["lists"])
        self._check(dim)
        self.breadth, self.rescored = 1, FEWEST_RESCORED
        self._fetched = 0
        self._index = self._open_index(start) if self.quantizer.list_count else None
        self._centroids = self._open_centroids()

    def _check(self, dim: int) -> None:
        chosen, sizes = self.quantizer, self.sizes
        count, width = chosen.list_count, chosen.codebook.shape[-1]
        small = (chosen.rotation, chosen.tops, chosen.codebook, chosen.list_codebook)
        shapes = [part.ndim for part in (chosen.tops, chosen.centroids, chosen.codebook)]
        fits = (
            shapes == [2, 2, 3]
            and chosen.tops.shape[1] == chosen.dim == dim == len(chosen.codebook) * width
            and chosen.codebook.shape[1] == LEVELS
            and chosen.list_codebook.shape == (dim, LEVELS, 1)
            and chosen.rotation.shape == (dim, dim)
            and self._list_codes.shape == (chosen.padded_lists * chosen.list_code_bytes,)
            and chosen.groups.shape == sizes.shape == (count,)
            and self._bytes.ndim == 1
            and bool((np.diff(chosen.groups) >= 0).all())
            and bool(((chosen.groups >= 0) & (chosen.groups < len(chosen.tops))).all())
            and bool(((sizes >= 0) & (sizes <= self.row_count)).all())
            and int(sizes.sum()) <= self.row_count
            and int(list_bytes(sizes, chosen.code_bytes).sum()) == len(self._bytes)
            and all(np.isfinite(part).all() for part in small)
        )
        if not fits:
            raise DamagedError(
                f"{self.path}: these are no lists of {self.row_count} rows of {dim}."
            )

    def _open_index(self, start: int) -> faiss.IndexIVFPQFastScan:
        """FAISS's index over the mapped lists; `start` is where they begin in the file."""
        chosen = self.quantizer
        count, dim = chosen.list_count, chosen.dim
        self._none = faiss.IndexFlatIP(dim)  # the lists are chosen here, not by FAISS
        index = faiss.IndexIVFPQFastScan(
            self._none, dim, count, len(chosen.codebook), 4, faiss.METRIC_INNER_PRODUCT
        )
        index.pq = product_quantizer(chosen.codebook)
        index.by_residual, index.is_trained, index.ntotal = True, True, self.row_count
        lists = faiss.OnDiskInvertedLists(count, chosen.code_bytes, str(self.path))
        lists.read_only, lists.totsize = True, start + len(self._bytes)
        taken = list_bytes(self.sizes, chosen.code_bytes)
        self._ends = start + np.cumsum(taken)
        places = np.stack([self.sizes, padded(self.sizes), self._ends - taken], 1)
        entries = faiss.OnDiskOneListVector()
        entries.resize(count)
        places = np.ascontiguousarray(places, np.uint64)
        faiss.memcpy(entries.data(), faiss.swig_ptr(places), places.nbytes)
        lists.lists = entries
        lists.do_mmap()
        index.replace_invlists(lists, False)
        self._lists = lists  # FAISS does not keep them alive
        return index

    def _open_centroids(self) -> faiss.IndexPQFastScan:
        """FAISS's index over the codes of the centroids, which memory holds."""
        chosen = self.quantizer
        numbers = len(chosen.list_codebook)
        index = faiss.IndexPQFastScan(chosen.dim, numbers, 4, faiss.METRIC_INNER_PRODUCT)
        index.pq = product_quantizer(chosen.list_codebook)
        index.is_trained = True
        index.ntotal, index.ntotal2 = chosen.list_count, chosen.padded_lists
        faiss.copy_array_to_AlignedTable(self._list_codes, index.codes)
        return index

    def nearest(self, query: Vectors, count: int) -> tuple[Rows, Vectors]:
        """The `count` lists nearest to a rotated query `(dim,)`, and how near, in no order."""
        centroids, compared = self.quantizer.centroids, math.ceil(COMPARED * count)
        lists = np.arange(len(centroids))
        if compared < len(lists):
            found = self._centroids.search(query[None], compared)[1][0]
            if (found >= 0).all():  # else FAISS, for which the lowest scores are none, fills up
                lists = found
        scores = centroids[lists] @ query
        chosen = np.argpartition(-scores, count - 1)[:count]
        return lists[chosen], scores[chosen]

    def widen(self) -> bool:
        """Looks at a quarter more lists; False where it looks at all."""
        if self.breadth >= self.quantizer.list_count:
            return False
        wider = max(self.breadth + 1, self.breadth * 5 // 4)
        self.breadth = min(self.quantizer.list_count, wider)
        return True

    def rescore_more(self) -> bool:
        """Compares twice as many rows by their vectors; False where it compares the most."""
        if self.rescored >= min(MOST_RESCORED, self.row_count):
            return False
        self.rescored = min(MOST_RESCORED, self.row_count, 2 * self.rescored)
        return True

    def candidates(
        self, queries: Vectors, count: int, within: npt.NDArray[np.uint8] | None, share: float
    ) -> list[Rows]:
        """The `count` rows that codes find nearest to each of `(n, dim)` queries, in no order.

        Args:
            queries: of the part's dimension.
            count: how many rows are wanted.
            within: bits of the rows to choose among, the first in the lowest; all if None.
            share: how many of the rows these are: the fewer, the more lists are looked at.
        """
        if self._index is None or not self.sizes.any() or not len(queries):
            return [np.zeros(0, np.int64) for _ in queries]
        breadth = min(self.quantizer.list_count, math.ceil(self.breadth / share))
        queries = np.ascontiguousarray(queries @ self.quantizer.rotation, np.float32)
        chosen = [self.nearest(query, breadth) for query in queries]
        self._fetch(np.concatenate([lists for lists, _ in chosen]))
        parameters = faiss.SearchParametersIVF(
            nprobe=breadth, sel=None if within is None else faiss.IDSelectorBitmap(within)
        )
        count = min(count, int(self.sizes.sum()))
        found = np.empty((len(queries), count), np.int64)
        arrays = (
            np.stack([lists for lists, _ in chosen]),
            np.stack([scores for _, scores in chosen]),
            np.empty(found.shape, np.float32),
            found,
        )
        places = [faiss.swig_ptr(each) for each in arrays]
        self._index.search_preassigned_c(
            len(queries), faiss.swig_ptr(queries), count, *places, False, parameters
        )
        inside = (found >= 0) & (found < self.row_count)  # FAISS fills up with -1
        return [rows[kept] for rows, kept in zip(found, inside, strict=True)]

    def _fetch(self, lists: Rows) -> None:
        """Has the lists of the first searches read at once, not page by page as they are needed."""
        if self._fetched >= FETCHED_SEARCHES:
            return
        self._fetched += 1
        ends = self._ends[lists]
        fetch(self._mapped, ends - list_bytes(self.sizes[lists], self.quantizer.code_bytes), ends)

    def lists_of_rows(self) -> Rows:
        """`(row_count,)`: the list of each row; -1 of those that have no such part."""
        found = np.full(self.row_count, -1, np.int64)
        taken = list_bytes(self.sizes, self.quantizer.code_bytes)
        first = np.cumsum(taken) - taken + padded(self.sizes) * self.quantizer.code_bytes
        inside = np.arange(self.sizes.sum()) - np.repeat(
            np.cumsum(self.sizes) - self.sizes, self.sizes
        )
        ids = self._bytes.view("<i8")[np.repeat(first // 8, self.sizes) + inside]
        known = (ids >= 0) & (ids < self.row_count)
        found[ids[known]] = np.repeat(np.arange(len(self.sizes)), self.sizes)[known]
        return found


def list_bytes(sizes: Rows, code_bytes: int) -> Rows:
    """`(lists,)`: what lists of so many rows take, whole blocks and 8 bytes for each id."""
    found: Rows = padded(sizes) * (code_bytes + 8)
    return found


def product_quantizer(codebook: Vectors) -> faiss.ProductQuantizer:
    """FAISS's own, with a codebook `(numbers, 16, width)`."""
    numbers, _, width = codebook.shape
    found = faiss.ProductQuantizer(numbers * width, numbers, 4)
    faiss.copy_array_to_vector(np.ascontiguousarray(codebook).ravel(), found.centroids)
    return found


def padded(sizes: Rows) -> Rows:
    """So many rows in whole blocks."""
    found: Rows = -(-sizes // BLOCK_ROWS) * BLOCK_ROWS
    return found


def fetch(mapped: mmap.mmap, firsts: Rows, ends: Rows) -> None:
    """Has these bytes of a mapped file read ahead, and waits for none of them."""
    firsts = firsts // mmap.PAGESIZE * mmap.PAGESIZE
    for first, length in zip(firsts.tolist(), (ends - firsts).tolist(), strict=True):
        if length:
            mapped.madvise(mmap.MADV_WILLNEED, first, length)


def _map_tensors(path: Path) -> tuple[mmap.mmap, dict[str, npt.NDArray[np.generic]], int]:
    """A mapped file, its tensors, and where the bytes of the lists begin in it."""
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        start = 8 + int.from_bytes(mapped[:8], "little")
        if start > min(len(mapped), MOST_HEADER):
            raise ValueError("the header is longer than the file, or than any header")
        header = json.loads(mapped[8:start])
        found, last = {}, start
        for name, kind in TENSORS.items():
            (first, last), shape = header[name]["data_offsets"], header[name]["shape"]
            if header[name]["dtype"] != kind or min(first, last, *shape) < 0:
                raise ValueError(f"{name} is not of the type {kind}")
            place = memoryview(mapped)[start + first : start + last]
            array: npt.NDArray[np.generic] = np.frombuffer(place, TYPES[kind])
            found[name] = array.reshape(shape)
        if start + last != len(mapped):
            raise ValueError("it ends elsewhere than its header says")
        lists_start = start + header["lists"]["data_offsets"][0]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedError(f"{path}: cannot be read as lists of an index ({error}).") from error
    return mapped, found, lists_start
