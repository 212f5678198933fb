"""Everything FAISS: choose, train, add, measure, write, read, search; the only place of `-1`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import faiss
import numpy as np
import numpy.typing as npt

from prodmatch.errors import DamagedError, MismatchError
from prodmatch.storage.atomic import new_file
from prodmatch.storage.vectors import Vectors, blank_missing_parts

Kind = Literal["auto", "flat", "ivf", "hnsw", "sq8"]
Read = Callable[[], Iterable[Vectors]]

EXACT_ROWS = 200_000  # up to here a query over all rows takes tens of milliseconds
FILTERED_ROWS = 20_000  # so few rows are compared one by one, exactly
TRAINING_ROWS_PER_LIST = 64  # FAISS asks for 39 or more
TRAINING_ROWS = 39  # of a list, the fewest
LINKS = 32  # of a node of HNSW; twice as many in the lowest layer
BUILD_CANDIDATES = 100  # of a node's links; with 40, a third of the time, it finds less by a half
WANTED_RECALL = 0.98
# A file may name classes that open other files: all but these are refused.
KNOWN = (faiss.IndexFlat, faiss.IndexIVFFlat, faiss.IndexHNSWFlat, faiss.IndexScalarQuantizer)


@dataclass(frozen=True)
class Neighbours:
    """The nearest rows of one query: score descending, then row ascending; no padding."""

    rows: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]


class AnnIndex:
    """A FAISS inner-product index over rows numbered from 0."""

    def __init__(self, index: faiss.Index) -> None:
        self._index = index

    @property
    def kind(self) -> str:
        """As FAISS's factory names it, with how much of it a query looks at."""
        if isinstance(self._index, faiss.IndexIVF):
            return f"IVF{self._index.nlist},Flat nprobe={self._index.nprobe}"
        if isinstance(self._index, faiss.IndexHNSW):
            return f"HNSW{LINKS},Flat efSearch={self._index.hnsw.efSearch}"
        return "SQ8" if self.is_coded else "Flat"

    @property
    def is_coded(self) -> bool:
        """Whether it keeps a byte for each number: vectors and scores are near the true ones."""
        return isinstance(self._index, faiss.IndexScalarQuantizer)

    @property
    def is_tunable(self) -> bool:
        """Whether a query looks at a part of it, which can be widened."""
        return isinstance(self._index, faiss.IndexIVF | faiss.IndexHNSW)

    @property
    def follows_links(self) -> bool:
        """Whether a search goes from row to row: the more it wants, the better it finds."""
        return isinstance(self._index, faiss.IndexHNSW)

    @property
    def row_count(self) -> int:
        """Vectors in the index."""
        return int(self._index.ntotal)

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return int(self._index.d)

    def search(
        self, queries: Vectors, count: int, *, within: npt.NDArray[np.int64] | None = None
    ) -> list[Neighbours]:
        """The `count` nearest rows of each of `(n, dim)` queries, fewer where there are fewer.

        Args:
            queries: the query vectors.
            count: how many rows are wanted.
            within: ascending rows to choose among, all of them if None.

        Raises:
            MismatchError: the queries have another dimension than the index.
        """
        self._check(queries)
        if not self.row_count:  # FAISS does not take a search for no rows
            return [Neighbours(np.zeros(0, np.int64), np.zeros(0, np.float32)) for _ in queries]
        if within is not None and len(within) <= FILTERED_ROWS:
            found = exact_neighbours([self.vectors(within)], queries, count)
            return [_ordered(within[near.rows], near.scores) for near in found]
        count = min(count, self.row_count)
        parameters = self._parameters(within)
        scores, rows = self._index.search(
            np.ascontiguousarray(queries, np.float32), count, params=parameters
        )
        return [_ordered(*pair) for pair in zip(rows, scores, strict=True)]

    def _parameters(self, within: npt.NDArray[np.int64] | None) -> faiss.SearchParameters | None:
        """How to search among some rows alone: the wider, the fewer they are among all."""
        if within is None:
            return None
        bits = np.zeros(self.row_count, dtype=np.bool_)
        bits[within] = True
        chosen = faiss.IDSelectorBitmap(np.packbits(bits, bitorder="little"))
        if isinstance(self._index, faiss.IndexIVF):
            lists = min(self._index.nlist, self._index.nprobe * self.row_count // len(within))
            return faiss.SearchParametersIVF(sel=chosen, nprobe=lists)
        if isinstance(self._index, faiss.IndexHNSW):
            wide = min(self.row_count, self._index.hnsw.efSearch * self.row_count // len(within))
            return faiss.SearchParametersHNSW(sel=chosen, efSearch=wide)
        return faiss.SearchParameters(sel=chosen)

    def vectors(self, rows: npt.NDArray[np.int64]) -> Vectors:
        """The stored vectors of these rows, `(n, dim)`."""
        if not len(rows):
            return np.zeros((0, self.dim), np.float32)
        found = np.asarray(self._index.reconstruct_batch(np.ascontiguousarray(rows, np.int64)))
        return blank_missing_parts(found) if self.is_coded else found

    def widen(self) -> bool:
        """Looks at twice as much of the index for each query; False where it looks at all."""
        inner = self._index
        if isinstance(inner, faiss.IndexIVF) and inner.nprobe < inner.nlist:
            inner.nprobe = min(2 * inner.nprobe, inner.nlist)
            return True
        if isinstance(inner, faiss.IndexHNSW) and inner.hnsw.efSearch < self.row_count:
            inner.hnsw.efSearch = min(2 * inner.hnsw.efSearch, self.row_count)
            return True
        return False

    def save(self, path: Path) -> None:
        """Writes the index through our own file: FAISS's own loses data on a full disk."""
        with new_file(path) as file:
            faiss.write_index(self._index, faiss.PyCallbackIOWriter(file.write))

    @classmethod
    def open(cls, path: Path, *, row_count: int, dim: int) -> "AnnIndex":
        """The index in a file, mapped into memory, checked against what the manifest says.

        Raises:
            DamagedError: it cannot be read, or is not of that size, dimension and metric.
        """
        try:
            faiss.set_deserialization_vector_byte_limit(2 * path.stat().st_size + (1 << 20))
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except (OSError, RuntimeError, MemoryError, AssertionError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise DamagedError(f"{path}: cannot be read as a FAISS index ({reason}).") from error
        found = (type(index).__name__, index.ntotal, index.d, index.metric_type)
        fits = found[1:] == (row_count, dim, faiss.METRIC_INNER_PRODUCT)
        if not fits or not _is_known(index) or not index.is_trained:
            raise DamagedError(
                f"{path}: expected an inner-product index of {row_count} vectors of {dim} "
                f"dimensions; found {found[0]} of {found[1]} vectors of {found[2]}, "
                f"metric {found[3]}."
            )
        return cls(index)

    def _check(self, queries: Vectors) -> None:
        if queries.ndim != 2 or queries.shape[1] != self.dim:
            raise MismatchError(
                f"query vectors have the shape {queries.shape}; the index has {self.dim} "
                "dimensions. Ask with the encoders of the same generation."
            )


def _ordered(rows: npt.NDArray[np.int64], scores: npt.NDArray[np.float32]) -> Neighbours:
    found = rows >= 0  # FAISS fills up with -1
    rows, scores = rows[found], scores[found]
    order = np.lexsort((rows, -scores))
    return Neighbours(rows[order], scores[order])


def _is_known(index: faiss.Index) -> bool:
    if isinstance(index, faiss.IndexHNSW):
        kept = faiss.downcast_index(index.storage)
        same = (kept.ntotal, kept.d) == (index.ntotal, index.d)
        return isinstance(index, KNOWN) and isinstance(kept, faiss.IndexFlat) and same
    return isinstance(index, KNOWN)


def build_index(read: Read, row_count: int, dim: int, kind: Kind = "auto") -> AnnIndex:
    """An index over all vectors.

    `flat` compares every row, `ivf` those in the lists nearest to the query, `hnsw` follows links
    from row to row, and `sq8` compares every row by one byte for each number.

    Args:
        read: gives the vectors in row order, in blocks; called once or twice.
        row_count: how many there are.
        dim: their dimension.
        kind: which one; `auto` is `flat` up to 200,000 rows, `ivf` beyond.
    """
    if kind == "auto":
        kind = "flat" if row_count <= EXACT_ROWS else "ivf"
    if kind == "ivf" and row_count:
        index = _new_lists(read, row_count, dim)
    elif kind == "hnsw":
        index = faiss.IndexHNSWFlat(dim, LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = BUILD_CANDIDATES
        index.hnsw.efSearch = 64
    elif kind == "sq8" and row_count:
        eight = faiss.ScalarQuantizer.QT_8bit
        index = faiss.IndexScalarQuantizer(dim, eight, faiss.METRIC_INNER_PRODUCT)
        index.train(_extremes(read()))
    else:
        index = faiss.IndexFlatIP(dim)
    threads = faiss.omp_get_max_threads()
    if kind == "hnsw":
        faiss.omp_set_num_threads(1)  # several link the rows in another order at every build
    for block in read():
        index.add(np.ascontiguousarray(block, np.float32))
    faiss.omp_set_num_threads(threads)
    return AnnIndex(index)


def _new_lists(read: Read, row_count: int, dim: int) -> faiss.IndexIVFFlat:
    lists = max(1, min(int(4 * np.sqrt(row_count)), row_count // TRAINING_ROWS))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, lists, faiss.METRIC_INNER_PRODUCT)
    index.set_direct_map_type(faiss.DirectMap.Array)  # single rows can be read back
    index.train(_sample(read(), row_count, lists * TRAINING_ROWS_PER_LIST))
    index.nprobe = min(lists, max(8, lists // 64))
    return index


def tune_index(
    index: AnnIndex, tuning: Vectors, measuring: Vectors, read: Read, count: int
) -> float:
    """Looks at more of the index until it reaches the wanted recall; gives the recall@`count`.

    The truth is what numpy finds among all vectors, scores and all.

    Args:
        index: the one to tune.
        tuning: queries `(n, dim)` that decide how much of it is looked at.
        measuring: other queries `(m, dim)`, which the recall is measured with.
        read: gives the indexed vectors in row order, in blocks; called once, or twice for codes.
        count: of neighbours.
    """
    queries = np.concatenate([tuning, measuring])
    truth = exact_neighbours(read(), queries, count)
    ours, theirs = slice(None, len(tuning)), slice(len(tuning), None)
    if index.is_tunable:
        while recall_at(index.search(tuning, count), truth[ours]) < WANTED_RECALL:
            if not index.widen():
                break
    found = index.search(measuring, count)
    if index.is_coded:
        found = _true_scores(read(), measuring, found)
    return recall_at(found, truth[theirs])


def _true_scores(
    blocks: Iterable[Vectors], queries: Vectors, found: list[Neighbours]
) -> list[Neighbours]:
    """The rows that were found with the scores of their true vectors."""
    scores = [np.zeros(len(near.rows), np.float32) for near in found]
    start = 0
    for block in blocks:
        for query, near, true in zip(queries, found, scores, strict=True):
            inside = (near.rows >= start) & (near.rows < start + len(block))
            true[inside] = block[near.rows[inside] - start] @ query
        start += len(block)
    return [_ordered(near.rows, true) for near, true in zip(found, scores, strict=True)]


def _extremes(blocks: Iterable[Vectors]) -> Vectors:
    """The least and the largest `(2, dim)` of every number: no code is cut off."""
    ends = [(block.min(axis=0), block.max(axis=0)) for block in blocks if len(block)]
    lows, highs = zip(*ends, strict=True)
    return np.stack([np.min(lows, axis=0), np.max(highs, axis=0)]).astype(np.float32)


def _sample(blocks: Iterable[Vectors], row_count: int, wanted: int) -> Vectors:
    step = max(1, row_count // wanted)
    parts, start = [], 0
    for block in blocks:
        parts.append(block[(-start) % step :: step])
        start += len(block)
    return np.ascontiguousarray(np.concatenate(parts), np.float32)


def exact_neighbours(blocks: Iterable[Vectors], queries: Vectors, count: int) -> list[Neighbours]:
    """The true nearest rows of `(n, dim)` queries, by numpy over blocks, in bounded memory."""
    best = [Neighbours(np.zeros(0, np.int64), np.zeros(0, np.float32)) for _ in queries]
    start = 0
    for block in blocks:
        for query, scores in enumerate(queries @ block.T):
            best[query] = _nearest(best[query], scores, start, count)
        start += len(block)
    return best


def _nearest(
    before: Neighbours, scores: npt.NDArray[np.float32], start: int, count: int
) -> Neighbours:
    """The best of those before and of the rows from `start` on; of equal ones the first rows."""
    least = before.scores[-1] if len(before.scores) == count else -np.inf
    if len(scores) > count:
        least = max(least, np.partition(scores, -count)[-count])
    rows = np.flatnonzero(scores >= least)
    rows = np.concatenate([before.rows, rows + start])
    scores = np.concatenate([before.scores, scores[rows[len(before.rows) :] - start]])
    order = np.argsort(-scores, kind="stable")[:count]
    return Neighbours(rows[order], scores[order])


def recall_at(found: list[Neighbours], truth: list[Neighbours]) -> float:
    """Share of the true neighbours that were found; one of equal score counts as found."""
    shares = [
        float(np.sum(ours.scores[: len(true.scores)] >= true.scores[-1] - 1e-6)) / len(true.scores)
        for ours, true in zip(found, truth, strict=True)
        if len(true.scores)
    ]
    return float(np.mean(shares)) if shares else 1.0
