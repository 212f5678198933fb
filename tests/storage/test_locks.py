"""Tokens of a shared store: whoever was followed by another writes nothing more that counts.

`elsewhere` lets the lock of the operating system not hold, as on some shared file systems, and has
the next run be on another machine.
"""

import contextlib
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny import night, save_catalogue, save_query_encoders

from prodmatch.errors import LockedError
from prodmatch.model.description import Model
from prodmatch.storage import locks
from prodmatch.storage.atomic import digest_file, publish_file, write_json
from prodmatch.storage.features import FeatureStore
from prodmatch.storage.garbage import collect_garbage
from prodmatch.storage.generations import current_number
from prodmatch.storage.locks import lock_store, newest_token, share_store
from prodmatch.storage.manifests import Pointer


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    store = tmp_path / "store"
    share_store(store)
    return store


@contextlib.contextmanager
def elsewhere(store: Path, *, silent: float) -> Iterator[None]:
    """On another machine, to which the holder's last sign of life is so many seconds old."""
    before = locks._machine, locks._TENURE.get()
    (store / ".lock").unlink(missing_ok=True)
    newest = store / "tokens" / f"{newest_token(store):06d}.json"
    if newest.exists():
        os.utime(newest, (time.time() - silent,) * 2)
    reset = locks._TENURE.set(None)
    locks._machine = lambda: "another"
    try:
        yield
    finally:
        locks._machine = before[0]
        locks._TENURE.reset(reset)


def point(store: Path, name: str) -> None:
    folder = store / "embeddings" / name
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "manifest.json", {"name": name})
    Pointer(store / "embeddings", "embeddings", str).write(name, folder)


def pointed(store: Path) -> str:
    return str(json.loads((store / "embeddings" / "CURRENT").read_text())["embeddings"])


def test_a_store_of_one_machine_has_no_tokens(tmp_path: Path) -> None:
    with lock_store(tmp_path):
        point(tmp_path, "a")
    assert not (tmp_path / "tokens").exists()


def test_every_run_claims_the_next_token(shared: Path) -> None:
    for number in (1, 2, 3):
        with lock_store(shared):
            assert newest_token(shared) == number


def test_a_living_run_on_another_machine_is_waited_for(shared: Path) -> None:
    with lock_store(shared), elsewhere(shared, silent=100):
        with (
            pytest.raises(LockedError, match=r"last sign of life is 1\d\d seconds old"),
            lock_store(shared),
        ):
            pass
        assert newest_token(shared) == 1


def test_a_run_that_ended_is_not_waited_for(shared: Path) -> None:
    with lock_store(shared):
        pass
    with elsewhere(shared, silent=0), lock_store(shared):
        assert newest_token(shared) == 2


def test_a_run_killed_on_this_machine_is_followed_at_once(shared: Path) -> None:
    def be_killed() -> None:
        with lock_store(shared):
            os._exit(9)

    process = multiprocessing.get_context("fork").Process(target=be_killed)
    process.start()
    process.join()
    with lock_store(shared):
        assert newest_token(shared) == 2


def test_a_stale_run_never_overwrites_a_newer_pointer(shared: Path) -> None:
    with lock_store(shared):
        point(shared, "a")
        with elsewhere(shared, silent=200), lock_store(shared):
            point(shared, "b")
        with pytest.raises(LockedError, match="took over"):
            point(shared, "a")
    assert pointed(shared) == "b"


def test_what_a_stale_run_wrote_aside_is_removed_before_it_is_named(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lock_store(shared):
        look: Callable[[Path], None] = locks.require_newest

        def overtaken(store: Path) -> None:
            look(store)  # it is the newest still
            monkeypatch.setattr("prodmatch.storage.manifests.require_newest", look)
            with elsewhere(shared, silent=200), lock_store(shared):
                point(shared, "b")

        monkeypatch.setattr("prodmatch.storage.manifests.require_newest", overtaken)
        with pytest.raises(LockedError, match="took over"):
            point(shared, "a")
    assert pointed(shared) == "b"


def test_of_two_that_claim_at_once_one_is_refused(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "newest_token", lambda store: 0)
    publish_file(shared / "tokens" / "000001.json", b"{}")
    with pytest.raises(LockedError, match="just begun"), lock_store(shared):
        pass


def test_no_name_of_a_shard_comes_again(shared: Path) -> None:
    store = FeatureStore(shared / "features" / "text-x")
    names = []
    for _ in range(2):
        with lock_store(shared):
            names.append(store.append([b"k" * 16], np.ones((1, 2), np.float32), [None]))
        (store.folder / names[-1]).unlink()
    assert names[0].split("-")[2] == names[1].split("-")[2]
    assert names[0] != names[1]


def test_shards_stay_in_the_order_of_their_runs(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    for number in (10_000_000, 2_000_000, 7):
        store.publish(number, [b"k" * 16], np.ones((1, 2), np.float32), [None])
    assert [int(name.split("-")[1]) for name in store.names()] == [7, 2_000_000, 10_000_000]


def test_a_name_that_is_taken_is_left_as_it_is(tmp_path: Path) -> None:
    assert publish_file(tmp_path / "x", b"first")
    digest = digest_file(tmp_path / "x")
    assert not publish_file(tmp_path / "x", b"second")
    assert digest_file(tmp_path / "x") == digest
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def nights(store: Path, tiny: Model) -> None:
    save_query_encoders(store, tiny)
    night(save_catalogue(store.with_name("a.parquet"), 9), tiny, store)
    night(save_catalogue(store.with_name("b.parquet"), 12, first=3), tiny, store)


def test_gc_announces_what_it_removes(shared: Path, tiny: Model) -> None:
    nights(shared, tiny)
    before = newest_token(shared)
    removed = collect_garbage(shared, keep=1, seconds=-1).removed
    assert removed
    assert newest_token(shared) == before + 2
    assert current_number(shared) == 2


def test_gc_removes_nothing_when_a_run_came_meanwhile(
    shared: Path, tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights(shared, tiny)
    announce = locks.condemn

    def overtaken(store: Path, paths: list[Path]) -> None:
        with elsewhere(shared, silent=200), lock_store(shared):
            pass
        announce(store, paths)

    monkeypatch.setattr("prodmatch.storage.garbage.condemn", overtaken)
    files = sorted(path for path in shared.rglob("*") if "tokens" not in path.parts)
    with pytest.raises(LockedError, match="just begun"):
        collect_garbage(shared, keep=1, seconds=-1)
    assert sorted(path for path in shared.rglob("*") if "tokens" not in path.parts) == files


def test_the_next_run_ends_what_a_killed_gc_announced(
    shared: Path, tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights(shared, tiny)
    removed: list[Path] = []

    def killed(store: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("prodmatch.storage.garbage.require_newest", killed)
        patch.setattr(locks, "write_json", lambda *arguments, **named: None)  # as SIGKILL would
        with pytest.raises(KeyboardInterrupt):
            collect_garbage(shared, keep=1, seconds=-1)
    record = json.loads((shared / "tokens" / f"{newest_token(shared):06d}.json").read_text())
    removed = [shared / name for name in record["condemned"]]
    assert removed
    assert all(path.exists() for path in removed)
    with lock_store(shared):
        assert not any(path.exists() for path in removed)
