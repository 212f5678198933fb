"""Shards of vectors that take a while to read, in whichever process of a cluster does it."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from prodmatch.storage.vectors import Vectors


def read_slowly(path: Path, shard_rows: int, shards: slice) -> Iterator[Vectors]:
    """Some shards of the array in a file; a note names the process, unless all are wanted."""
    rows = np.load(path, mmap_mode="r")
    starts = range(0, len(rows), shard_rows)
    if shards != slice(None):
        note = Path(os.environ["NOTES"]) / f"{os.getpid()}-{time.monotonic_ns()}"
        note.write_text(str(os.getpid()))
        time.sleep(float(os.environ["SECONDS"]))
    for start in starts[shards]:
        yield np.array(rows[start : start + shard_rows])
