"""Vectors to an index: which kind, trained on a sample, filled in the order of the rows."""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import faiss
import numpy as np
import numpy.typing as npt

from prodmatch.errors import StoreError
from prodmatch.search.vector_index import HALF_ERROR, LINKS, RESCORED, AnnIndex, Read
from prodmatch.storage.vectors import Vectors

Kind = Literal["auto", "flat", "ivf", "codes", "hnsw", "sq8"]

EXACT_ROWS = 200_000  # up to here a query over all rows takes tens of milliseconds
TRAINING_ROWS_PER_LIST = 40  # FAISS asks for 39 or more
TRAINING_ROWS = 39  # of a list, the fewest
TRAINING_ROUNDS = 10
FIRST_LISTS = 8  # a query looks at so many, or more
BUILD_CANDIDATES = 100  # of a node's links; with 40, a third of the time, it finds less by a half
LINK_BYTES = 300  # of a row in HNSW
LIST_SHIFT = 32  # of the list in an entry of FAISS's direct map
HALF = faiss.ScalarQuantizer.QT_fp16
GIB = 1 << 30

Rows = npt.NDArray[np.int64]


def choose_kinds(
    kind: Kind, row_count: int, dim: int, memory: float | None = None
) -> Sequence[Kind]:
    """The kinds to try, one after the other until one finds enough.

    Args:
        kind: the one, or `auto`: exact for few rows, else lists of codes, then of whole vectors.
        row_count: how many there are.
        dim: of a vector.
        memory: GiB that an index may take while it answers; None for any.

    Raises:
        StoreError: none is so small.
    """
    automatic: list[Kind] = ["flat", "codes"] if row_count <= EXACT_ROWS else ["codes", "ivf"]
    kinds = automatic if kind == "auto" else [kind]
    sizes = {each: answering_bytes(each, row_count, dim) for each in kinds}
    fitting = [each for each in kinds if memory is None or sizes[each] <= memory * GIB]
    if not fitting:
        raise StoreError(
            f"an index ({', '.join(kinds)}) over {row_count} products takes "
            f"{min(sizes.values()) / GIB:.2f} GiB or more while it answers, and "
            f"`memory={memory:g}` allows less. Allow more."
        )
    return fitting[:1] if fitting[0] == "flat" else fitting


def answering_bytes(kind: Kind, row_count: int, dim: int) -> int:
    """About what an index takes in memory while it answers; vectors for rescoring stay on disk."""
    lists = count_lists(row_count) * dim * 4
    return {
        "auto": 0,
        "flat": row_count * dim * 4,
        "ivf": row_count * (dim * 4 + 16) + lists,
        "codes": row_count * (dim + 16) + lists,
        "hnsw": row_count * (dim * 4 + LINK_BYTES),
        "sq8": row_count * dim,
    }[kind]


def count_lists(row_count: int) -> int:
    """How many lists so many rows are kept in."""
    return max(1, min(int(4 * np.sqrt(row_count)), row_count // TRAINING_ROWS))


@dataclass(frozen=True)
class Trained:
    """An earlier index of lists, whose centroids are kept.

    Attributes:
        index: the earlier one.
        rows: `(row_count,)` the row in it of the same product; -1 where there is none.
    """

    index: AnnIndex
    rows: Rows

    def assigned(self, block: Vectors, start: int) -> Rows:
        """`(n,)` the lists of the rows of a block whose vectors are as they were; -1 of others."""
        rows = self.rows[start : start + len(block)]
        found, kept = np.full(len(block), -1, np.int64), np.flatnonzero(rows >= 0)
        stored = self.index.stored(rows[kept])
        error = HALF_ERROR if self.index.is_coded else 0.0
        same = kept[(np.abs(stored - block[kept]) <= error).all(axis=1)]
        found[same] = self._lists[rows[same]]
        return found

    @functools.cached_property
    def _lists(self) -> Rows:
        """`(earlier rows,)`: the list of each."""
        lists: Rows = faiss.vector_to_array(self._ivf.direct_map.array) >> LIST_SHIFT
        return lists

    @property
    def _ivf(self) -> faiss.IndexIVF:
        if self.index.lists is None:
            raise ValueError("an index without lists was trained on nothing")
        return self.index.lists

    @property
    def centroids(self) -> Vectors:
        """`(lists, dim)`."""
        found: Vectors = self._ivf.quantizer.reconstruct_n(0, self._ivf.nlist)
        return found


def build_index(
    read: Read, row_count: int, dim: int, kind: Kind = "auto", trained: Trained | None = None
) -> AnnIndex:
    """An index over all vectors.

    `flat` compares every row, `ivf` those in the lists nearest to the query, `codes` the same by
    one byte for each number, and the best of them again, `hnsw` follows links from row to row, and
    `sq8` compares every row by one byte for each number.

    Args:
        read: gives the vectors in row order, in blocks; called up to three times.
        row_count: how many there are.
        dim: their dimension.
        kind: which one; of `auto` the first that `choose_kinds` names.
        trained: an index of lists whose centroids, and rows that are the same, it takes over.
    """
    if kind == "auto":
        kind = choose_kinds(kind, row_count, dim)[0]
    if kind in ("ivf", "codes") and row_count:
        return _fill_lists(read, row_count, dim, kind, trained)
    if kind == "hnsw":
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


def _fill_lists(
    read: Read, row_count: int, dim: int, kind: Kind, trained: Trained | None
) -> AnnIndex:
    """An index of lists, with new centroids or those of an earlier one."""
    centroids = _train_centroids(read, row_count, dim) if trained is None else trained.centroids
    quantizer = faiss.IndexFlatIP(dim)
    quantizer.add(centroids)
    shape = (quantizer, dim, len(centroids))
    if kind == "ivf":
        index = faiss.IndexIVFFlat(*shape, faiss.METRIC_INNER_PRODUCT)
    else:
        eight = faiss.ScalarQuantizer.QT_8bit
        index = faiss.IndexIVFScalarQuantizer(*shape, eight, faiss.METRIC_INNER_PRODUCT, False)
        index.train(_extremes(read()))
    index.is_trained = True
    index.nprobe = min(len(centroids), max(FIRST_LISTS, len(centroids) // 64))
    index.set_direct_map_type(faiss.DirectMap.Array)  # single rows can be read back
    half = faiss.IndexScalarQuantizer(dim, HALF, faiss.METRIC_INNER_PRODUCT)
    start = 0
    for block in read():
        block = np.ascontiguousarray(block, np.float32)
        lists = np.full(len(block), -1, np.int64)
        if trained is not None:
            lists = trained.assigned(block, start)
        new = np.flatnonzero(lists < 0)
        if len(new):
            lists[new] = quantizer.search(block[new], 1)[1][:, 0]
        pointers = faiss.swig_ptr(block), None, faiss.swig_ptr(lists)
        index.add_core(len(block), *pointers)
        if kind == "codes":
            half.add(block)
        start += len(block)
    return AnnIndex(index if kind == "ivf" else _refined(index, half))


def _refined(index: faiss.Index, half: faiss.Index) -> faiss.IndexRefine:
    refined = faiss.IndexRefine(index, half)
    refined.k_factor = RESCORED
    return refined


def _train_centroids(read: Read, row_count: int, dim: int) -> Vectors:
    """`(lists, dim)` by k-means over a sample of the rows."""
    count = count_lists(row_count)
    settings = faiss.ClusteringParameters()
    settings.niter = TRAINING_ROUNDS
    settings.max_points_per_centroid = 2 * TRAINING_ROWS_PER_LIST
    settings.min_points_per_centroid = 1
    clustering = faiss.Clustering(dim, count, settings)
    clustering.train(
        _sample(read(), row_count, count * TRAINING_ROWS_PER_LIST), faiss.IndexFlatIP(dim)
    )
    centroids: Vectors = faiss.vector_to_array(clustering.centroids).reshape(count, dim)
    return centroids


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
