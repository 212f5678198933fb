"""Encoding and indexing on a real cluster of several nodes in this machine; parts are killed.

Embeddings and index are those of one process, and every row is counted, whoever died.
"""

import gc
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from checkout import ROOT
from slow_shards import read_slowly
from small import SCHEMA, product
from tiny import save_catalogue, save_query_encoders

from prodmatch.engines.ray import open_ray_pool
from prodmatch.engines.units import open_thread_pool
from prodmatch.model.description import Model
from prodmatch.search.vectors.index_builder import build_index
from prodmatch.search.vectors.list_pieces import OpenPool, ShardedVectors
from prodmatch.storage.embeddings import require_embeddings, vectors_of
from prodmatch.storage.locks import newest_token
from prodmatch.storage.vectors import normalise

pytestmark = pytest.mark.slow
ROWS = 400
STORE_BYTES = 100 << 20  # of each node's object store, which takes names and counts alone


class Nodes:
    """A cluster: a head without processors, and nodes with one each."""

    def __init__(self) -> None:
        cluster_utils = pytest.importorskip(
            "ray.cluster_utils", reason="Ray is not installed: pip install 'prodmatch[ray]'"
        )
        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE_BYTES}
        self.cluster: Any = cluster_utils.Cluster(initialize_head=True, head_node_args=head)
        self.nodes: list[Any] = []

    def add(self, count: int) -> None:
        """Starts nodes."""
        for _ in range(count):
            self.nodes.append(self.cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES))

    def kill(self) -> None:
        """Kills a node with all its processes."""
        self.cluster.remove_node(self.nodes.pop(), allow_graceful=False)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    kept = dict(os.environ)
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    os.environ.update(quiet, PYTHONPATH=str(ROOT / "tests" / "support"))
    os.environ["NOTES"] = str(tmp_path_factory.mktemp("notes"))
    os.environ["SECONDS"] = "0.5"
    made = Nodes()
    made.add(2)
    os.environ["RAY_ADDRESS"] = made.cluster.address
    yield made
    made.cluster.shutdown()
    with warnings.catch_warnings():  # Ray waits for no process that it killed, and closes no log
        warnings.simplefilter("ignore", ResourceWarning)
        made.nodes.clear()
        made.cluster = None
        gc.collect()
    os.environ.clear()
    os.environ.update(kept)


class Run:
    """A driver in a process of its own."""

    def __init__(self, catalogue: Path, model: Model, store: Path, engine: str = "ray") -> None:
        self.log = store.with_name(f"{store.name}-{time.monotonic_ns()}.log")
        for note in notes():
            note.unlink()
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "tests/support/cluster_driver.py"),
                 str(catalogue), str(store), str(model.folder), engine],
                stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip

    def wait_for_units(self, count: int) -> None:
        """Until so many units of texts have been begun."""
        wait_until(lambda: len(notes()) >= count or self.process.poll() is not None)
        assert self.process.poll() is None, self.log.read_text()

    def report(self) -> dict[str, Any]:
        """What it printed, when it has ended well."""
        try:
            out, _ = self.process.communicate(timeout=1200)
        except subprocess.TimeoutExpired:  # it hangs
            self.process.kill()
            self.process.communicate()
            raise
        assert self.process.returncode == 0, self.log.read_text()
        content: dict[str, Any] = json.loads(out.splitlines()[-1])
        return content


def notes() -> list[Path]:
    return list(Path(os.environ["NOTES"]).iterdir())


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.1)
    raise TimeoutError


@pytest.fixture
def place(tmp_path: Path, tiny: Model, nodes: Nodes) -> Path:
    """A folder with a catalogue, and two empty stores: of the cluster and of one process."""
    save_catalogue(tmp_path / "c.parquet", ROWS)
    for name in ("store", "alone"):
        save_query_encoders(tmp_path / name, tiny)
    return tmp_path


def compare(folder: Path, tiny: Model) -> None:
    """Rows and vectors are those of one process."""
    Run(folder / "c.parquet", tiny, folder / "alone", "local").report()
    ours, theirs = (read(folder / name) for name in ("store", "alone"))
    assert ours[0] == theirs[0]
    assert np.abs(ours[1] - theirs[1]).max() <= 1e-5


def read(store: Path) -> tuple[list[str], np.ndarray]:
    table = pa.Table.from_batches(require_embeddings(store).batches(["product_id", "vector"]))
    return table["product_id"].to_pylist(), vectors_of(table["vector"].combine_chunks())


def test_nodes_and_workers_killed_in_the_middle(place: Path, tiny: Model, nodes: Nodes) -> None:
    run = Run(place / "c.parquet", tiny, place / "store")
    run.wait_for_units(2)
    nodes.kill()
    nodes.add(1)
    run.wait_for_units(4)
    os.kill(int(max(notes(), key=lambda note: note.stat().st_mtime).read_text()), signal.SIGKILL)
    report = run.report()
    assert (report["rows"], report["embedded"]) == (ROWS, ROWS)
    assert (report["texts_encoded"], report["images_encoded"]) == (ROWS, ROWS)
    compare(place, tiny)


def test_a_node_is_killed_twice_under_a_larger_catalogue(
    place: Path, tiny: Model, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 20_000
    save_catalogue(place / "c.parquet", count)
    monkeypatch.setenv("UNIT_ROWS", "1000")
    run = Run(place / "c.parquet", tiny, place / "store")
    for units in (3, 8):
        run.wait_for_units(units)
        nodes.kill()
        nodes.add(1)
    report = run.report()
    assert (report["rows"], report["embedded"]) == (count, count)
    assert (report["texts_encoded"], report["images_encoded"]) == (count, count)
    compare(place, tiny)


def test_a_driver_killed_goes_on_where_it_stopped(place: Path, tiny: Model) -> None:
    run = Run(place / "c.parquet", tiny, place / "store")
    wait_until(lambda: len(list((place / "store").glob("features/text-*/part-*.parquet"))) >= 2)
    run.process.kill()
    run.process.communicate()
    again = Run(place / "c.parquet", tiny, place / "store").report()
    assert again["embedded"] == ROWS
    assert again["reused"] >= 128
    assert again["texts_encoded"] + again["images_encoded"] + again["reused"] == 2 * ROWS
    assert newest_token(place / "store") == 2
    compare(place, tiny)


def test_a_stale_driver_is_fenced_off(place: Path, tiny: Model, nodes: Nodes) -> None:
    stale = Run(place / "c.parquet", tiny, place / "store")
    stale.wait_for_units(2)
    stale.process.send_signal(signal.SIGSTOP)
    (place / "store" / ".lock").unlink()  # as where locks do not hold
    nodes.add(1)  # a driver that stands still keeps its workers
    newer = Run(place / "c.parquet", tiny, place / "store")
    assert newer.report()["embedded"] == ROWS
    current = (place / "store" / "embeddings" / "CURRENT").read_bytes()
    stale.process.send_signal(signal.SIGCONT)
    stale.process.communicate(timeout=280)
    assert stale.process.returncode != 0
    assert (place / "store" / "embeddings" / "CURRENT").read_bytes() == current
    compare(place, tiny)


def test_a_row_that_kills_is_rejected_with_that_reason(
    place: Path, tiny: Model, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNIT_ROWS", "8")  # each death costs a process that loads torch
    rows = [product(number) for number in range(ROWS)]
    rows[77]["title"] = "poison poison"
    rows[77]["image"] = None
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), place / "c.parquet")
    report = Run(place / "c.parquet", tiny, place / "store").report()
    assert (report["rows"], report["embedded"]) == (ROWS, ROWS - 1)
    assert report["rejects"] == {"text_crashed": 1}


def test_lists_are_filled_while_nodes_and_workers_are_killed(tmp_path: Path, nodes: Nodes) -> None:
    for note in notes():
        note.unlink()
    rows = normalise(np.random.default_rng(0).normal(size=(40 * 200, 32)))
    np.save(tmp_path / "rows.npy", rows)
    read = partial(read_slowly, tmp_path / "rows.npy", 200)

    def build(name: str, open_pool: OpenPool) -> list[bytes]:
        (tmp_path / name).mkdir()
        sharded = ShardedVectors(read, [200] * 40, open_pool)
        build_index(sharded, len(rows), 32, "codes", None, tmp_path / name)
        return [path.read_bytes() for path in sorted(tmp_path.glob(f"{name}/*/index.*"))]

    with ThreadPoolExecutor(1) as driver:
        filled = driver.submit(build, "ray", open_ray_pool)
        wait_until(lambda: len(notes()) >= 2 or filled.done())
        nodes.kill()
        nodes.add(1)
        wait_until(lambda: len(notes()) >= 4 or filled.done())
        newest = max(notes(), key=lambda note: note.stat().st_mtime)
        os.kill(int(newest.read_text()), signal.SIGKILL)
        found = filled.result(timeout=280)
    assert len(notes()) >= 11  # of ten units, one was begun again, or two
    assert len(found) == 3
    assert found == build("one", partial(open_thread_pool, threads=1))
