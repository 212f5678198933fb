"""Everything of an index but the building: tune, measure, write, read, search."""

import itertools
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt

from prodmatch.errors import DamagedError, MismatchError, raise_if_out_of_memory
from prodmatch.search.vectors.code_lists import CodeLists
from prodmatch.search.vectors.half_vectors import is_half
from prodmatch.search.vectors.neighbours import Neighbours, exact_neighbours, ordered, recall_at
from prodmatch.search.vectors.part_lists import PartLists, row_bits
from prodmatch.storage.atomic import new_file
from prodmatch.storage.generations import Generation
from prodmatch.storage.vectors import Mask, Vectors, blank_missing_parts, split_parts

Read = Callable[[], Iterable[Vectors]]

FILTERED_ROWS = 20_000  # so few rows are compared one by one, exactly
LINKS = 32  # of a node of HNSW; twice as many in the lowest layer
WANTED_RECALL = 0.98
HALF_ERROR = 5e-4  # of a score of float16 vectors, at most
LATENCY_QUERIES = 50
# A file may name classes that open other files: all but these are refused.
KNOWN = (faiss.IndexFlat, faiss.IndexHNSWFlat, faiss.IndexScalarQuantizer)
OLD = (faiss.IndexIVF, faiss.IndexRefine)
GAIN = 0.004  # of the recall: less is not worth as many lists more
PATIENCE = 2  # times that more lists may gain less: then more rows cost less than so many lists

# A fork has one thread, and would wait for those of its parent for ever.
os.register_at_fork(after_in_child=lambda: faiss.omp_set_num_threads(1))


class AnnIndex:
    """An inner-product index over rows numbered from 0: one of FAISS's, or lists of both parts."""

    def __init__(self, index: faiss.Index, lists: PartLists | None = None) -> None:
        self._index, self._lists = index, lists

    @property
    def lists(self) -> tuple[CodeLists, CodeLists] | None:
        """Its lists of the text parts and of the image parts, if any."""
        return None if self._lists is None else self._lists.parts

    @property
    def kind(self) -> str:
        """As FAISS's factory names it, with how much of it a query looks at."""
        if self._lists is not None:
            return self._lists.kind
        if isinstance(self._index, faiss.IndexHNSW):
            return f"HNSW{LINKS},Flat efSearch={self._index.hnsw.efSearch}"
        return "SQ8" if self.is_coded else "Flat"

    @property
    def is_coded(self) -> bool:
        """Whether it keeps less than the vectors: those, and scores, are near the true ones."""
        return isinstance(self._index, faiss.IndexScalarQuantizer)

    @property
    def breadths(self) -> list[int]:
        """How many lists of each part, or candidates of HNSW, a query looks at; none of others."""
        if self.lists is not None:
            return [lists.breadth for lists in self.lists]
        return [int(self._index.hnsw.efSearch)] if self.follows_links else []

    def widen(self) -> bool:
        """Looks at more for each query; False where it looks at all."""
        if self.lists is not None:
            return any([lists.widen() for lists in self.lists])
        if not self.follows_links or self.breadths[0] >= self.row_count:
            return False
        breadth = self.breadths[0]
        self._index.hnsw.efSearch = min(self.row_count, max(breadth + 1, breadth * 3 // 2))
        return True

    def tunings(self, queries: Vectors) -> list[tuple[Mask, Sequence[CodeLists]]]:
        """Which of `(n, dim)` queries tell whether more must be looked at, and in which lists."""
        if self.lists is None:
            return [(np.ones(len(queries), np.bool_), ())]
        text, image = (np.asarray(part.any(axis=1)) for part in split_parts(queries))
        first, second = self.lists
        return [(text & ~image, (first,)), (image & ~text, (second,)), (text & image, self.lists)]

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
            return [ordered(within[near.rows], near.scores) for near in found]
        count = min(count, self.row_count)
        if self._lists is not None:
            return self._lists.search(queries, count, within)
        parameters = self._parameters(within)
        scores, rows = self._index.search(
            np.ascontiguousarray(queries, np.float32), count, params=parameters
        )
        return [ordered(*pair) for pair in zip(rows, scores, strict=True)]

    def _parameters(self, within: npt.NDArray[np.int64] | None) -> faiss.SearchParameters | None:
        """How to search among some rows alone: the wider, the fewer they are among all."""
        if within is None:
            return None
        chosen = faiss.IDSelectorBitmap(row_bits(within, self.row_count))
        if isinstance(self._index, faiss.IndexHNSW):
            wide = min(self.row_count, self._index.hnsw.efSearch * self.row_count // len(within))
            return faiss.SearchParametersHNSW(sel=chosen, efSearch=wide)
        return faiss.SearchParameters(sel=chosen)

    def vectors(self, rows: npt.NDArray[np.int64]) -> Vectors:
        """The stored vectors of these rows, `(n, dim)`."""
        found = self.stored(rows)
        blank = self.is_coded and self._lists is None and len(rows)
        return blank_missing_parts(found) if blank else found

    def stored(self, rows: npt.NDArray[np.int64]) -> Vectors:
        """What the index keeps of these rows, `(n, dim)`."""
        if not len(rows):
            return np.zeros((0, self.dim), np.float32)
        if self._lists is not None:
            return self._lists.vectors.take(rows)
        return np.asarray(self._index.reconstruct_batch(np.ascontiguousarray(rows, np.int64)))

    def save(self, path: Path) -> None:
        """Writes the index through our own file: FAISS's own loses data on a full disk."""
        if self._lists is not None:
            self._lists.save(path)
            return
        with new_file(path) as file:
            faiss.write_index(self._index, faiss.PyCallbackIOWriter(file.write))

    @classmethod
    def open(cls, path: Path, *, row_count: int, dim: int) -> "AnnIndex":
        """The index in a file, mapped into memory, checked against what the manifest says.

        Raises:
            DamagedError: it cannot be read, or is not of that size, dimension and metric.
            OutOfMemoryError: there is not enough memory for it.
        """
        try:
            faiss.set_deserialization_vector_byte_limit(2 * path.stat().st_size + (1 << 20))
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except (OSError, RuntimeError, MemoryError, AssertionError) as error:
            raise_if_out_of_memory(error, path)
            reason = str(error).strip().splitlines()[-1]
            raise DamagedError(f"{path}: cannot be read as a FAISS index ({reason}).") from error
        if isinstance(index, OLD):
            raise MismatchError(
                f"{path}: another version of prodmatch made these lists. Run `index()`."
            )
        found = (type(index).__name__, index.ntotal, index.d, index.metric_type)
        fits = found[1:] == (row_count, dim, faiss.METRIC_INNER_PRODUCT)
        if not fits or not _is_known(index) or not index.is_trained:
            raise DamagedError(
                f"{path}: expected an inner-product index of {row_count} vectors of {dim} "
                f"dimensions; found {found[0]} of {found[1]} vectors of {found[2]}, "
                f"metric {found[3]}."
            )
        return cls(index, PartLists(path, row_count, dim) if is_half(index) else None)

    @classmethod
    def of(cls, generation: Generation) -> "AnnIndex":
        """That of a generation.

        Raises:
            DamagedError: as `open`.
        """
        path = generation.folder / "index.faiss"
        return cls.open(path, row_count=generation.product_count, dim=generation.dim)

    def _check(self, queries: Vectors) -> None:
        if queries.ndim != 2 or queries.shape[1] != self.dim:
            raise MismatchError(
                f"query vectors have the shape {queries.shape}; the index has {self.dim} "
                "dimensions. Ask with the encoders of the same generation."
            )


def _is_known(index: faiss.Index) -> bool:
    if isinstance(index, faiss.IndexHNSW):
        kept = faiss.downcast_index(index.storage)
        same = (kept.ntotal, kept.d) == (index.ntotal, index.d)
        return isinstance(index, KNOWN) and isinstance(kept, faiss.IndexFlat) and same
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
        tuning: queries `(n, dim)` that decide how much of it is looked at, if any.
        measuring: other queries `(m, dim)`, which the recall is measured with.
        read: gives the indexed vectors in row order, in blocks; called once, or twice for codes.
        count: of neighbours.
        wanted: the recall.
    """
    queries = np.concatenate([tuning, measuring])
    truth = exact_neighbours(read(), queries, count)
    if index.lists is not None:  # which have no rows without the part
        truth = [
            Neighbours(near.rows[near.scores > 0], near.scores[near.scores > 0]) for near in truth
        ]
    error = HALF_ERROR if index.is_coded else 0.0
    for ours, lists in index.tunings(tuning) if len(tuning) else ():
        those, near = tuning[ours], list(itertools.compress(truth, ours))

        def recall(those: Vectors = those, near: list[Neighbours] = near) -> float:
            return recall_at(index.search(those, count), near, error)

        if lists:
            tune_lists(lists, recall, wanted)
        else:
            while recall() < wanted and index.widen():
                pass
    found = index.search(measuring, count)
    if index.is_coded:
        found = _true_scores(read(), measuring, found)
    return recall_at(found, truth[len(tuning) :])


def measure_milliseconds(index: AnnIndex, queries: Vectors, count: int) -> float:
    """Processor time of a query on one thread: the median of some, each on its own."""
    threads, seconds = faiss.omp_get_max_threads(), list[float]()
    faiss.omp_set_num_threads(1)
    try:
        for query in queries[:LATENCY_QUERIES]:
            started = time.process_time()
            index.search(query[None], count)
            seconds.append(time.process_time() - started)
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
    return [ordered(near.rows, true) for near, true in zip(found, scores, strict=True)]


def tune_lists(lists: Sequence[CodeLists], recall: Callable[[], float], wanted: float) -> None:
    """Looks at more lists, or compares more rows where these gain nothing, until enough is found.

    Where it is not to be had, what gained nothing is taken back: it would cost every query.

    Args:
        lists: of one part, or of both.
        recall: of queries, as the lists are now.
        wanted: the recall.
    """
    best, kept, idle = recall(), [(each.breadth, each.rescored) for each in lists], 0
    while best < wanted:
        if idle == PATIENCE or not any([each.widen() for each in lists]):
            for each, (breadth, _) in zip(lists, kept, strict=True):
                each.breadth = breadth
            if not any([each.rescore_more() for each in lists]):
                break
            idle = 0
        found = recall()
        if found >= wanted:
            return
        idle += 1
        if found > best + GAIN:
            best, kept, idle = found, [(each.breadth, each.rescored) for each in lists], 0
    for each, (breadth, rescored) in zip(lists, kept, strict=True):
        each.breadth, each.rescored = breadth, rescored
