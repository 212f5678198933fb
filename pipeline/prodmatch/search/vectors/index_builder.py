"""Vectors to an index: which kind, trained on a sample, filled in the order of the rows."""

import shutil
import tempfile
import weakref
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import faiss
import numpy as np

from prodmatch.errors import StoreError
from prodmatch.search.vectors.half_vectors import write_half
from prodmatch.search.vectors.list_builder import (
    MOST_TRAINED,
    count_lists,
    train_quantizer,
    write_lists,
)
from prodmatch.search.vectors.list_pieces import ShardedVectors, Trained, fill_pieces
from prodmatch.search.vectors.part_lists import PARTS, lists_path
from prodmatch.search.vectors.vector_index import LINKS, AnnIndex, Read
from prodmatch.storage.atomic import remove_path
from prodmatch.storage.vectors import Rows, Vectors, draw_rows, rows_in_batch, split_parts

Kind = Literal["auto", "flat", "codes", "hnsw", "sq8"]

EXACT_ROWS = 200_000  # up to here a query over all rows takes tens of milliseconds
BUILD_CANDIDATES = 100  # of a node's links; with 40, a third of the time, it finds less by a half
LINK_BYTES = 300  # of a row in HNSW
PADDING = 1.3  # of what lists take: the last block of each is partly empty
GIB = 1 << 30


def choose_kinds(
    kind: Kind, row_count: int, dim: int, memory: float | None = None
) -> Sequence[Kind]:
    """The kinds to try, one after the other until one finds enough.

    Args:
        kind: the one, or `auto`: exact for few rows, else lists of codes, then exact in any case.
        row_count: how many there are.
        dim: of a vector.
        memory: GiB that an index may take while it answers; None for any.

    Raises:
        StoreError: none is so small.
    """
    automatic: list[Kind] = ["flat", "codes"] if row_count <= EXACT_ROWS else ["codes", "flat"]
    kinds = automatic if kind == "auto" else [kind]
    sizes = {each: searching_bytes(each, row_count, dim) for each in kinds}
    fitting = [each for each in kinds if memory is None or sizes[each] <= memory * GIB]
    if not fitting:
        raise StoreError(
            f"an index ({', '.join(kinds)}) over {row_count} products takes "
            f"{min(sizes.values()) / GIB:.2f} GiB or more while it answers, and "
            f"`memory={memory:g}` allows less. Allow more."
        )
    return fitting[:1] if fitting[0] == "flat" else fitting


def searching_bytes(kind: Kind, row_count: int, dim: int) -> int:
    """About what an index takes in memory while it answers; vectors for rescoring stay on disk."""
    codes = row_count * (dim / 4 + 2 * 8) * PADDING
    return {
        "auto": 0,
        "flat": row_count * dim * 4,
        "codes": int(codes) + count_lists(row_count) * dim * 4,
        "hnsw": row_count * (dim * 4 + LINK_BYTES),
        "sq8": row_count * dim,
    }[kind]


def build_index(
    read: Read,
    row_count: int,
    dim: int,
    kind: Kind = "auto",
    trained: Trained | None = None,
    scratch: Path | None = None,
) -> AnnIndex:
    """An index over all vectors.

    `flat` compares every row, `codes` those in the lists nearest to each part of the query by two
    bits a number, and the best of them again, `hnsw` follows links from row to row, and
    `sq8` compares every row by one byte for each number.

    Args:
        read: gives the vectors in row order, in blocks; called up to three times. The processes of
            a `ShardedVectors` fill lists, and those of this one in any other case.
        row_count: how many there are.
        dim: their dimension.
        kind: which one; of `auto` the first that `choose_kinds` names.
        trained: an index of lists whose centroids, and rows that are the same, it takes over.
        scratch: a directory for the files of lists, which are needed as long as the index; one that
            goes with it if None.
    """
    if kind == "auto":
        kind = choose_kinds(kind, row_count, dim)[0]
    if kind == "codes" and row_count:
        sharded = (
            read
            if isinstance(read, ShardedVectors)
            else ShardedVectors(lambda _: read(), [row_count])
        )
        return _fill_lists(sharded, row_count, dim, trained, scratch)
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
    sharded: ShardedVectors, row_count: int, dim: int, trained: Trained | None, scratch: Path | None
) -> AnnIndex:
    """An index of lists of each part, with new centroids or those of an earlier one."""
    path = Path(tempfile.mkdtemp(dir=scratch)) / "index.faiss"
    blocks = write_half(path, sharded(), row_count, dim)
    if trained is None:
        rows = draw_rows(row_count, MOST_TRAINED)
        samples, quantizers = _take_parts(blocks, rows, dim), []
        while samples:  # the first is gone before the second takes its memory
            wanted = count_lists(len(samples[0]) * row_count // max(1, len(rows)))
            quantizers.append(train_quantizer(samples.pop(0), wanted))
    else:
        deque(blocks, 0)
        quantizers = [lists.quantizer for lists in trained.lists]
    pieces = fill_pieces(sharded, path.parent / "pieces", dim, quantizers, trained)
    for name, quantizer, those in zip(PARTS, quantizers, pieces, strict=True):
        write_lists(lists_path(path, name), quantizer, those)
    index = AnnIndex.open(path, row_count=row_count, dim=dim)
    remove_path(path.parent / "pieces")
    if scratch is None:
        weakref.finalize(index, shutil.rmtree, path.parent, ignore_errors=True)
    return index


def _extremes(blocks: Iterable[Vectors]) -> Vectors:
    """The least and the largest `(2, dim)` of every number: no code is cut off."""
    ends = [(block.min(axis=0), block.max(axis=0)) for block in blocks if len(block)]
    lows, highs = zip(*ends, strict=True)
    return np.stack([np.min(lows, axis=0), np.max(highs, axis=0)]).astype(np.float32)


def _take_parts(blocks: Iterable[Vectors], rows: Rows, dim: int) -> list[Vectors]:
    """Each part `(n, dim / 2)` of those of these ascending rows that have it."""
    parts = [np.empty((len(rows), dim // 2), np.float32) for _ in PARTS]
    start, counts = 0, [0 for _ in PARTS]
    for block in blocks:
        drawn = block[rows_in_batch(rows, start, len(block))]
        for number, part in enumerate(split_parts(drawn)):
            present = part[part.any(axis=1)]
            parts[number][counts[number] : counts[number] + len(present)] = present
            counts[number] += len(present)
        start += len(block)
    return [part[:count] for part, count in zip(parts, counts, strict=True)]
