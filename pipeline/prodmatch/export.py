"""Job: a generation's embeddings in the formats of other programs."""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.errors import not_installed, require_path
from prodmatch.exports.json_bodies import BODY_BYTES, write_elasticsearch, write_qdrant
from prodmatch.exports.lance_table import write_lance
from prodmatch.exports.postgres import write_postgres
from prodmatch.exports.table import BATCH_ROWS, VectorTable
from prodmatch.storage.atomic import new_directory, new_file, write_file
from prodmatch.storage.generations import Generation

Form = Literal["npy", "parquet", "hf", "lance", "qdrant", "elasticsearch", "pgvector"]
CARD = Path(__file__).parent / "exports" / "dataset_card.md"  # of a Hugging Face data set


@dataclass(frozen=True)
class ExportReport:
    """What was written."""

    out: str
    products: int
    dim: int
    generation: int
    warnings: list[str] = field(default_factory=list)


def export_embeddings(
    generation: Generation,
    form: Form,
    out: Path | str,
    *,
    batch_rows: int = BATCH_ROWS,
    body_bytes: int = BODY_BYTES,
) -> ExportReport:
    """Writes a generation's vectors, in the order of its rows, to a new directory.

    `npy`: `vectors.npy` `(n, dim)` float32 and `products.parquet`, whose rows are the vectors'.
    `parquet`: `embeddings.parquet`, a product's columns and its `vector`. `hf`: the same below
    `data/`, with a card, as Hugging Face's `datasets` loads it. `lance`: the same as the table
    `products` of LanceDB. `qdrant`, `elasticsearch`, `pgvector`: files that load these.

    Args:
        batch_rows: held in memory at a time.
        body_bytes: of each file that loads Qdrant or Elasticsearch, about.

    Raises:
        StoreError: `out` exists or cannot be written, or the form cannot hold the products;
            nothing is left behind.
        DamagedError: the generation cannot be read.
        NotInstalledError: the form needs a library that is not installed.
    """
    out = require_path(out, "out")
    if form == "lance" and importlib.util.find_spec("lance") is None:
        raise not_installed("lance", wanted_by="form=lance")
    table = VectorTable.open(generation, batch_rows)
    warnings: list[str] = []
    with new_directory(out) as folder:
        if form == "npy":
            _write_npy(table, folder / "vectors.npy")
            _write_parquet(folder / "products.parquet", table.columns, table.batches())
        elif form == "parquet":
            path = folder / "embeddings.parquet"
            _write_parquet(path, table.schema, table.batches_with_vectors())
        elif form == "hf":
            path = folder / "data" / "train-00000-of-00001.parquet"
            _write_parquet(path, table.schema, table.batches_with_vectors())
            _write_card(generation, folder / "README.md")
        elif form == "lance":
            write_lance(table, folder / "products.lance")
        elif form == "qdrant":
            write_qdrant(table, folder, body_bytes)
        elif form == "elasticsearch":
            write_elasticsearch(table, folder, body_bytes)
        else:
            warnings = write_postgres(table, folder)
    count, dim = table.index.row_count, table.index.dim
    return ExportReport(str(out), count, dim, generation.number, warnings)


def _write_npy(table: VectorTable, path: Path) -> None:
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype("<f4")),
        "fortran_order": False,
        "shape": (table.index.row_count, table.index.dim),
    }
    with new_file(path) as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, table.index.row_count, table.batch_rows):
            rows = np.arange(start, min(start + table.batch_rows, table.index.row_count))
            file.write(table.index.vectors(rows).astype("<f4").tobytes())


def _write_parquet(path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    with new_file(path) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)


def _write_card(generation: Generation, path: Path) -> None:
    card = Template(CARD.read_text(encoding="utf-8")).substitute(
        products=generation.product_count,
        model=generation.manifest["model"],
        dim=generation.dim,
        part=generation.dim // 2,
    )
    write_file(path, card)
