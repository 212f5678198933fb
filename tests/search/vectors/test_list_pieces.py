"""Lists filled in pieces are those of one process, whoever fills them and whoever dies."""

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from prodmatch.engines.local import ChildFailure
from prodmatch.engines.units import Pool, open_thread_pool
from prodmatch.errors import StoreError
from prodmatch.search.vectors import list_builder, list_pieces
from prodmatch.search.vectors.index_builder import build_index
from prodmatch.search.vectors.list_builder import assign
from prodmatch.search.vectors.list_pieces import (
    OpenPool,
    PieceResult,
    PieceWork,
    RowUnit,
    ShardedVectors,
    Trained,
)
from prodmatch.search.vectors.vector_index import AnnIndex
from prodmatch.storage.vectors import Vectors, normalise, split_parts

ROWS, DIM, SHARD = 2950, 16, 300
Failing = Callable[[RowUnit], str | None]


@pytest.fixture(autouse=True)
def _small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_pieces, "UNIT_SHARDS", 3)


@pytest.fixture(scope="module")
def rows() -> Vectors:
    """Some have one part alone."""
    found = normalise(np.random.default_rng(0).normal(size=(ROWS, DIM)))
    found[::7, 8:] = 0.0
    found[3::7, :8] = 0.0
    return normalise(found)


def shards_of(rows: Vectors) -> list[Vectors]:
    return [rows[at : at + SHARD] for at in range(0, len(rows), SHARD)]


def read_some(shards: list[Vectors], some: slice) -> Iterable[Vectors]:
    return iter(shards[some])


def sharded(rows: Vectors, open_pool: OpenPool) -> ShardedVectors:
    shards = shards_of(rows)
    return ShardedVectors(partial(read_some, shards), [len(shard) for shard in shards], open_pool)


def files_of(
    folder: Path, read: Callable[[], Iterable[Vectors]], trained: Trained | None = None
) -> list[bytes]:
    """Those of an index that was built and saved there."""
    folder.mkdir()
    build_index(read, ROWS, DIM, "codes", trained, folder).save(folder / "index.faiss")
    return [path.read_bytes() for path in sorted(folder.glob("index.*"))]


class FailingPool:
    """Does units in this process, the last first; `failing` says how a worker ended."""

    slots = 3

    def __init__(self, work: PieceWork, failing: Failing) -> None:
        self.work, self.failing = work, failing
        self.waiting: list[RowUnit] = []

    def submit(self, unit: RowUnit) -> None:
        self.waiting.append(unit)

    def next(self) -> tuple[RowUnit, PieceResult | ChildFailure]:
        unit = self.waiting.pop()
        result, reason = self.work(unit), self.failing(unit)  # it dies when all is written
        return unit, result if reason is None else ChildFailure(reason)


def failing(how: Failing) -> OpenPool:
    @contextlib.contextmanager
    def open_pool(work: PieceWork) -> Iterator[FailingPool]:
        yield FailingPool(work, how)

    return open_pool


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("shards", [1, 3])
def test_any_number_of_workers_makes_the_same_bytes(
    workers: int, shards: int, rows: Vectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_pieces, "UNIT_SHARDS", shards)
    many = sharded(rows, partial(open_thread_pool, threads=workers))
    one = files_of(tmp_path / "one", lambda: shards_of(rows))
    assert files_of(tmp_path / "many", many) == one


def test_units_that_fail_are_done_again_and_divided(rows: Vectors, tmp_path: Path) -> None:
    deaths: Counter[RowUnit] = Counter()

    def how(unit: RowUnit) -> str | None:
        """The first unit once, the second until it is divided, the third with four machines."""
        deaths[unit] += 1
        if unit.first == 6:
            return "lost" if deaths[unit] <= 4 else None
        dies = unit.count > 1 if unit.first == 3 else unit.first == 0 and deaths[unit] == 1
        return "crashed" if dies else None

    done = files_of(tmp_path / "one", lambda: shards_of(rows))
    assert files_of(tmp_path / "many", sharded(rows, failing(how))) == done
    units = sorted((unit.first, unit.count) for unit in deaths)
    assert units == [(0, 3), (3, 1), (3, 3), (4, 2), (6, 3), (9, 1)]


def test_a_unit_that_always_kills_is_named(rows: Vectors, tmp_path: Path) -> None:
    pool = failing(lambda unit: "crashed" if unit.first <= 4 < unit.first + unit.count else None)
    with pytest.raises(StoreError, match="lists of rows 1200 and on: their worker died"):
        files_of(tmp_path / "many", sharded(rows, pool))


def test_rows_that_stay_keep_their_lists_in_any_process(
    rows: Vectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assigned: list[int] = []

    def count(parts: Vectors, *centroids: Any) -> np.ndarray:
        assigned.append(len(parts))
        return assign(parts, *centroids)

    earlier = rows[np.random.default_rng(1).permutation(ROWS)][:2000]
    build_index(lambda: [earlier], 2000, DIM, "codes").save(tmp_path / "old.faiss")
    old = AnnIndex.open(tmp_path / "old.faiss", row_count=2000, dim=DIM)
    before = {row.tobytes(): number for number, row in enumerate(earlier)}
    trained = Trained(old, np.array([before.get(row.tobytes(), -1) for row in rows]))
    one = files_of(tmp_path / "one", lambda: shards_of(rows), trained)
    monkeypatch.setattr(list_builder, "assign", count)
    assert files_of(tmp_path / "many", sharded(rows, open_thread_pool), trained) == one
    new = rows[trained.rows < 0]
    assert sum(assigned) == sum(int(part.any(axis=1).sum()) for part in split_parts(new))
    assert (one[0], one[1]) != tuple(files_of(tmp_path / "new", lambda: shards_of(rows))[:2])


@dataclasses.dataclass
class Meddling:
    """Does a unit, and then what it is told with the piece."""

    work: PieceWork
    change: Callable[[Path], None] = lambda piece: None
    lost_rows: int = 0

    def __call__(self, unit: RowUnit) -> PieceResult:
        result = self.work(unit)
        if not unit.first:
            self.change(self.work.folder / result.name)
        return PieceResult(result.name, result.rows - self.lost_rows)


def meddling(**how: object) -> OpenPool:
    return lambda work: open_thread_pool(Meddling(work, **how))  # type: ignore[arg-type]


def test_a_piece_of_another_plan_is_not_used(rows: Vectors, tmp_path: Path) -> None:
    one = files_of(tmp_path / "one", lambda: shards_of(rows))
    kept: list[tuple[str, bytes]] = []

    def keep(piece: Path) -> None:
        kept.append((piece.name, piece.read_bytes()))

    files_of(tmp_path / "other", sharded(rows[::-1], meddling(change=keep)))
    ((name, content),) = kept
    leave = meddling(change=lambda piece: void(piece.with_name(name).write_bytes(content)))
    assert files_of(tmp_path / "left", sharded(rows, leave)) == one
    put = meddling(change=lambda piece: void(piece.write_bytes(content)))
    with pytest.raises(StoreError, match="is not what its worker wrote"):
        files_of(tmp_path / "put", sharded(rows, put))
    remove = meddling(change=Path.unlink)
    with pytest.raises(StoreError, match="is not what its worker wrote"):
        files_of(tmp_path / "removed", sharded(rows, remove))


def void(_: object) -> None:
    """Nothing."""


def test_rows_that_no_worker_read_are_missed(rows: Vectors, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="filled with 2946 of 2950 rows"):
        files_of(tmp_path / "many", sharded(rows, meddling(lost_rows=1)))


def test_a_worker_of_a_run_that_has_ended_says_so(rows: Vectors, tmp_path: Path) -> None:
    work = PieceWork(partial(read_some, shards_of(rows)), tmp_path / "gone", 0, DIM)
    with pytest.raises(StoreError, match=r"trained\.faiss: is gone\. Its run has ended"):
        work(RowUnit(0, 0, (SHARD,)))
    assert not (tmp_path / "gone").exists()


def test_each_unit_is_done_on_one_processor(rows: Vectors, tmp_path: Path) -> None:
    def threads() -> list[int]:
        return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]

    noted, before = list[list[int]](), threads()

    def read(some: slice) -> Iterable[Vectors]:
        noted.append(threads())
        return iter(shards_of(rows)[some])

    def open_pool(work: PieceWork) -> AbstractContextManager[Pool[RowUnit, PieceResult]]:
        """As a process of its own: with threads of its own."""

        def run(unit: RowUnit) -> PieceResult:
            with threadpool_limits(3):
                return work(unit)

        return open_thread_pool(run, threads=1)

    counts = [len(shard) for shard in shards_of(rows)]
    with threadpool_limits(3):
        files_of(tmp_path / "many", ShardedVectors(read, counts, open_pool))
        assert set(threads()) == {3}
    assert noted[0] == [3] * len(before)  # the driver's, which trains
    assert noted[1:] == [[1] * len(before)] * 4
