"""Lists of codes of one part: centroids and codebook trained on a sample, and filled by blocks."""

import itertools
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

import faiss
import numpy as np
import numpy.typing as npt

from prodmatch.engines.processors import count_processors
from prodmatch.search.vectors.code_lists import (
    BLOCK_ROWS,
    LEVELS,
    TENSORS,
    Quantizer,
    list_bytes,
    padded,
    product_quantizer,
)
from prodmatch.storage.temporary import new_scratch_file
from prodmatch.storage.vectors import Rows, Vectors, draw_rows, normalise

LISTS_PER_ROOT = 16  # times the root of the rows: short lists find more in as many rows
TRAINING_ROWS = 39  # of a list, the fewest; FAISS asks for as many
MOST_TRAINED = 1_000_000  # rows: more would take memory, and train little better
TRAINING_ROUNDS = 10  # of a group's own centroids
COMMON_ROUNDS = 2  # of all centroids together, after those
NEAREST_GROUPS = 4  # whose centroids a row is compared with
FEWEST_TRAINED = TRAINING_ROWS * LEVELS  # rows that a codebook is trained on, repeated if need be
CODEBOOK_ROWS = 50_000
SMALLEST_STEP = np.float32(1e-6)  # between codes: FastScan divides by how much they differ
ASSIGNED_ROWS = 32_768  # at a time
WRITTEN_ROWS = 1 << 18  # at a time, about
MOST_WRITES = 256  # however many rows there are: each reads a little of every piece
# Rows of a block in the order in which FastScan has them: in low and in high nibbles of bytes.
ORDER = np.array([0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15])
Number = TypeVar("Number", bound=np.generic)


def count_lists(row_count: int) -> int:
    """How many lists so many rows are kept in."""
    return max(1, min(int(LISTS_PER_ROOT * np.sqrt(row_count)), row_count // TRAINING_ROWS))


def train_quantizer(sample: Vectors, list_count: int) -> Quantizer:
    """Centroids and codebook for `(n, dim)` parts, zeros left out; no lists where there are none.

    Centroids of groups first, then of each group's rows, which costs the root of what centroids of
    all rows at once cost, and then some rounds of k-means over all of them. The sample is rotated
    in place, as it may be most of what memory holds.
    """
    dim = sample.shape[1]
    width, rotation = 2 - dim % 2, _choose_rotation(sample)
    if not len(sample):
        nothing = np.zeros((0, dim), np.float32)
        books = [_train_codebook(np.zeros((1, dim), np.float32), each) for each in (width, 1)]
        return Quantizer(rotation, nothing, nothing, np.zeros(0, np.int64), *books)
    for block in _blocks(sample):
        block[:] = block @ rotation
    few = sample[draw_rows(len(sample), CODEBOOK_ROWS)]
    length = np.float32(np.linalg.norm(few, axis=1).mean())
    for block in _blocks(sample):
        block[:] = normalise(block)
    with _one_thread_each() as pool:
        tops = pool.submit(find_centroids, sample, max(1, int(np.sqrt(list_count)))).result()
        nearest = np.concatenate([np.argmax(block @ tops.T, axis=1) for block in _blocks(sample)])
        wanted = _shares(np.bincount(nearest, minlength=len(tops)), list_count)
        kept = np.flatnonzero(wanted)
        parts = list(
            pool.map(lambda top: find_centroids(sample[nearest == top], wanted[top]), kept)
        )
    centroids, groups = _by_group(np.concatenate(parts), tops)
    for _ in range(COMMON_ROUNDS):
        lists = assign(sample, tops, centroids, groups)
        centroids, groups = _by_group(_means(sample, lists, centroids), tops)
    centroids *= length
    residuals = few - centroids[assign(few, tops, centroids, groups)]
    books = [_train_codebook(residuals, width), _train_codebook(centroids, 1)]
    return Quantizer(rotation, tops, centroids, groups, *books)


def _choose_rotation(sample: Vectors) -> Vectors:
    """`(dim, dim)`, orthogonal: in turn a direction that rows vary much in and one of little.

    A code of two numbers has 16 levels, so the first gets more of them than the second. Axes of the
    same half are mixed at random, as far-off values along a single one would lie beyond all levels.
    """
    few = sample[draw_rows(len(sample), CODEBOOK_ROWS)]
    axes = np.linalg.eigh(few.T @ few)[1][:, ::-1]
    rng, rotation = np.random.default_rng(0), np.empty_like(axes)
    for first, half in enumerate(np.array_split(axes, 2, axis=1)):
        normal = rng.normal(size=(half.shape[1], half.shape[1]))
        rotation[:, first::2] = half @ np.linalg.qr(normal)[0]
    return np.ascontiguousarray(rotation, np.float32)


def _train_codebook(rows: Vectors, width: int) -> Vectors:
    """`(numbers, 16, width)` of `(n, dim)` rows: so many numbers together."""
    dim = rows.shape[1]
    quantizer = faiss.ProductQuantizer(dim, dim // width, 4)
    with _one_thread_each() as pool:
        few = rows[draw_rows(len(rows), CODEBOOK_ROWS)]
        trained_on = np.resize(few, (max(len(few), FEWEST_TRAINED), dim))
        pool.submit(quantizer.train, trained_on).result()
    found = faiss.vector_to_array(quantizer.centroids).reshape(dim // width, LEVELS, width)
    codebook: Vectors = found + SMALLEST_STEP * np.arange(LEVELS, dtype=np.float32)[:, None]
    return codebook


def assign(rows: Vectors, tops: Vectors, centroids: Vectors, groups: Rows) -> Rows:
    """`(n,)`: the list of each of `(n, dim)` rows, nearest among those of the nearest groups."""
    found = [_assign_block(block, tops, centroids, groups) for block in _blocks(rows)]
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _assign_block(block: Vectors, tops: Vectors, centroids: Vectors, groups: Rows) -> Rows:
    count = min(NEAREST_GROUPS, len(tops))
    near = np.argpartition(-(block @ tops.T), count - 1, axis=1)[:, :count].ravel()
    order = np.argsort(near, kind="stable")
    cuts = np.searchsorted(near[order], np.arange(len(tops) + 1))
    bounds = np.searchsorted(groups, np.arange(len(tops) + 1))
    lists, best = np.zeros(len(block), np.int64), np.full(len(block), -np.inf, np.float32)
    for top in range(len(tops)):
        rows, first, last = order[cuts[top] : cuts[top + 1]] // count, bounds[top], bounds[top + 1]
        if not len(rows) or first == last:
            continue
        scores = block[rows] @ centroids[first:last].T
        inside = np.argmax(scores, axis=1)
        found = np.take_along_axis(scores, inside[:, None], axis=1)[:, 0]
        better = found > best[rows]
        best[rows[better]], lists[rows[better]] = found[better], first + inside[better]
    return lists


@dataclass(frozen=True)
class ListPiece:
    """The codes of some rows of all, in the order of their lists.

    Attributes:
        lists: `(n,)`, ascending.
        rows: `(n,)`, those of a list ascending, counted from `start`.
        codes: `(n, bytes)`.
        start: the first row of the piece.
    """

    lists: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int32]
    codes: npt.NDArray[np.uint8]
    start: int = 0

    def to_bytes(self) -> bytes:
        """The number of rows, and the arrays."""
        arrays = (np.array([len(self.rows)]), self.lists, self.rows, self.codes)
        return b"".join(each.tobytes() for each in arrays)

    @classmethod
    def read(
        cls, content: npt.NDArray[np.uint8], width: int, start: int
    ) -> tuple["ListPiece", npt.NDArray[np.uint8]]:
        """The piece that bytes begin with, of codes of so many bytes, and the bytes behind it."""
        count = int(content[:8].view(np.int64)[0])
        ends = 8 + count * np.cumsum([4, 4, width])
        lists, rows = content[8 : ends[0]], content[ends[0] : ends[1]]
        codes = content[ends[1] : ends[2]].reshape(count, width)
        return cls(lists.view(np.int32), rows.view(np.int32), codes, start), content[ends[2] :]


class ListFiller:
    """Takes the parts of rows by blocks, and then gives them in the order of their lists."""

    def __init__(self, quantizer: Quantizer, row_count: int) -> None:
        """Begins without any; of these rows, those whose part is zeros are in no list."""
        self.quantizer = quantizer
        self._lists = np.full(row_count, -1, np.int32)
        self._codes = np.zeros((row_count, quantizer.code_bytes), np.uint8)
        self._product_quantizer = product_quantizer(quantizer.codebook)

    def add(self, block: Vectors, start: int, lists: Rows) -> None:
        """The parts `(n, dim)` of rows from `start` on, with the list of each; -1 if not known."""
        present = np.flatnonzero(block.any(axis=1))
        if not len(present) or not self.quantizer.list_count:
            return
        lists, chosen = lists[present].copy(), self.quantizer
        parts = block[present] @ chosen.rotation
        new = np.flatnonzero(lists < 0)
        lists[new] = assign(parts[new], chosen.tops, chosen.centroids, chosen.groups)
        self._lists[start + present] = lists
        residuals = np.ascontiguousarray(parts - chosen.centroids[lists])
        self._codes[start + present] = self._product_quantizer.compute_codes(residuals)

    def piece(self) -> ListPiece:
        """Those that were taken."""
        rows = np.flatnonzero(self._lists >= 0)
        rows = rows[np.argsort(self._lists[rows], kind="stable")]
        return ListPiece(self._lists[rows], rows.astype(np.int32), self._codes[rows])


def write_lists(path: Path, chosen: Quantizer, pieces: Sequence[ListPiece]) -> None:
    """The file of the lists, of pieces in the order of their rows."""
    sizes = np.zeros(chosen.list_count, np.int64)
    for piece in pieces:
        sizes += np.bincount(piece.lists, minlength=len(sizes))
    arrays: list[npt.NDArray[np.generic]] = [
        *(getattr(chosen, field.name) for field in fields(chosen)),
        sizes,
        _list_codes(chosen),
    ]
    taken = list_bytes(sizes, chosen.code_bytes)
    lengths = [*(each.nbytes for each in arrays), int(taken.sum())]
    shapes = [*(each.shape for each in arrays), (int(taken.sum()),)]
    written = max(WRITTEN_ROWS, int(sizes.sum()) // MOST_WRITES)
    ends = np.cumsum(sizes)
    cuts = np.searchsorted(ends, np.arange(written, sizes.sum(), written))
    cuts = np.unique([0, *cuts, len(sizes)])
    with new_scratch_file(path) as file:
        file.write(_header(lengths, shapes))
        for each in arrays:
            file.write(np.ascontiguousarray(each).tobytes())
        places = [np.searchsorted(piece.lists, cuts) for piece in pieces]
        for number, (first, last) in enumerate(itertools.pairwise(cuts.tolist())):
            bounds = [slice(*place[number : number + 2]) for place in places]
            file.write(_merge(pieces, bounds, sizes[first:last]).tobytes())


def _merge(
    pieces: Sequence[ListPiece], bounds: Sequence[slice], sizes: Rows
) -> npt.NDArray[np.uint8]:
    """The bytes of successive lists of such sizes, whose rows lie there in each piece."""
    both = list(zip(pieces, bounds, strict=True))
    if not both:
        return np.zeros(0, np.uint8)
    order = np.argsort(np.concatenate([piece.lists[some] for piece, some in both]), kind="stable")
    rows = np.concatenate([piece.start + piece.rows[some].astype(np.int64) for piece, some in both])
    codes = np.concatenate([piece.codes[some] for piece, some in both])
    return _packed(rows[order], codes[order], sizes)


def _packed(rows: Rows, codes: npt.NDArray[np.uint8], sizes: Rows) -> npt.NDArray[np.uint8]:
    """The bytes of successive lists of such sizes, which have these rows and codes in turn."""
    whole, width = padded(sizes), codes.shape[1]
    inside = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    positions = inside + np.repeat(np.cumsum(whole) - whole, sizes)
    spaced = np.zeros((int(whole.sum()), width), np.uint8)
    ids = np.full(len(spaced), -1, np.int64)
    spaced[positions], ids[positions] = codes, rows
    packed = _interleave(spaced)
    taken = list_bytes(sizes, width)
    found = np.empty(int(taken.sum()), np.uint8)
    firsts, tops = np.cumsum(taken) - taken, np.cumsum(whole) - whole
    for first, top, count in zip(firsts.tolist(), tops.tolist(), whole.tolist(), strict=True):
        end = first + count * width
        found[first:end] = packed[top * width : (top + count) * width]
        found[end : end + 8 * count] = ids[top : top + count].view(np.uint8)
    return found


def _list_codes(chosen: Quantizer) -> npt.NDArray[np.uint8]:
    """The bytes of the centroids' codes."""
    codes = np.zeros((chosen.padded_lists, chosen.list_code_bytes), np.uint8)
    quantizer = product_quantizer(chosen.list_codebook)
    codes[: chosen.list_count] = quantizer.compute_codes(np.ascontiguousarray(chosen.centroids))
    return _interleave(codes)


def _interleave(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The bytes of codes `(rows, bytes)`, whole blocks of them, as FastScan reads them."""
    blocks = codes.reshape(-1, BLOCK_ROWS, codes.shape[1])
    nibbles = [each[:, ORDER] | each[:, ORDER + 16] << 4 for each in (blocks & 15, blocks >> 4)]
    return np.concatenate(nibbles, axis=1).transpose(0, 2, 1).reshape(-1)


def _header(lengths: Sequence[int], shapes: Sequence[tuple[int, ...]]) -> bytes:
    """The first bytes of a file of safetensors, up to a multiple of 64."""
    ends = np.cumsum(lengths).tolist()
    entries = {
        name: {"dtype": kind, "shape": shape, "data_offsets": [end - length, end]}
        for (name, kind), length, shape, end in zip(
            TENSORS.items(), lengths, shapes, ends, strict=True
        )
    }
    content = json.dumps(entries).encode()
    content += b" " * (-(8 + len(content)) % 64)
    return len(content).to_bytes(8, "little") + content


def _one_thread_each() -> ThreadPoolExecutor:
    """Threads in which FAISS has one: many small clusterings wait longer than they compute."""
    threads = min(faiss.omp_get_max_threads(), count_processors())
    return ThreadPoolExecutor(threads, initializer=faiss.omp_set_num_threads, initargs=(1,))


def find_centroids(rows: Vectors, count: int) -> Vectors:
    """`(count, dim)` centroids of unit length by k-means; the rows where they are few."""
    if len(rows) <= count:
        return normalise(rows)
    settings = faiss.ClusteringParameters()
    settings.niter, settings.spherical, settings.min_points_per_centroid = TRAINING_ROUNDS, True, 1
    settings.max_points_per_centroid = 2 * (TRAINING_ROWS + 1)
    dim = rows.shape[1]
    clustering = faiss.Clustering(dim, int(count), settings)
    clustering.train(np.ascontiguousarray(rows), faiss.IndexFlatIP(dim))
    return normalise(faiss.vector_to_array(clustering.centroids).reshape(-1, dim))


def _shares(counts: Rows, total: int) -> list[int]:
    """`total` in proportion to counts, and one at least of each that is not 0."""
    ends = np.cumsum(counts) * total // max(1, int(counts.sum()))
    found = np.where(counts > 0, np.maximum(np.diff(ends, prepend=0), 1), 0)
    return [int(each) for each in found]


def _by_group(centroids: Vectors, tops: Vectors) -> tuple[Vectors, Rows]:
    """Centroids in the order of the groups that they are nearest to, and these groups."""
    groups = np.argmax(centroids @ tops.T, axis=1).astype(np.int64)
    order = np.argsort(groups, kind="stable")
    return np.ascontiguousarray(centroids[order]), groups[order]


def _means(rows: Vectors, lists: Rows, centroids: Vectors) -> Vectors:
    """The directions of the lists' rows; of an empty one the centroid as it was."""
    sums = np.zeros_like(centroids)
    for block, those in zip(_blocks(rows), _blocks(lists), strict=True):
        order = np.argsort(those, kind="stable")
        full, firsts = np.unique(those[order], return_index=True)
        sums[full] += np.add.reduceat(block[order], firsts, axis=0)
    return normalise(np.where(sums.any(axis=1, keepdims=True), sums, centroids))


def _blocks(rows: npt.NDArray[Number]) -> list[npt.NDArray[Number]]:
    return [rows[at : at + ASSIGNED_ROWS] for at in range(0, len(rows), ASSIGNED_ROWS)]
