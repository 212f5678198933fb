"""The n-th operation on the disk fails: a clear refusal, nothing lost, the next run succeeds."""

import errno
import itertools
import os
import shutil
from pathlib import Path

import pytest
from conftest import Counting
from faults import Disk, failing
from store_files import list_generations
from tiny import contents, night, save_query_encoders

from prodmatch.errors import StoreError
from prodmatch.model.description import Model
from prodmatch.search.product_index import open_index
from prodmatch.storage.generations import verify_generation

ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EMFILE)


def run_with_fault(base: Path, model: Model, folder: Path, disk: Disk) -> str:
    """One faulty night and one good one; says how the faulty one ended."""
    store = folder / "store"
    shutil.copytree(base / "store", store)
    disk.root = store
    try:
        with failing(disk):
            night(base / "after.parquet", model, store)
        ended = "done"
    except StoreError as error:
        ended = "refused"
        message = str(error)
        assert "cannot be written" in message
        assert str(store) in message
        assert "_tmp-" not in message
    index = store / "index"
    last_step = [("replace", str(index / "CURRENT")), ("fsync", str(index))]
    moved = disk.log[max(0, disk.fail_at - 2) : disk.fail_at] == last_step
    for generation in list_generations(store):
        verify_generation(generation)
    number = open_index(store).search("red shirt", top=1)[0].generation
    assert number == (2 if ended == "done" or moved else 1)  # moved, but perhaps not for good
    night(base / "after.parquet", model, store)
    assert contents(store) == contents(base / "gold")
    assert not list(store.rglob("_tmp-*"))
    shutil.rmtree(store)
    return ended


def count_operations(base: Path, model: Model, folder: Path) -> int:
    disk = Disk(folder)
    run_with_fault(base, model, folder, disk)
    return len(disk.log)


def cases(count: int) -> list[tuple[int, int, bool]]:
    return list(itertools.product(range(1, count + 1), ERRORS, (False, True)))


def check_cases(
    chosen: list[tuple[int, int, bool]], base: Path, tiny: Model, quick_disk: Path
) -> dict[str, int]:
    ended = {"done": 0, "refused": 0}
    for place, number, persistent in chosen:
        disk = Disk(quick_disk, place, number, persistent)
        ended[run_with_fault(base, tiny, quick_disk, disk)] += 1
        assert disk.fired
    return ended


def test_some_operation_fails_and_nothing_is_lost(
    base: Path, tiny: Model, quick_disk: Path, count_cases: Counting
) -> None:
    count = count_operations(base, tiny, quick_disk)
    ended = check_cases(cases(count)[::67], base, tiny, quick_disk)
    count_cases("n-th operation faults", sum(ended.values()))
    assert ended["refused"] > 0.8 * sum(ended.values())


@pytest.mark.slow
@pytest.mark.parametrize("part", range(5))  # each with every operation and every error
def test_any_operation_fails_and_nothing_is_lost(
    part: int, base: Path, tiny: Model, quick_disk: Path, count_cases: Counting
) -> None:
    count = count_operations(base, tiny, quick_disk)
    ended = check_cases(cases(count)[part::5], base, tiny, quick_disk)
    count_cases("n-th operation faults", sum(ended.values()))
    assert sum(ended.values()) >= 480


def test_what_is_written_is_ours_alone(base: Path, tiny: Model, quick_disk: Path) -> None:
    store = quick_disk / "store"
    save_query_encoders(store, tiny)
    before = os.umask(0)
    try:
        night(base / "after.parquet", tiny, store)
    finally:
        os.umask(before)
    assert [path for path in store.rglob("*") if path.stat().st_mode & 0o022] == []
