"""Lists are trained in about the memory that their sample takes."""

import tracemalloc

import numpy as np

from prodmatch.search.vectors.index_builder import build_index
from prodmatch.storage.vectors import normalise

ROWS, DIM, BLOCK = 60_000, 64, 5_000


def test_training_takes_little_more_memory_than_its_sample() -> None:
    rows = normalise(np.random.default_rng(0).normal(size=(ROWS, DIM)))
    tracemalloc.start()
    build_index(lambda: np.array_split(rows, ROWS // BLOCK), ROWS, DIM, "codes")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3.5 * rows.nbytes
