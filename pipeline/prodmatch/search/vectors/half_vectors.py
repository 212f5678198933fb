"""All vectors in half precision, in a file of FAISS's that is mapped into memory row by row."""

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt

from prodmatch.errors import DamagedError
from prodmatch.search.vectors.code_lists import FETCHED_SEARCHES, fetch
from prodmatch.storage.temporary import new_scratch_file
from prodmatch.storage.vectors import Vectors

HALF = faiss.ScalarQuantizer.QT_fp16


class HalfVectors:
    """The vectors of an `IndexScalarQuantizer` of half precision, without reading its file."""

    def __init__(self, path: Path, row_count: int, dim: int) -> None:
        """Opens a file that `write_half` wrote, or FAISS.

        Raises:
            DamagedError: it is another one.
        """
        header = _header(row_count, dim)
        with path.open("rb") as file:
            self._mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        wanted = len(header) + 2 * row_count * dim
        if len(self._mapped) != wanted or self._mapped[: len(header)] != header:
            raise DamagedError(
                f"{path}: these are no {row_count} vectors of {dim} in half precision."
            )
        self._mapped.madvise(mmap.MADV_RANDOM)  # else every row costs the pages around it
        codes = np.frombuffer(self._mapped, np.float16, row_count * dim, len(header))
        self.rows: npt.NDArray[np.float16] = codes.reshape(row_count, dim)
        self._first, self._fetched = len(header), 0

    def take(self, rows: npt.NDArray[np.int64], part: slice = slice(None)) -> Vectors:
        """`(n, dim)` of these rows, or a part of each."""
        return self.rows[:, part][rows].astype(np.float32)

    def compare(
        self, query: Vectors, rows: npt.NDArray[np.int64], part: slice
    ) -> npt.NDArray[np.float32]:
        """`(n,)`: the inner products of these rows with a query `(dim,)`, or of a part of each.

        FAISS reads half precision in less than half the time that numpy takes to convert it.
        """
        if self._fetched < FETCHED_SEARCHES:
            self._fetched += 1
            length = self.rows.strides[0]
            firsts = self._first + np.sort(rows) * length
            fetch(self._mapped, firsts, firsts + length)
        query, codes = query[part], self.rows[:, part][rows]
        index = faiss.IndexScalarQuantizer(len(query), HALF, faiss.METRIC_INNER_PRODUCT)
        index.add_sa_codes(codes.view(np.uint8))
        scores, found = index.search(query[None], len(rows))
        compared = np.empty(len(rows), np.float32)
        compared[found[0]] = scores[0]
        return compared


def is_half(index: faiss.Index) -> bool:
    """Whether an index of FAISS's keeps vectors in half precision alone."""
    return isinstance(index, faiss.IndexScalarQuantizer) and index.sq.qtype == HALF


def write_half(
    path: Path, blocks: Iterable[Vectors], row_count: int, dim: int
) -> Iterator[Vectors]:
    """Gives the blocks on, each after it was written to a new file of FAISS's."""
    with new_scratch_file(path) as file:
        file.write(_header(row_count, dim))
        for block in blocks:
            file.write(block.astype(np.float16).tobytes())
            yield block


def _header(row_count: int, dim: int) -> bytes:
    """What FAISS writes before the vectors; the length of these is the last of it."""
    index = faiss.IndexScalarQuantizer(dim, HALF, faiss.METRIC_INNER_PRODUCT)
    index.ntotal = row_count
    return bytes(faiss.serialize_index(index)[:-8].tobytes()) + (2 * row_count * dim).to_bytes(
        8, "little"
    )
