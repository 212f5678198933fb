"""Nights in a fresh process, the last over ten times the rows; prints what each has allocated."""

import json
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from small import COLOURS, draw
from tiny import night, save_query_encoders

from prodmatch.catalogue import reader as catalogue
from prodmatch.embedding import fuse as fusion
from prodmatch.model.description import open_model
from prodmatch.scanning import scan as scanning
from prodmatch.storage import embeddings as shards

BLOCKS = ((catalogue, "BATCH_ROWS"), (fusion, "SHARD_ROWS"),
          (scanning, "READ_ROWS"), (shards, "READ_ROWS"))  # fmt: skip
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


def main() -> None:
    """Prints the most bytes that Python and numpy, and Arrow, held at once, night by night."""
    model, folder = open_model(sys.argv[1]), Path(sys.argv[2])
    for module, name in BLOCKS:
        setattr(module, name, 32)  # so that 64 rows fill more than one
    for number, rows in enumerate((64, 64, 640)):  # the first pays for what is imported late
        store = folder / str(number)
        save_query_encoders(store, model)
        tracemalloc.start()
        night(folder / f"{rows}.parquet", model, store, shard_rows=32)
        python = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        arrow = pa.default_memory_pool().max_memory()  # since the process began
        print(json.dumps({"Python": python, "Arrow": arrow}))  # noqa: T201


if __name__ == "__main__":
    main()
