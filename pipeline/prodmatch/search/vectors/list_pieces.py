"""Lists of codes in pieces: any process can fill one, and all are merged in the order of the rows.

Centroids are trained once, by the driver, which lays an index without rows aside, or the earlier
one whose centroids are kept. A unit is some shards of vectors. Its worker publishes the codes of
its rows under the unit's number and the digest of their bytes, and returns the name with counts;
the driver merges the pieces that were returned to it, and no others.
"""

import functools
import hashlib
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from prodmatch.engines.units import Poison, Pool, open_thread_pool, run_units
from prodmatch.errors import StoreError
from prodmatch.search.vectors.code_lists import CodeLists, Quantizer
from prodmatch.search.vectors.half_vectors import write_half
from prodmatch.search.vectors.list_builder import ListFiller, ListPiece, write_lists
from prodmatch.search.vectors.part_lists import PARTS, lists_path
from prodmatch.search.vectors.vector_index import HALF_ERROR, AnnIndex
from prodmatch.storage.atomic import digest_file, make_directory, new_file, publish_file
from prodmatch.storage.embeddings import Embeddings, vectors_of
from prodmatch.storage.vectors import Rows, Vectors, split_parts

logger = logging.getLogger(__name__)

UNIT_SHARDS = 4  # of embeddings: 65,536 rows


@dataclass(frozen=True)
class Trained:
    """An earlier index of lists, whose centroids are kept.

    Attributes:
        index: the earlier one.
        rows: `(row_count,)` the row in it of the same product; -1 where there is none.
        described: what its manifest says of the training: the rows, and the lists looked at.
    """

    index: AnnIndex
    rows: Rows
    described: Mapping[str, int] = field(default_factory=dict)

    @property
    def lists(self) -> Sequence[CodeLists]:
        """Those of the text parts and of the image parts."""
        if self.index.lists is None:
            raise ValueError("an index without lists was trained on nothing")
        return self.index.lists

    def same(self, block: Vectors, start: int) -> Rows:
        """`(n,)` the earlier rows of a block's rows whose vectors are as they were; else -1."""
        rows = self.rows[start : start + len(block)]
        found, kept = np.full(len(block), -1, np.int64), np.flatnonzero(rows >= 0)
        stored = self.index.stored(rows[kept])
        kept = kept[(np.abs(stored - block[kept]) <= HALF_ERROR).all(axis=1)]
        found[kept] = rows[kept]
        return found


@dataclass(frozen=True)
class RowUnit:
    """Shards of vectors that follow each other."""

    first: int  # shard
    start: int  # row
    rows: tuple[int, ...]  # of each shard

    @property
    def count(self) -> int:
        """How many shards."""
        return len(self.rows)

    def split(self) -> tuple["RowUnit", "RowUnit"]:
        """Its shards in two."""
        half = self.count // 2
        one, other = self.rows[:half], self.rows[half:]
        second = RowUnit(self.first + half, self.start + sum(one), other)
        return RowUnit(self.first, self.start, one), second


@dataclass(frozen=True)
class PieceResult:
    """What a worker did."""

    name: str  # of the piece
    rows: int  # that it read


OpenPool = Callable[..., AbstractContextManager[Pool[RowUnit, PieceResult]]]


@dataclass(frozen=True)
class ShardedVectors:
    """Vectors in shards, and the pool whose processes read them.

    Attributes:
        read: gives the vectors of these shards in row order, in blocks.
        row_counts: of the shards.
        open_pool: as `open_thread_pool`.
    """

    read: Callable[[slice], Iterable[Vectors]]
    row_counts: Sequence[int]
    open_pool: OpenPool = open_thread_pool

    @classmethod
    def of(cls, embeddings: Embeddings, open_pool: OpenPool = open_thread_pool) -> "ShardedVectors":
        """The vectors of embeddings."""
        return cls(functools.partial(_read_shards, embeddings), embeddings.shard_rows(), open_pool)

    def __call__(self) -> Iterable[Vectors]:
        """All vectors in row order, in blocks."""
        return self.read(slice(None))

    def units(self) -> list[RowUnit]:
        """All shards, in order; the same ones give the same units."""
        starts, units = np.cumsum([0, *self.row_counts]).tolist(), list[RowUnit]()
        for first in range(0, len(self.row_counts), UNIT_SHARDS):
            rows = tuple(self.row_counts[first : first + UNIT_SHARDS])
            units.append(RowUnit(first, starts[first], rows))
        return units


def _read_shards(embeddings: Embeddings, shards: slice) -> Iterable[Vectors]:
    return (vectors_of(batch["vector"]) for batch in embeddings.batches(["vector"], shards))


@dataclass(frozen=True)
class PieceWork:
    """What every worker needs besides its unit: what to read, and where."""

    read: Callable[[slice], Iterable[Vectors]]
    folder: Path  # of what the driver laid aside, and of the pieces
    earlier_rows: int  # of the index that lies there
    dim: int

    def __call__(self, unit: RowUnit) -> PieceResult:
        """Encodes the rows of a unit and publishes their codes."""
        with threadpool_limits(1):  # of BLAS and FAISS, which in more gives other last digits
            return self._publish(unit)

    def _publish(self, unit: RowUnit) -> PieceResult:
        trained, known = _open_aside(self.folder, self.earlier_rows, self.dim)
        fillers = [ListFiller(lists.quantizer, sum(unit.rows)) for lists in trained.lists]
        start = 0
        for block in self.read(slice(unit.first, unit.first + unit.count)):
            same = trained.same(block, unit.start + start)
            for filler, part, lists in zip(fillers, split_parts(block), known, strict=True):
                filler.add(part, start, lists[same])
            start += len(block)
        content = b"".join(filler.piece().to_bytes() for filler in fillers)
        name = f"{unit.first:08d}-{hashlib.sha256(content).hexdigest()}"
        publish_file(self.folder / name, content)
        return PieceResult(name, start)


def fill_pieces(
    sharded: ShardedVectors,
    folder: Path,
    dim: int,
    quantizers: Sequence[Quantizer],
    trained: Trained | None = None,
) -> list[list[ListPiece]]:
    """The codes of all rows, for each part in pieces in the order of their rows.

    Args:
        sharded: the vectors, and what reads them.
        folder: a new one for files that all processes see, needed as long as the pieces.
        dim: of a vector.
        quantizers: of the parts.
        trained: where they are an earlier index's, that one.

    Raises:
        StoreError: a unit kills whatever works on it, or a piece is not what its worker wrote.
        ProdmatchError: a worker met it.
    """
    earlier_rows = _lay_aside(folder, dim, quantizers, trained)
    work, units = PieceWork(sharded.read, folder, earlier_rows, dim), sharded.units()
    phase = {"phase": "index units", "count": len(units)}
    logger.info("filling lists in %d units", len(units), extra=phase)
    done = dict[int, PieceResult]()
    with threadpool_limits(1), sharded.open_pool(work) as pool:  # until the last unit ends
        for each in run_units(pool, units):
            if isinstance(each, Poison):
                raise StoreError(
                    f"lists of rows {each.unit.start} and on: their worker died again and again. "
                    "Is there memory enough on each machine? Nothing is published; run again."
                )
            unit, result = each
            done[unit.start] = result
    _open_aside.cache_clear()
    found, end = [list[ListPiece]() for _ in quantizers], 0
    for start, result in sorted(done.items()):
        content = _read_piece(folder / result.name)
        for quantizer, pieces in zip(quantizers, found, strict=True):
            piece, content = ListPiece.read(content, quantizer.code_bytes, start)
            pieces.append(piece)
        end += result.rows
    if end != sum(sharded.row_counts):
        raise StoreError(
            f"{folder}: lists were filled with {end} of {sum(sharded.row_counts)} rows. "
            "Nothing is published; run again."
        )
    return found


def _read_piece(path: Path) -> npt.NDArray[np.uint8]:
    """The bytes of a piece, mapped."""
    if not path.is_file() or digest_file(path) != path.name.partition("-")[2]:
        raise StoreError(f"{path}: is not what its worker wrote. Nothing is published; run again.")
    return np.memmap(path, np.uint8, "r")


def _lay_aside(
    folder: Path, dim: int, quantizers: Sequence[Quantizer], trained: Trained | None
) -> int:
    """Writes an index without rows, or the earlier one and what each row was in it.

    Gives how many rows that index has.
    """
    path = _aside(folder)
    if trained is None:
        make_directory(folder)
        deque(write_half(path, (), 0, dim), 0)
        for name, quantizer in zip(PARTS, quantizers, strict=True):
            write_lists(lists_path(path, name), quantizer, ())
        return 0
    trained.index.save(path)
    known = [np.append(lists.lists_of_rows(), -1) for lists in trained.lists]
    for name, array in zip(("rows", *PARTS), (trained.rows, *known), strict=True):
        with new_file(folder / f"{name}.npy") as file:
            np.save(file, array)
    return trained.index.row_count


def _aside(folder: Path) -> Path:
    return folder / "trained.faiss"


@functools.lru_cache(maxsize=1)  # in a process, for all units of a run
def _open_aside(folder: Path, row_count: int, dim: int) -> tuple[Trained, list[Rows]]:
    """The index that was laid aside, and for each part the list of each of its rows; -1 at last."""
    path = _aside(folder)
    if not path.is_file():  # the next run removes what a run has written aside
        raise StoreError(f"{path}: is gone. Its run has ended, or another has taken over.")
    index = AnnIndex.open(path, row_count=row_count, dim=dim)
    if not row_count:
        return Trained(index, np.zeros(0, np.int64)), [np.full(1, -1) for _ in PARTS]
    rows, *known = [np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("rows", *PARTS)]
    return Trained(index, rows), known
