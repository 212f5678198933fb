"""Speed and memory of queries over a large index: cold processes, and a warm one (`--help`).

The index is made once below `--store`: real titles repeated, and random vectors around the
encoder's vectors of some of these titles, so that words, lists and queries resemble a shop's. A
second index differs in its text encoder alone: a BERT of the base size with random weights. The
baseline is `ask_plain.py`, run by `--peer`, an environment with sentence-transformers, which
`make bench-ask` makes. Nothing here can fail a build.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
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
    """Real rows to repeat, and the vectors that random ones lie around."""

    rows: pa.Table
    centres: np.ndarray  # (centres, dim) unit
    count: int

    def vectors(self) -> Iterator[np.ndarray]:
        """Unit rows `[text ; image]` in blocks; the same at every call."""
        from prodmatch.storage.vectors import join_parts, normalise

        rng = np.random.default_rng(0)
        dim = self.centres.shape[1]
        for start in range(0, self.count, BLOCK):
            size = min(BLOCK, self.count - start)
            near = self.centres[rng.integers(len(self.centres), size=size)]
            noise = rng.normal(size=(2, size, dim)) * NOISE / np.sqrt(dim)
            yield join_parts(normalise(near + noise[0]), normalise(near + noise[1]))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The products; `bucket` is a shuffled number below `count`, to filter by."""
        buckets = np.random.default_rng(1).permutation(self.count)
        for start in range(0, self.count, BLOCK):
            numbers = np.arange(start, min(start + BLOCK, self.count))
            rows = self.rows.take(pa.array(numbers % len(self.rows))).combine_chunks()
            columns = {name: rows[name] for name in self.rows.schema.names}
            texts = zip(
                columns["title"].to_pylist(), columns["description"].to_pylist(), strict=True
            )
            columns["product_id"] = pa.array([f"X{number:07d}" for number in numbers])
            columns["text"] = pa.array([". ".join(filter(None, pair)) for pair in texts])
            columns["bucket"] = pa.array(buckets[numbers])
            yield from pa.table(columns).to_batches()


def build(store: Path, catalogue: Path, model_name: str, count: int) -> None:
    """Publishes a generation of `count` products."""
    from prodmatch.encoders.query_encoders import export_encoders
    from prodmatch.model.description import open_model

    model = open_model(model_name)
    folder = export_encoders(model, store / "encoders")
    from prodmatch.model.onnx_encoders import QueryEncoders
    from prodmatch.products.product_db_writer import write_products
    from prodmatch.search.vectors.index_builder import build_index
    from prodmatch.search.vectors.vector_index import tune_index
    from prodmatch.storage.atomic import new_file
    from prodmatch.storage.generations import publish_generation

    encoders = QueryEncoders(folder)
    names = pq.read_schema(next(iter(sorted(catalogue.glob("*.parquet"))), catalogue)).names
    rows = pq.read_table(catalogue, columns=[name for name in COLUMNS if name in names])
    titles = [title for title in rows["title"].to_pylist() if title]
    step = max(1, len(titles) // CENTRES)
    source = Source(rows, encoders.texts(titles[::step]), count)
    index = build_index(source.vectors, count, 2 * encoders.dim)
    parts = encoders.texts(QUERIES)
    zeros = np.zeros_like(parts)
    queries = np.concatenate([np.hstack([parts, zeros]), np.hstack([zeros, parts])])
    recall = tune_index(index, queries[::2], queries[1::2], source.vectors, 10)

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
        link_all(folder, target / "encoders")
        return {
            "products": count, "dim": index.dim, "type": index.kind,
            "recall_at_10": round(recall, 4), "model": model.description.name,
            "model_fingerprint": model.fingerprint, "embeddings": "synthetic",
        }  # fmt: skip

    publish_generation(store, fill)


def link_all(source: Path, target: Path) -> None:
    """The files of a folder, in another one, without their bytes where the disk can."""
    from prodmatch.storage.atomic import link_or_copy

    target.mkdir(exist_ok=True)
    for path in sorted(source.iterdir()):
        if path.is_file() and path.name != "manifest.json":
            link_or_copy(path, target / path.name)


def build_base(store: Path, small: Path, model_name: str, layers: int) -> None:
    """Publishes the generation of `small` again with another text encoder: a BERT, 768 wide."""
    import torch
    from transformers import BertConfig, BertModel

    from prodmatch.encoders.networks.model_writer import EncoderFiles
    from prodmatch.encoders.query_encoders import export_encoders
    from prodmatch.model.description import open_model, write_description
    from prodmatch.model.heads import Heads
    from prodmatch.model.projection import Projection

    model, folder = open_model(model_name), store / "model"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    EncoderFiles.of_model(model).write(folder)
    text_spec = replace(model.description.text, layers=None)
    write_description(folder, replace(model.description, name="base", text=text_spec))
    torch.manual_seed(0)
    config = BertConfig(vocab_size=30_522, num_hidden_layers=layers)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder / "text")
    image, rng = model.heads.image, np.random.default_rng(0)
    width, dim = config.hidden_size, image.rotation.shape[1]
    weight = (rng.normal(size=(width, dim)) / np.sqrt(width)).astype(np.float32)
    zeros, eye = np.zeros(dim, np.float32), np.eye(dim, dtype=np.float32)
    text, bank = Projection(weight, zeros, zeros, eye), model.heads.bank
    Heads(text, image, bank).save(folder / "heads.safetensors")
    base = open_model(str(folder))
    encoders = export_encoders(base, store / "encoders")
    from prodmatch.storage.generations import open_generation, publish_generation

    source = open_generation(small)

    def fill(target: Path) -> Mapping[str, object]:
        link_all(source.folder, target)
        link_all(encoders, target / "encoders")
        return {**source.manifest, "model": "base", "model_fingerprint": base.fingerprint}

    publish_generation(store, fill)


@dataclass(frozen=True)
class Measured:
    seconds: float
    cpu_seconds: float  # steadier than wall time on a machine that others use
    peak_mb: float


# A process begins with the peak of the one that started it: so a small one starts it.
LAUNCH = """
import json, os, resource, subprocess, sys, time
started = time.monotonic()
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
seconds = time.monotonic() - started
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""


def run(*command: str) -> Measured:
    """What a command takes."""
    launched = [sys.executable, "-I", "-S", "-c", LAUNCH, *command]
    done = subprocess.run(launched, capture_output=True, check=True)
    code, *figures = json.loads(done.stdout)
    if code:
        raise SystemExit(f"{' '.join(command)} ended with {code}")
    return Measured(*figures)


def measure_cold(stores: Mapping[str, tuple[Path, Path]], peer: Path, rounds: int) -> None:
    """Cold processes, ours and the baseline in turn.

    Args:
        stores: by a text encoder's name, the store it is in and the folder that the peer loads.
        peer: the Python that runs the baseline; where it does not exist, ours run alone.
        rounds: of each.
    """
    from prodmatch.storage.generations import open_generation

    commands: dict[str, list[str]] = {}
    for name, (store, encoder) in stores.items():
        ours = [sys.executable, "-m", "prodmatch_cli", "query", "red t-shirt", "--store"]
        commands[f"prodmatch query, {name}"] = [*ours, str(store)]
        if not peer.exists():
            continue
        folder = open_generation(store).folder
        theirs = [str(peer), str(Path(__file__).with_name("ask_plain.py"))]
        commands[f"baseline, {name}"] = [*theirs, str(folder), str(encoder), "red t-shirt"]
    if not peer.exists():
        report(f"{peer} does not exist: no baseline; 'make bench-ask' makes it")
    measured: dict[str, list[Measured]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            measured[name].append(run(*command))
    report(f"{'cold process':40}{'median s':>10}{'CPU s':>8}{'peak MB':>9}")
    for name, runs in measured.items():
        seconds = statistics.median(each.seconds for each in runs)
        cpu_seconds = statistics.median(each.cpu_seconds for each in runs)
        peak = max(each.peak_mb for each in runs)
        report(f"{name:40}{seconds:10.2f}{cpu_seconds:8.2f}{peak:9.0f}")


def measure_warm(store: Path, seconds: float) -> None:
    """One process: queries per second, and how long one takes, by threads and by filter.

    Queries a second are of wall time; CPU milliseconds are of the whole process, for each query.
    """
    from prodmatch.search.product_index import open_index

    index = open_index(store)
    count = index.generation.product_count
    report(
        f"\n{'warm process':20}{'threads':>8}{'per s':>8}{'p50 ms':>8}{'p99 ms':>8}{'CPU ms':>8}"
        f"{'first ms':>9}"
    )
    for share in (None, *SHARES):
        where = None if share is None else f"bucket < {max(1, round(share * count))}"
        started = time.perf_counter()
        index.search(QUERIES[0], where=where)
        first = 1000 * (time.perf_counter() - started)
        for threads in (1, 2):
            used = time.process_time()
            times = time_queries(
                seconds, threads, lambda text, where=where: index.search(text, where=where)
            )
            p50, p99 = (1000 * float(np.quantile(times, at)) for at in (0.5, 0.99))
            used = 1000 * (time.process_time() - used) / len(times)
            rate = len(times) / seconds
            name = "no filter" if share is None else f"filter of {share:.2%}"
            report(f"{name:20}{threads:8}{rate:8.0f}{p50:8.1f}{p99:8.1f}{used:8.1f}{first:9.0f}")


def time_queries(seconds: float, threads: int, search: Callable[[str], object]) -> list[float]:
    """Seconds of each query that some threads run for a while, at least one a thread."""
    times: list[float] = []
    until = time.perf_counter() + seconds

    def work(number: int) -> None:
        while True:
            started = time.perf_counter()
            search(QUERIES[number % len(QUERIES)])
            times.append(time.perf_counter() - started)
            number += 1
            if time.perf_counter() >= until:
                return

    workers = [threading.Thread(target=work, args=(7 * number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return times


def report(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Makes the indices where they are missing, and prints two tables."""
    os.environ.setdefault("TQDM_DISABLE", "1")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", type=Path, default=Path("build/ask"))
    parser.add_argument("--catalogue", type=Path, default=Path("sample_data/catalogue.parquet"))
    parser.add_argument("--model", default="compact")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--peer", type=Path, default=Path("build/peers/plain/bin/python"))
    parser.add_argument("--rounds", type=int, default=5, help="Of whole processes.")
    parser.add_argument("--seconds", type=float, default=10, help="Of each line of the second.")
    parser.add_argument("--layers", type=int, default=12, help="Of the second text encoder.")
    options = parser.parse_args()
    small, base = (options.store / f"{options.count}{kind}" for kind in ("", "-base"))
    if not (small / "index" / "CURRENT").exists():
        build(small, options.catalogue, options.model, options.count)
    if not (base / "index" / "CURRENT").exists():
        build_base(base, small, options.model, options.layers)
    from prodmatch.model.description import open_model
    from prodmatch.storage.generations import open_generation

    kind = open_generation(small).manifest["type"]
    report(
        f"{options.count:,} products, {kind}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    if options.rounds:
        encoders = {
            Path(options.model).name: (small, open_model(options.model).folder / "text"),
            f"BERT of {options.layers} layers": (base, base / "model" / "text"),
        }
        measure_cold(encoders, options.peer, options.rounds)
    if options.seconds:
        measure_warm(small, options.seconds)


if __name__ == "__main__":
    main()
