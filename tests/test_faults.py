"""The n-th operation on the disk fails: a clear refusal, nothing lost, the next run succeeds."""

import errno
import itertools
import json
import os
import shutil
from pathlib import Path

import pytest
from conftest import Counting
from faults import Disk, failing
from tiny import night, save_catalogue, save_query_encoders, save_tiny_model

from prodmatch.errors import StoreError
from prodmatch.generations import list_generations, open_generation, verify_generation
from prodmatch.models import Model
from prodmatch.query import open_index

ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EMFILE)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return save_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module")
def base(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of one generation, tomorrow's catalogue, and what it should give."""
    folder = tmp_path_factory.mktemp("base")
    save_query_encoders(folder / "store", tiny)
    night(save_catalogue(folder / "before.parquet", 9), tiny, folder / "store")
    save_catalogue(folder / "after.parquet", 12, first=3)
    shutil.copytree(folder / "store", folder / "gold")
    night(folder / "after.parquet", tiny, folder / "gold")
    return folder


def contents(store: Path) -> tuple[object, object]:
    """What the current generation and the current embeddings consist of."""
    embeddings = json.loads((store / "embeddings" / "CURRENT").read_text())
    return open_generation(store).manifest["files"], embeddings


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
    last_step = disk.log[-1][0] == "fsync" and disk.log[-1][1] == str(store / "index")
    for generation in list_generations(store):
        verify_generation(generation)
    number = open_index(store).search("red shirt", top=1)[0].generation
    assert number == (2 if ended == "done" or (last_step and disk.log[-2][0] == "replace") else 1)
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
    chosen: list[tuple[int, int, bool]], base: Path, tiny: Model, tmp_path: Path
) -> dict[str, int]:
    ended = {"done": 0, "refused": 0}
    for place, number, persistent in chosen:
        disk = Disk(tmp_path, place, number, persistent)
        ended[run_with_fault(base, tiny, tmp_path, disk)] += 1
        assert disk.fired
    return ended


def test_some_operation_fails_and_nothing_is_lost(
    base: Path, tiny: Model, tmp_path: Path, count_cases: Counting
) -> None:
    count = count_operations(base, tiny, tmp_path)
    ended = check_cases(cases(count)[::67], base, tiny, tmp_path)
    count_cases("n-th operation faults", sum(ended.values()))
    assert ended["refused"] > 0.8 * sum(ended.values())


@pytest.mark.slow
def test_any_operation_fails_and_nothing_is_lost(
    base: Path, tiny: Model, tmp_path: Path, count_cases: Counting
) -> None:
    count = count_operations(base, tiny, tmp_path)
    ended = check_cases(cases(count), base, tiny, tmp_path)
    count_cases("n-th operation faults", sum(ended.values()))
    assert sum(ended.values()) >= 480


def test_what_is_written_is_ours_alone(base: Path, tiny: Model, tmp_path: Path) -> None:
    store = tmp_path / "store"
    save_query_encoders(store, tiny)
    before = os.umask(0)
    try:
        night(base / "after.parquet", tiny, store)
    finally:
        os.umask(before)
    assert [path for path in store.rglob("*") if path.stat().st_mode & 0o022] == []
