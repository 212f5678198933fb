"""Killed at any instant: readers see one whole generation, and the next run ends the same."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Counting
from store_files import list_generations
from tiny import contents

from prodmatch.model.description import Model
from prodmatch.search.product_index import open_index
from prodmatch.storage.generations import open_generation, verify_generation

SUPPORT = Path(__file__).parents[1] / "support"
CALLS = (
    "write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2", "unlink",
    "unlinkat", "mkdir", "mkdirat", "link", "linkat", "ftruncate", "fallocate", "rmdir",
)  # fmt: skip


class Driver:
    """A warm process whose children run nights."""

    def __init__(self, model: Model, folder: Path) -> None:
        path = os.pathsep.join([str(SUPPORT), os.environ.get("PYTHONPATH", "")])
        self.errors = (folder / "errors").open("w+b")
        self.process = subprocess.Popen(
            [sys.executable, SUPPORT / "night_driver.py", model.folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def start(self, catalogue: Path, store: Path, *, wait: bool = False, workers: int = 0) -> int:
        assert self.process.stdin is not None
        places = {"catalogue": str(catalogue), "store": str(store)}
        asked = {**places, "wait": wait, "workers": workers}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def finish(self) -> int:
        return self._answer()

    def _answer(self) -> int:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, Path(self.errors.name).read_text()
        return int(line)

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()


@pytest.fixture(scope="module")
def driver(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    made = Driver(tiny, tmp_path_factory.mktemp("driver"))
    yield made
    made.close()


def check_reader(store: Path) -> None:
    for generation in list_generations(store):
        verify_generation(generation)
    index = open_index(store)
    wanted = 0 if index.generation.number == 1 else 10
    (hit,) = index.search(f"number {wanted}", top=1, weights={"lexical": 1.0})
    assert hit.product_id == f"p{wanted:04d}"


def check_end(base: Path, store: Path, driver: Driver) -> None:
    """A run that nobody kills ends with what an uninterrupted one would have."""
    driver.start(base / "after.parquet", store)
    assert driver.finish() == 0
    assert contents(store) == contents(base / "gold")
    assert not list(store.rglob("_tmp-*"))
    shutil.rmtree(store)


def test_random_kills_lose_nothing(
    base: Path, driver: Driver, quick_disk: Path, count_cases: Counting
) -> None:
    kill_at_random(4, base, driver, quick_disk)
    count_cases("kills at random", 4)


@pytest.mark.slow
def test_many_random_kills_and_chains_lose_nothing(
    base: Path, driver: Driver, quick_disk: Path, count_cases: Counting
) -> None:
    kill_at_random(50, base, driver, quick_disk)
    count_cases("kills at random", 50)
    for _ in range(20):
        kill_at_random(3, base, driver, quick_disk, chain=True)
    count_cases("chains of three kills", 20)


@pytest.mark.slow
def test_random_kills_of_a_run_with_workers_lose_nothing(
    base: Path, driver: Driver, quick_disk: Path, count_cases: Counting
) -> None:
    kill_at_random(10, base, driver, quick_disk, workers=2)
    count_cases("kills at random of a run with workers", 10)


def kill_at_random(
    count: int,
    base: Path,
    driver: Driver,
    folder: Path,
    *,
    chain: bool = False,
    workers: int = 0,
) -> None:
    store, rng = folder / "store", random.Random(count)
    length = float("inf")
    for _ in range(3):  # the first may start from a cold disk
        shutil.copytree(base / "store", store)
        started = time.monotonic()
        driver.start(base / "after.parquet", store, workers=workers)
        assert driver.finish() == 0
        length = min(length, time.monotonic() - started)
        shutil.rmtree(store)
    for number in range(count):
        if not (chain and number):
            shutil.copytree(base / "store", store)
        child = driver.start(base / "after.parquet", store, workers=workers)
        time.sleep(rng.uniform(0, length))
        with contextlib.suppress(ProcessLookupError):  # it had ended
            os.kill(child, signal.SIGKILL)
        driver.finish()
        check_reader(store)
        if not chain:
            check_end(base, store, driver)  # at once: an orphaned worker holds no lock
    if chain:
        check_end(base, store, driver)


needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is not installed: apt-get install strace"
)


def trace(child: int, log: Path, *options: str) -> None:
    """Lets a waiting child run under strace, to its end."""
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-y", "-o", log, *options, "-p", str(child)],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while "TracerPid:\t0\n" in Path(f"/proc/{child}/status").read_text():
        if tracer.poll() is not None or time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            pytest.skip(f"strace may not attach here: {tracer.communicate()[1]}")
        time.sleep(0.002)
    os.kill(child, signal.SIGCONT)
    tracer.communicate()


def trace_night(base: Path, driver: Driver, folder: Path, *options: str) -> tuple[str, int]:
    """The trace of one night on a fresh store, and how it ended."""
    store = folder / "store"
    shutil.copytree(base / "store", store)
    child = driver.start(base / "after.parquet", store, wait=True)
    trace(child, folder / "log", *options)
    return (folder / "log").read_text(), driver.finish()


def points_of(log: str, store: Path) -> list[tuple[str, int]]:
    """Each mutating call below the store: its name, and that it is the n-th of that name."""
    counts: dict[str, int] = {}
    found = []
    for line in log.splitlines():
        call = re.match(r"\d+ +(\w+)\(", line)
        if call:
            name = call[1]
            counts[name] = counts.get(name, 0) + 1
            if str(store) in line:
                found.append((name, counts[name]))
    return found


def kill_at(points: list[tuple[str, int]], base: Path, driver: Driver, folder: Path) -> None:
    for name, number in points:
        _, ended = trace_night(
            base, driver, folder, "-e", f"trace={name}",
            "-e", f"inject={name}:signal=KILL:when={number}",
        )  # fmt: skip
        assert ended == -signal.SIGKILL, (name, number)
        check_reader(folder / "store")
        check_end(base, folder / "store", driver)


@needs_strace
def test_a_kill_at_some_system_calls_loses_nothing(
    base: Path, driver: Driver, quick_disk: Path, count_cases: Counting
) -> None:
    log, ended = trace_night(base, driver, quick_disk, "-e", "trace=" + ",".join(CALLS))
    assert ended == 0
    shutil.rmtree(quick_disk / "store")
    points = points_of(log, quick_disk / "store")
    assert len(points) > 80  # 99 were seen; the count moves with what a night writes
    assert {"mkdir", "write", "fsync", "rename"} <= {name for name, _ in points}
    chosen = points[:: len(points) // 4]
    kill_at(chosen, base, driver, quick_disk)
    count_cases("kills at a system call", len(chosen))


@needs_strace
@pytest.mark.slow
def test_a_kill_at_any_system_call_loses_nothing(
    base: Path, driver: Driver, quick_disk: Path, count_cases: Counting
) -> None:
    log, _ = trace_night(base, driver, quick_disk, "-e", "trace=" + ",".join(CALLS))
    shutil.rmtree(quick_disk / "store")
    points = points_of(log, quick_disk / "store")
    kill_at(points, base, driver, quick_disk)
    count_cases("kills at a system call", len(points))


@needs_strace
def test_every_name_appears_after_its_bytes_are_on_the_disk(
    base: Path, driver: Driver, quick_disk: Path
) -> None:
    calls = "trace=openat,fsync,rename,renameat,renameat2,socket,connect"
    log, ended = trace_night(base, driver, quick_disk, "-e", calls)
    assert ended == 0
    store = quick_disk / "store"
    synced: list[str] = []
    renamed = []
    for line in log.splitlines():
        if sync := re.search(r"fsync\(\d+<([^>]+)>\) += 0", line):
            synced.append(sync[1])
        elif name := re.search(r"rename\w*\((?:[^\"]*)\"([^\"]+)\"[^\"]*\"([^\"]+)\".* = 0", line):
            assert name[1] in synced, f"{name[2]} was named before it was synced"
            renamed.append((name[2], len(synced)))
            if name[2] == str(store / "index" / "CURRENT"):
                folder = open_generation(store).folder
                below = [path for path in synced if f"-{folder.name}/" in path]
                listed = {path.split(f"-{folder.name}/")[1] for path in below}
                assert {*open_generation(store).files, "manifest.json"} <= listed
    for name, place in renamed:
        assert str(Path(name).parent) in synced[place:], f"{name} was not synced into its folder"
    assert renamed[-1][0] == str(store / "index" / "CURRENT")
    assert "AF_INET" not in log
    opened = re.findall(r"openat\([^\"]*\"([^\"]+)\", [^,)]*O_CREAT", log)
    ours = (str(store), "/dev/shm/sem.")  # a semaphore, of the progress bar
    assert [path for path in opened if not path.startswith(ours)] == []


@needs_strace
def test_a_failed_sync_is_final(
    base: Path, driver: Driver, quick_disk: Path, count_cases: Counting
) -> None:
    fail_syncs(3, "EIO", base, driver, quick_disk, count_cases)


@needs_strace
@pytest.mark.slow
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_every_failed_sync_is_final(
    base: Path, driver: Driver, quick_disk: Path, error: str, count_cases: Counting
) -> None:
    fail_syncs(1000, error, base, driver, quick_disk, count_cases)


def fail_syncs(
    most: int, error: str, base: Path, driver: Driver, quick_disk: Path, count_cases: Counting
) -> None:
    log, _ = trace_night(base, driver, quick_disk, "-e", "trace=fsync")
    shutil.rmtree(quick_disk / "store")
    count = log.count("fsync(")
    chosen = range(1, count, max(1, count // most))  # after the last, CURRENT is named
    for number in chosen:
        log, ended = trace_night(
            base, driver, quick_disk, "-e", "trace=fsync",
            "-e", f"inject=fsync:error={error}:when={number}",
        )  # fmt: skip
        assert ended == 1
        failed = re.search(r"fsync\(\d+<([^>]+)>\).*INJECTED", log)
        assert failed is not None
        assert failed[1] not in re.findall(r"fsync\(\d+<([^>]+)>", log[failed.end() :])
        assert open_generation(quick_disk / "store").number == 1
        check_end(base, quick_disk / "store", driver)
    count_cases("syncs that fail", len(chosen))
