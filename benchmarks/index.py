"""Build time, recall and speed of the index over many vectors, and what a cold search reads.

The vectors are mixed from pairs of the published products of a store, a text part and an image part
each; the queries are words of these products' texts, against either part. Processor seconds are
given next to the wall's: other programs change them less. `index_peers.py` measures others.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prodmatch.search.product_index import open_index
from prodmatch.search.vectors.index_builder import build_index
from prodmatch.search.vectors.index_queries import make_queries
from prodmatch.search.vectors.vector_index import AnnIndex, measure_milliseconds, tune_index
from prodmatch.storage.embeddings import require_embeddings
from prodmatch.storage.vectors import normalise, split_parts

BLOCK = 20_000
NEIGHBOURS = 10


@dataclass(frozen=True)
class Mixed:
    """Vectors `(count, dim)` mixed from pairs of real ones, the same at every call."""

    real: np.ndarray  # (products, dim)
    count: int

    def blocks(self) -> Iterator[np.ndarray]:
        """In blocks: 1/2 to 1 of one product, the rest of another."""
        rng = np.random.default_rng(0)
        for start in range(0, self.count, BLOCK):
            size = min(BLOCK, self.count - start)
            one, other = rng.integers(len(self.real), size=(2, size))
            share = rng.uniform(0.5, 1, size=(size, 1)).astype(np.float32)
            mixed = share * self.real[one] + (1 - share) * self.real[other]
            yield normalise(np.hstack([normalise(part) for part in split_parts(mixed)]))


def read_store(store: Path, dim: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Products' vectors, and the queries that tune and that measure, of so many main dimensions."""
    index = open_index(store)
    searcher = index.searcher
    queries = make_queries(require_embeddings(store), searcher.encoders, searcher.ann.dim)
    vectors = searcher.ann.vectors(np.arange(searcher.ann.row_count))
    both = np.concatenate(split_parts(vectors))
    _, axes = np.linalg.eigh(both.T @ both)
    axes = np.ascontiguousarray(axes[:, ::-1][:, : dim // 2])

    def project(rows: np.ndarray) -> np.ndarray:
        return normalise(np.hstack([normalise(part @ axes) for part in split_parts(rows)]))

    return project(vectors), project(queries.tuning), project(queries.measuring)


def measure_ours(
    mixed: Mixed, tuning: np.ndarray, measuring: np.ndarray, wanted: float, folder: Path
) -> dict[str, Any]:
    """What building, tuning and searching our lists takes; leaves them in the folder."""
    generating = -time.process_time()
    for _ in mixed.blocks():
        pass
    generating += time.process_time()
    used, started = time.process_time(), time.monotonic()
    dim = mixed.real.shape[1]
    index = build_index(mixed.blocks, mixed.count, dim, "codes", None, folder)
    built = time.process_time() - used - 2 * generating, time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    recall = tune_index(index, tuning, measuring, mixed.blocks, NEIGHBOURS, wanted=wanted)
    index.save(folder / "index.faiss")
    return {
        "way": "prodmatch codes", "type": index.kind, "recall@10": round(recall, 4),
        "ms": round(measure_milliseconds(index, measuring, NEIGHBOURS), 3),
        "build cpu s": round(built[0], 1), "build s": round(built[1], 1), "peak MB": round(peak),
    }  # fmt: skip


def read_bytes() -> int:
    """What this process has had read from disks."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["read_bytes"])


def measure_cold(folder: Path, count: int, queries: np.ndarray) -> dict[str, float]:
    """The first search of an index that no memory holds: a text against both parts."""
    for path in folder.glob("index.*"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    before, started = read_bytes(), time.monotonic()
    opened = AnnIndex.open(folder / "index.faiss", row_count=count, dim=queries.shape[1])
    for query in queries:
        opened.search(query[None], 200)
    seconds = time.monotonic() - started
    return {"cold s": round(seconds, 3), "cold MB": round((read_bytes() - before) / 1e6, 1)}


def describe_machine() -> dict[str, Any]:
    """The processor, its cores, and the load now."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    named = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    cores, load = len(os.sched_getaffinity(0)), round(os.getloadavg()[0], 1)
    return {"processor": (named or [platform.machine()])[0], "cores": cores, "load": load}


def main() -> None:
    """Prints what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", type=Path, default=Path("store"))
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--wanted", type=float, default=0.99, help="Recall of the ten nearest.")
    parser.add_argument("--folder", type=Path, help="Where files lie meanwhile.")
    parser.add_argument("--json", type=Path, help="Write the figures there.")
    options = parser.parse_args()
    real, tuning, measuring = read_store(options.store, options.dim)
    mixed, machine = Mixed(real, options.count), describe_machine()
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    try:
        ours = measure_ours(mixed, tuning, measuring, options.wanted, folder)
        texts = measuring[measuring[:, : real.shape[1] // 2].any(axis=1)]
        turned = np.hstack(split_parts(texts)[::-1])
        pairs = [np.stack(pair) for pair in zip(texts[:5], turned, strict=False)]
        cold = [measure_cold(folder, options.count, pair) for pair in pairs]
        for name in ("cold s", "cold MB"):
            ours[name] = statistics.median(each[name] for each in cold)
    finally:
        shutil.rmtree(folder)
    sys.stdout.write(f"{options.count} vectors of {real.shape[1]}\n")
    sys.stdout.write(json.dumps(ours) + "\n")
    if options.json:
        work = f"{options.count} vectors of {real.shape[1]}, recall of {options.wanted}"
        whole = {
            "benchmark": "index", "day": time.strftime("%Y-%m-%d"), "machine": machine,
            "rows": [{"work": work, **ours}],
        }  # fmt: skip
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    main()
