"""Memory is bounded by batch and shard: a catalogue of ten times the size takes hardly more."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Counting
from small import COLOURS, draw
from tiny import embed_tiny, save_query_encoders

from prodmatch import catalogue, encode, fusion, planning, shards
from prodmatch.index import index_embeddings
from prodmatch.models import Model

BLOCKS = ((catalogue, "BATCH_ROWS"), (encode, "SHARD_ROWS"), (fusion, "SHARD_ROWS"),
          (planning, "READ_ROWS"), (shards, "READ_ROWS"))  # fmt: skip
TEXT, PICTURE_BYTES = 8 << 10, 16 << 10  # characters of half a byte each, when compressed
SIGNS = np.array(list("!?.,;:-+*/=()[]~"))  # no words, which the index keeps


def save_large_rows(path: Path, count: int) -> Path:
    """Products with long texts and large pictures, in one row group, as pandas writes them."""
    rng, picture = np.random.default_rng(0), draw(COLOURS["red"], 0, side=8)
    columns = {
        "product_id": [f"p{row}" for row in range(count)],
        "title": [f"mug {row} {''.join(rng.choice(SIGNS, TEXT))}" for row in range(count)],
        "image": [picture + rng.bytes(PICTURE_BYTES) for _ in range(count)],
    }
    pq.write_table(pa.table(columns), path, compression="none", write_batch_size=32)
    return path


def most_allocated(path: Path, model: Model, store: Path) -> dict[str, int]:
    """The most bytes that Python and numpy, and that Arrow, held at once in each job."""
    jobs: dict[str, Callable[[], object]] = {
        "embed": lambda: embed_tiny(path, model, store),
        "index": lambda: index_embeddings(store),
    }
    save_query_encoders(store, model)
    usual, found = pa.default_memory_pool(), {}
    for name, job in jobs.items():
        pool = pa.proxy_memory_pool(usual)  # counts from nothing
        pa.set_memory_pool(pool)
        tracemalloc.start()
        try:
            job()
            found[f"{name}, Python"] = tracemalloc.get_traced_memory()[1]
            found[f"{name}, Arrow"] = pool.max_memory() or 0
        finally:
            tracemalloc.stop()
            pa.set_memory_pool(usual)
    return found


def test_ten_times_the_catalogue_takes_hardly_more_memory(
    tiny: Model, quick_disk: Path, monkeypatch: pytest.MonkeyPatch, count_cases: Counting
) -> None:
    for module, name in BLOCKS:
        monkeypatch.setattr(module, name, 32)  # so that 64 rows fill more than one
    small, large = (
        most_allocated(save_large_rows(quick_disk / "c", rows), tiny, quick_disk / str(rows))
        for rows in (64, 640)
    )
    grown = {name: large[name] - small[name] for name in small}
    # The texts grew by 4.5 MB, by 2.3 MB when they are compressed; 1.3 MB were seen.
    assert {name: more for name, more in grown.items() if more > 1_800_000} == {}
    assert min(small.values()) > 100_000  # all four are counted
    count_cases("nights whose memory was measured", 2)
