"""One index as a worker of `index_peers.py`: `WAY VECTORS.npy QUERIES.npz RECALL`.

Jobs are `build`, and `search`: so much of the index is looked at that the first half of the
queries find enough; recall and milliseconds are of the second half, one query after another on
one thread.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from turns import Job, serve

TOP = 10
ROUNDING = 1e-5  # of a score; rows that are equally near stand for one another
CORES = len(os.sched_getaffinity(0))


class Index(Protocol):
    """What is measured."""

    def search(self, query: np.ndarray) -> np.ndarray:
        """Rows `(q, TOP)` of queries `(q, dim)`, on one thread."""

    def widen(self) -> bool:
        """Looks at more of the index; false where there is no more."""


class Ours:
    def __init__(self, kind: str, vectors: np.ndarray) -> None:
        import faiss

        from prodmatch.search.vectors.index_builder import build_index

        def blocks() -> Any:
            for start in range(0, len(vectors), 65_536):
                yield vectors[start : start + 65_536]

        faiss.omp_set_num_threads(CORES)
        self.index = build_index(blocks, *vectors.shape, kind)  # type: ignore[arg-type]
        faiss.omp_set_num_threads(1)

    def search(self, query: np.ndarray) -> np.ndarray:
        rows = np.full((len(query), TOP), -1)
        for position, found in enumerate(self.index.search(query, TOP)):
            rows[position, : len(found.rows)] = found.rows
        return rows

    def widen(self) -> bool:
        return self.index.widen()


class Hnswlib:
    def __init__(self, vectors: np.ndarray) -> None:
        import hnswlib

        self.index = hnswlib.Index(space="ip", dim=vectors.shape[1])
        self.index.init_index(len(vectors), M=16, ef_construction=200, random_seed=0)
        self.index.add_items(vectors, num_threads=CORES)
        self.candidates = TOP

    def search(self, query: np.ndarray) -> np.ndarray:
        self.index.set_ef(self.candidates)
        return np.asarray(self.index.knn_query(query, k=TOP, num_threads=1)[0], np.int64)

    def widen(self) -> bool:
        self.candidates = round(self.candidates * 1.5)
        return self.candidates < 5_000


class Usearch:
    def __init__(self, vectors: np.ndarray) -> None:
        from usearch.index import Index as Graph

        self.index = Graph(ndim=vectors.shape[1], metric="ip", dtype="f32")
        self.index.add(np.arange(len(vectors)), vectors, threads=CORES)
        self.candidates = TOP

    def search(self, query: np.ndarray) -> np.ndarray:
        self.index.expansion_search = self.candidates
        found = self.index.search(query, TOP, threads=1)
        return np.asarray(found.keys, np.int64).reshape(len(query), TOP)

    def widen(self) -> bool:
        self.candidates = round(self.candidates * 1.5)
        return self.candidates < 5_000


class Autofaiss:
    def __init__(self, vectors: np.ndarray) -> None:
        import faiss
        from autofaiss import build_index

        self.index, _ = build_index(
            vectors, save_on_disk=False, metric_type="ip", nb_cores=CORES,
            max_index_memory_usage="8GB", current_memory_available="12GB", verbose=40,
        )  # fmt: skip
        faiss.omp_set_num_threads(1)
        self.space, self.candidates = faiss.ParameterSpace(), TOP
        self._look_at(TOP)  # it has looked at as much as ten milliseconds allow

    def search(self, query: np.ndarray) -> np.ndarray:
        found: np.ndarray = self.index.search(np.ascontiguousarray(query), TOP)[1]
        return found

    def widen(self) -> bool:
        self.candidates = round(self.candidates * 1.5)
        return self._look_at(self.candidates) and self.candidates < 5_000

    def _look_at(self, candidates: int) -> bool:
        for name in ("efSearch", "nprobe"):
            try:
                self.space.set_index_parameter(self.index, name, candidates)
            except RuntimeError:  # it has the other
                continue
            return True
        return False


class Contest:
    """An index, its queries, and what they should find."""

    def __init__(self, way: str, vectors: np.ndarray, queries: Any, wanted: float) -> None:
        self.way, self.vectors, self.wanted = way, vectors, wanted
        self.queries, self.tenth = queries["queries"], queries["tenth"]
        self.index: Index | None = None

    def build(self) -> None:
        owner, _, kind = self.way.partition(", ")
        kinds = {"hnswlib": Hnswlib, "usearch": Usearch, "autofaiss": Autofaiss}
        self.index = Ours(kind, self.vectors) if owner == "ours" else kinds[owner](self.vectors)

    def search(self) -> dict[str, float]:
        assert self.index is not None
        half = len(self.queries) // 2
        while self._recall(slice(half)) < self.wanted and self.index.widen():
            pass
        seconds = []
        for query in self.queries[half:]:
            started = time.perf_counter()
            self.index.search(query[None])
            seconds.append(time.perf_counter() - started)
        return {
            "recall": self._recall(slice(half, None)),
            "milliseconds": 1000 * float(np.median(seconds)),
        }

    def _recall(self, some: slice) -> float:
        assert self.index is not None
        found = self.index.search(self.queries[some])
        scores = np.einsum("qd,qkd->qk", self.queries[some], self.vectors[found])
        near = scores >= self.tenth[some, None] - ROUNDING
        return float((near & (found >= 0)).mean())


def open_jobs() -> dict[str, Job]:
    """The jobs of the way named."""
    way, vectors, queries, wanted = sys.argv[1:]
    owner = way.partition(", ")[0]
    __import__("prodmatch" if owner == "ours" else owner)  # says at once what is missing
    contest = Contest(way, np.load(vectors), np.load(Path(queries)), float(wanted))
    return {"build": contest.build, "search": contest.search}


if __name__ == "__main__":
    serve(open_jobs)
