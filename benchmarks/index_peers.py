"""An index next to hnswlib, usearch and autofaiss at equal recall (`make bench-index-peers`).

The vectors are a store's, and mixtures of pairs of them where more are wanted; the queries a
few words of titles, as the signals ask. Every index is built once, on all cores, and looked at as
widely as the recall takes; then each searches in turn on one thread.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from turns import PEERS, Taken, start_all, take_turns, write_results

from prodmatch.model.onnx_encoders import QueryEncoders
from prodmatch.search.vectors.index_queries import make_queries
from prodmatch.storage.embeddings import Embeddings, require_embeddings, vectors_of
from prodmatch.storage.vectors import normalise

WORKER = Path(__file__).with_name("index_worker.py")
OURS = ("ours, codes", "ours, flat")
PEER_WAYS = ("hnswlib", "usearch", "autofaiss")
TOP = 10


def read_vectors(embeddings: Embeddings, count: int) -> np.ndarray:
    """So many rows: the store's own, then mixtures of two."""
    own = np.concatenate([vectors_of(batch["vector"]) for batch in embeddings.batches(["vector"])])
    own = own.astype(np.float32)
    rng = np.random.default_rng(0)
    if count <= len(own):
        return own[np.sort(rng.permutation(len(own))[:count])]
    pairs = rng.integers(len(own), size=(count - len(own), 2))
    shares = rng.uniform(0.3, 0.7, (len(pairs), 1)).astype(np.float32)
    mixed = normalise(shares * own[pairs[:, 0]] + (1 - shares) * own[pairs[:, 1]])
    return np.concatenate([own, mixed])


def find_encoders(store: Path, embeddings: Embeddings) -> QueryEncoders:
    fingerprint = str(embeddings.manifest["model_fingerprint"])
    return QueryEncoders(store / "encoders" / fingerprint[:32])


def save_queries(embeddings: Embeddings, store: Path, vectors: np.ndarray, path: Path) -> None:
    """Queries, and the score of the tenth row that each should find."""
    made = make_queries(embeddings, find_encoders(store, embeddings), vectors.shape[1])
    queries = np.concatenate([made.tuning, made.measuring]).astype(np.float32)
    scores = queries @ vectors.T
    np.savez(path, queries=queries, tenth=np.partition(scores, -TOP, axis=1)[:, -TOP])


def row(way: str, built: Taken, found: Taken, first: Taken) -> dict[str, Any]:
    return {
        "way": way, "build seconds": built.median, "build ratio": first.median / built.median,
        **found.found,
    }  # fmt: skip


def main() -> None:
    """Prints a line for each index."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", type=Path, required=True, help="with embeddings")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--recall", type=float, default=0.99)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the figures for results.py")
    options = parser.parse_args()
    before, embeddings = os.getloadavg()[0], require_embeddings(options.store)
    vectors = read_vectors(embeddings, options.count)
    with tempfile.TemporaryDirectory() as name:
        files = Path(name) / "vectors.npy", Path(name) / "queries.npz"
        np.save(files[0], vectors)
        save_queries(embeddings, options.store, vectors, files[1])
        pythons = {way: PEERS / way / "bin/python" for way in PEER_WAYS}
        commands = {
            way: [python, WORKER, way, *files, str(options.recall)]
            for way, python in {**dict.fromkeys(OURS, sys.executable), **pythons}.items()
        }
        contestants, missing = start_all(commands)
        built = take_turns(contestants, "build", 1)
        found = take_turns(contestants, "search", options.rounds)
        for each in contestants:
            each.close()
    first = next(iter(built.values()))
    rows = [row(way, built[way], found[way], first) for way in built]
    for each in rows:
        sys.stdout.write(
            f"{each['way']:16}built in {each['build seconds']:7.1f} s, recall@10 "
            f"{each['recall']:.4f}, {each['milliseconds']:7.2f} ms a query\n"
        )
    work = f"{len(vectors)} x {vectors.shape[1]}"
    rows += [{"way": way, "missing": why} for way, why in missing.items()]
    content = {"work": work, "load before": round(before, 1), "rows": rows}
    write_results(options.json, "index", content)


if __name__ == "__main__":
    main()
