"""One peer's index over each part: autofaiss at its defaults, or hnswlib; called by `index.py`.

Prints processor seconds of the builds, and the recall and milliseconds of a query on one thread at
the narrowest search that finds as much as is wanted of other queries.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

WIDTHS = [2**power for power in range(4, 14)]
Search = Callable[[np.ndarray, int], np.ndarray]  # a query and a width, to ten scores


def build_autofaiss(folder: Path) -> tuple[str, Search]:
    import faiss
    from autofaiss import build_index

    vectors = np.load(folder / "vectors.npy")
    index, infos = build_index(
        vectors, save_on_disk=False, metric_type="ip", current_memory_available="8G", verbose=40
    )
    space = faiss.ParameterSpace()
    name = "efSearch" if "HNSW" in str(infos.get("index_key", "")) else "nprobe"
    name = "efSearch" if isinstance(faiss.downcast_index(index), faiss.IndexHNSW) else name

    def search(query: np.ndarray, width: int) -> np.ndarray:
        space.set_index_parameter(index, name, width)
        _, rows = index.search(query[None], 10)
        return vectors[rows[0][rows[0] >= 0]] @ query

    return str(infos.get("index_key", type(index).__name__)), search


def build_hnswlib(folder: Path) -> tuple[str, Search]:
    import hnswlib

    vectors = np.load(folder / "vectors.npy")
    index = hnswlib.Index("ip", vectors.shape[1])
    index.init_index(len(vectors), M=16, ef_construction=200)
    index.add_items(vectors)

    def search(query: np.ndarray, width: int) -> np.ndarray:
        index.set_ef(max(10, width))
        index.set_num_threads(1)
        rows, _ = index.knn_query(query[None], min(10, len(vectors)))
        return vectors[rows[0].astype(np.int64)] @ query

    return "HNSW16, ef_construction 200", search


def recall(search: Search, width: int, queries: np.ndarray, least: np.ndarray) -> float:
    found = [
        np.mean(search(query, width) >= score - 1e-5)
        for query, score in zip(queries, least, strict=True)
    ]
    return float(np.mean(found))


def main() -> None:
    """Prints a line of JSON."""
    name, folder, wanted = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    build = {"autofaiss": build_autofaiss, "hnswlib": build_hnswlib}[name]
    used, started, recalls, times, kinds = 0.0, 0.0, [], [], []
    for part in ("text", "image"):
        used, started = used - time.process_time(), started - time.monotonic()
        kind, search = build(folder / part)
        used, started = used + time.process_time(), started + time.monotonic()
        tuning, measuring = (
            np.load(folder / part / f"{each}.npz") for each in ("tuning", "measuring")
        )
        for width in WIDTHS:
            if recall(search, width, tuning["queries"], tuning["least"]) >= wanted:
                break
        recalls.append(recall(search, width, measuring["queries"], measuring["least"]))
        for query in measuring["queries"]:
            before = time.thread_time()
            search(query, width)
            times.append(time.thread_time() - before)
        kinds.append(f"{kind} at {width}")
    sys.stdout.write(
        json.dumps(
            {
                "type": "; ".join(kinds),
                "recall@10": round(float(np.mean(recalls)), 4),
                "ms": round(1000 * float(np.median(times)), 3),
                "build cpu s": round(used, 1),
                "build s": round(started, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
