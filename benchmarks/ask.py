"""Speed and memory of asking a large index: whole processes, and one that stays (`--help`).

The index is made once below `--store`: real titles repeated, and vectors drawn around the
encoder's own vectors of some of these titles, so that words, lists and questions are alike to a
shop's. Nothing here can fail a build.
"""

import argparse
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = ("title", "description", "brand", "category", "colour")
QUERIES = (
    "red t-shirt", "black leather shoes", "women's watch", "blue jeans", "running shoes",
    "striped mug", "usb cable", "green dress", "laptop backpack", "white sneakers",
    "cotton shirt long sleeve", "silver earrings", "sunglasses", "wireless headphones",
    "grey hoodie", "floral skirt", "desk lamp", "men's wallet", "sports bra", "kids sandals",
)  # fmt: skip
SHARES = (0.5, 0.01, 0.001, 0.0001)
BLOCK = 10_000
CENTRES = 2_000
NOISE = 0.7  # length of what is added to a centre of length 1


@dataclass(frozen=True)
class Source:
    """Real rows to repeat, and the vectors that the drawn ones lie around."""

    rows: pa.Table
    centres: np.ndarray  # (centres, dim) unit
    count: int

    def vectors(self) -> Iterator[np.ndarray]:
        """Unit rows `[text ; image]` in blocks; the same at every call."""
        from prodmatch.vectors import join_halves, normalise

        rng = np.random.default_rng(0)
        dim = self.centres.shape[1]
        for start in range(0, self.count, BLOCK):
            size = min(BLOCK, self.count - start)
            near = self.centres[rng.integers(len(self.centres), size=size)]
            noise = rng.normal(size=(2, size, dim)) * NOISE / np.sqrt(dim)
            yield join_halves(normalise(near + noise[0]), normalise(near + noise[1]))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The products; `bucket` is a shuffled number below `count`, to filter by."""
        buckets = np.random.default_rng(1).permutation(self.count)
        for start in range(0, self.count, BLOCK):
            numbers = np.arange(start, min(start + BLOCK, self.count))
            found = self.rows.take(pa.array(numbers % len(self.rows))).combine_chunks()
            columns = {name: found[name] for name in self.rows.schema.names}
            said = zip(
                columns["title"].to_pylist(), columns["description"].to_pylist(), strict=True
            )
            columns["product_id"] = pa.array([f"X{number:07d}" for number in numbers])
            columns["text"] = pa.array([". ".join(filter(None, pair)) for pair in said])
            columns["bucket"] = pa.array(buckets[numbers])
            yield from pa.table(columns).to_batches()


def build(store: Path, catalogue: Path, model_name: str, count: int) -> None:
    """Publishes a generation of `count` products."""
    from prodmatch.export import export_encoders  # torch before faiss
    from prodmatch.models import open_model

    model = open_model(model_name)
    folder = export_encoders(model, store / "encoders")
    from prodmatch.ann import build_index, tune_index
    from prodmatch.asking import QueryEncoders
    from prodmatch.files import new_file
    from prodmatch.generations import link_or_copy, publish_generation
    from prodmatch.products import write_products

    encoders = QueryEncoders(folder)
    names = pq.read_schema(next(iter(sorted(catalogue.glob("*.parquet"))), catalogue)).names
    rows = pq.read_table(catalogue, columns=[name for name in COLUMNS if name in names])
    titles = [title for title in rows["title"].to_pylist() if title]
    step = max(1, len(titles) // CENTRES)
    source = Source(rows, encoders.texts(titles[::step]), count)
    index = build_index(source.vectors, count, 2 * encoders.dim)
    halves = encoders.texts(QUERIES)
    nothing = np.zeros_like(halves)
    queries = np.concatenate([np.hstack([halves, nothing]), np.hstack([nothing, halves])])
    recall = tune_index(index, queries, source.vectors, 10)

    def fill(target: Path) -> Mapping[str, object]:
        index.save(target / "index.faiss")
        batches = source.batches()
        first = next(batches)
        with (
            new_file(target / "products.parquet") as file,
            pq.ParquetWriter(file, first.schema, compression="zstd") as writer,
        ):
            for batch in source.batches():
                writer.write_batch(batch)
        write_products(target / "products.sqlite", first.schema, source.batches())
        for path in sorted(folder.iterdir()):
            (target / "encoders").mkdir(exist_ok=True)
            link_or_copy(path, target / "encoders" / path.name)
        return {
            "products": count, "dim": index.dim, "type": index.kind,
            "recall_at_10": round(recall, 4), "model": model.description.name,
            "model_fingerprint": model.fingerprint, "embeddings": "synthetic",
        }  # fmt: skip

    publish_generation(store, fill)


@dataclass(frozen=True)
class Measured:
    seconds: float
    cpu_seconds: float  # on a machine that others use, the steadier figure
    peak_mb: float


def run(*command: str) -> Measured:
    """What a command takes."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return Measured(time.monotonic() - started, cpu_seconds, usage.ru_maxrss / 1024)


def measure_cold(store: Path, model: str, rounds: int) -> None:
    """Whole processes, ours and the ordinary way's in turn."""
    from prodmatch.models import open_model

    ours = [sys.executable, "-m", "prodmatch_cli", "query", "red t-shirt", "--store", str(store)]
    peer = [sys.executable, str(Path(__file__).with_name("ask_plain.py"))]
    peer += [str(store), str(open_model(model).folder), "red t-shirt"]
    found: dict[str, list[Measured]] = {"prodmatch query": [], "the ordinary way": []}
    for _ in range(rounds):
        found["prodmatch query"].append(run(*ours))
        found["the ordinary way"].append(run(*peer))
    say(f"{'whole process':28}{'median s':>10}{'CPU s':>8}{'peak MB':>9}")
    for name, runs in found.items():
        seconds = statistics.median(each.seconds for each in runs)
        cpu_seconds = statistics.median(each.cpu_seconds for each in runs)
        peak = max(each.peak_mb for each in runs)
        say(f"{name:28}{seconds:10.2f}{cpu_seconds:8.2f}{peak:9.0f}")


def measure_warm(store: Path, seconds: float) -> None:
    """One process: queries per second, and how long one takes, by threads and by filter."""
    from prodmatch.query import open_index

    index = open_index(store)
    count = index.generation.product_count
    say(
        f"\n{'one process':20}{'threads':>8}{'per s':>8}{'p50 ms':>8}{'p99 ms':>8}{'CPU ms':>8}"
        f"{'first ms':>9}"
    )
    for share in (None, *SHARES):
        where = None if share is None else f"bucket < {max(1, round(share * count))}"
        started = time.perf_counter()
        index.search(QUERIES[0], where=where)
        first = 1000 * (time.perf_counter() - started)
        for threads in (1, 2):
            used = time.process_time()
            taken = ask_for(seconds, threads, lambda text, w=where: index.search(text, where=w))
            p50, p99 = (1000 * float(np.quantile(taken, at)) for at in (0.5, 0.99))
            used = 1000 * (time.process_time() - used) / len(taken)
            rate = len(taken) / seconds
            name = "no filter" if share is None else f"filter of {share:.2%}"
            say(f"{name:20}{threads:8}{rate:8.0f}{p50:8.1f}{p99:8.1f}{used:8.1f}{first:9.0f}")


def ask_for(seconds: float, threads: int, ask: object) -> list[float]:
    """Seconds of each query asked by some threads for a while."""
    taken: list[float] = []
    until = time.perf_counter() + seconds

    def work(place: int) -> None:
        while time.perf_counter() < until:
            started = time.perf_counter()
            ask(QUERIES[place % len(QUERIES)])  # type: ignore[operator]
            taken.append(time.perf_counter() - started)
            place += 1

    workers = [threading.Thread(target=work, args=(7 * number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return taken


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Makes the index where it is missing, and prints two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", type=Path, default=Path("build/ask"))
    parser.add_argument("--catalogue", type=Path, default=Path("sample_data/catalogue.parquet"))
    parser.add_argument("--model", default="compact")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5, help="Of whole processes.")
    parser.add_argument("--seconds", type=float, default=10, help="Of each line of the second.")
    options = parser.parse_args()
    if not (options.store / "index" / "CURRENT").exists():
        build(options.store, options.catalogue, options.model, options.count)
    if options.rounds:
        measure_cold(options.store, options.model, options.rounds)
    if options.seconds:
        measure_warm(options.store, options.seconds)


if __name__ == "__main__":
    main()
