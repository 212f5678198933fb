"""Everything FAISS but the building: tune, measure, write, read, search; the only place of `-1`."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt

from prodmatch.errors import DamagedError, MismatchError
from prodmatch.storage.atomic import new_file
from prodmatch.storage.vectors import Vectors, blank_missing_parts

Read = Callable[[], Iterable[Vectors]]

FILTERED_ROWS = 20_000  # so few rows are compared one by one, exactly
LINKS = 32  # of a node of HNSW; twice as many in the lowest layer
WANTED_RECALL = 0.98
RESCORED = 4  # times the wanted rows, that codes find, are compared by their vectors
HALF_ERROR = 5e-4  # of a score of float16 vectors, at most
LATENCY_QUERIES = 50
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
    def lists(self) -> faiss.IndexIVF | None:
        """The part of it that has lists of rows, if any."""
        inner = self._index
        if isinstance(inner, faiss.IndexRefine):
            inner = faiss.downcast_index(inner.base_index)
        return inner if isinstance(inner, faiss.IndexIVF) else None

    @property
    def kind(self) -> str:
        """As FAISS's factory names it, with how much of it a query looks at."""
        if self.lists is not None:
            whole = not isinstance(self._index, faiss.IndexRefine)
            kept = "Flat" if whole else "SQ8,Refine(SQfp16)"
            return f"IVF{self.lists.nlist},{kept} nprobe={self.breadth}"
        if isinstance(self._index, faiss.IndexHNSW):
            return f"HNSW{LINKS},Flat efSearch={self.breadth}"
        return "SQ8" if self.is_coded else "Flat"

    @property
    def is_coded(self) -> bool:
        """Whether it keeps less than the vectors: those, and scores, are near the true ones."""
        return isinstance(self._index, faiss.IndexScalarQuantizer | faiss.IndexRefine)

    @property
    def breadth(self) -> int:
        """How many lists, or candidates of HNSW, a query looks at; all where there are none."""
        if self.lists is not None:
            return int(self.lists.nprobe)
        inner = self._index
        return int(inner.hnsw.efSearch) if isinstance(inner, faiss.IndexHNSW) else self.row_count

    def widen(self) -> bool:
        """Looks at half as much again for each query; False where it looks at all."""
        most = self.row_count if self.lists is None else self.lists.nlist
        if self.breadth >= most:
            return False
        breadth = min(most, max(self.breadth + 1, self.breadth * 3 // 2))
        if self.lists is not None:
            self.lists.nprobe = breadth
        else:
            self._index.hnsw.efSearch = breadth
        return True

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
        if self.lists is not None:
            lists = min(self.lists.nlist, self.breadth * self.row_count // len(within))
            inner = faiss.SearchParametersIVF(sel=chosen, nprobe=lists)
            if not isinstance(self._index, faiss.IndexRefine):
                return inner
            return faiss.IndexRefineSearchParameters(k_factor=RESCORED, base_index_params=inner)
        if isinstance(self._index, faiss.IndexHNSW):
            wide = min(self.row_count, self._index.hnsw.efSearch * self.row_count // len(within))
            return faiss.SearchParametersHNSW(sel=chosen, efSearch=wide)
        return faiss.SearchParameters(sel=chosen)

    def vectors(self, rows: npt.NDArray[np.int64]) -> Vectors:
        """The stored vectors of these rows, `(n, dim)`."""
        found = self.stored(rows)
        return blank_missing_parts(found) if self.is_coded and len(rows) else found

    def stored(self, rows: npt.NDArray[np.int64]) -> Vectors:
        """What the index keeps of these rows, `(n, dim)`."""
        if not len(rows):
            return np.zeros((0, self.dim), np.float32)
        return np.asarray(self._index.reconstruct_batch(np.ascontiguousarray(rows, np.int64)))

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
    if isinstance(index, faiss.IndexRefine):
        parts = [faiss.downcast_index(part) for part in (index.base_index, index.refine_index)]
        kinds = (faiss.IndexIVFScalarQuantizer, faiss.IndexScalarQuantizer)
        same = all((part.ntotal, part.d) == (index.ntotal, index.d) for part in parts)
        return same and all(map(isinstance, parts, kinds))
    return isinstance(index, KNOWN)


def tune_index(
    index: AnnIndex,
    tuning: Vectors,
    measuring: Vectors,
    read: Read,
    count: int,
    *,
    wanted: float = WANTED_RECALL,
) -> float:
    """Looks at more of the index until it reaches the wanted recall; gives the recall@`count`.

    The truth is what numpy finds among all vectors, scores and all.

    Args:
        index: the one to tune.
        tuning: queries `(n, dim)` that decide how much of it is looked at.
        measuring: other queries `(m, dim)`, which the recall is measured with.
        read: gives the indexed vectors in row order, in blocks; called once, or twice for codes.
        count: of neighbours.
        wanted: the recall.
    """
    queries = np.concatenate([tuning, measuring])
    truth = exact_neighbours(read(), queries, count)
    ours, theirs = slice(None, len(tuning)), slice(len(tuning), None)
    error = HALF_ERROR if index.is_coded else 0.0
    while index.breadth < index.row_count:
        if recall_at(index.search(tuning, count), truth[ours], error) >= wanted:
            break
        if not index.widen():
            break
    found = index.search(measuring, count)
    if index.is_coded:
        found = _true_scores(read(), measuring, found)
    return recall_at(found, truth[theirs])


def measure_milliseconds(index: AnnIndex, queries: Vectors, count: int) -> float:
    """Processor time of a query on one thread: the median of some, each on its own."""
    threads, seconds = faiss.omp_get_max_threads(), list[float]()
    faiss.omp_set_num_threads(1)
    try:
        for query in queries[:LATENCY_QUERIES]:
            started = time.thread_time()
            index.search(query[None], count)
            seconds.append(time.thread_time() - started)
    finally:
        faiss.omp_set_num_threads(threads)
    return 1000 * float(np.median(seconds))


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


def recall_at(found: list[Neighbours], truth: list[Neighbours], error: float = 0.0) -> float:
    """Share of the true neighbours that were found; one of equal score counts as found.

    Args:
        found: of some queries.
        truth: of the same.
        error: of the scores of what was found, at most.
    """
    error += 1e-6
    shares = [
        float(np.sum(ours.scores[: len(true.scores)] >= true.scores[-1] - error)) / len(true.scores)
        for ours, true in zip(found, truth, strict=True)
        if len(true.scores)
    ]
    return float(np.mean(shares)) if shares else 1.0
