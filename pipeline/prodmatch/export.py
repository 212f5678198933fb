"""Job: a generation's embeddings in the formats of other programs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.errors import DamagedError
from prodmatch.search.vector_index import AnnIndex
from prodmatch.storage.atomic import new_directory, new_file
from prodmatch.storage.embeddings import vector_array
from prodmatch.storage.generations import Generation

Form = Literal["npy", "parquet", "hf"]
BATCH_ROWS = 8192
CARD = Path(__file__).parent / "search" / "dataset_card.md"  # of a Hugging Face data set


@dataclass(frozen=True)
class ExportReport:
    """What was written."""

    out: str
    products: int
    dim: int
    generation: int


def export_embeddings(generation: Generation, form: Form, out: Path) -> ExportReport:
    """Writes a generation's vectors, in the order of its rows, to a new directory.

    `npy`: `vectors.npy` `(n, dim)` float32 and `products.parquet`, whose rows are the vectors'.
    `parquet`: `embeddings.parquet`, a product's columns and its `vector`. `hf`: the same below
    `data/`, with a card, as Hugging Face's `datasets` loads it. Some thousand rows are held in
    memory at a time.

    Raises:
        StoreError: `out` exists or cannot be written; nothing is left behind.
        DamagedError: the generation cannot be read.
    """
    index = AnnIndex.open(
        generation.folder / "index.faiss", row_count=generation.product_count, dim=generation.dim
    )
    with new_directory(out) as folder:
        if form == "npy":
            _write_npy(index, folder / "vectors.npy")
            _write_parquet(generation, None, folder / "products.parquet")
        elif form == "parquet":
            _write_parquet(generation, index, folder / "embeddings.parquet")
        else:
            _write_parquet(generation, index, folder / "data" / "train-00000-of-00001.parquet")
            card = Template(CARD.read_text(encoding="utf-8")).substitute(
                products=index.row_count,
                model=generation.manifest["model"],
                dim=index.dim,
                part=index.dim // 2,
            )
            with new_file(folder / "README.md") as file:
                file.write(card.encode())
    return ExportReport(str(out), index.row_count, index.dim, generation.number)


def _write_npy(index: AnnIndex, path: Path) -> None:
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype("<f4")),
        "fortran_order": False,
        "shape": (index.row_count, index.dim),
    }
    with new_file(path) as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, index.row_count, BATCH_ROWS):
            rows = np.arange(start, min(start + BATCH_ROWS, index.row_count))
            file.write(index.vectors(rows).astype("<f4").tobytes())


def _write_parquet(generation: Generation, index: AnnIndex | None, path: Path) -> None:
    """The products' columns, and their vectors where there is an index."""
    source = generation.folder / "products.parquet"
    try:
        schema = pq.read_schema(source)
    except (OSError, pa.ArrowException) as error:
        raise DamagedError(f"{source}: cannot be read ({error}).") from error
    if index is not None:
        schema = schema.append(pa.field("vector", pa.list_(pa.float32(), index.dim)))
    with new_file(path) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        start = 0
        for batch in _batches(source):
            columns = list(batch.columns)
            if index is not None:
                rows = np.arange(start, start + len(batch))
                columns.append(vector_array(index.vectors(rows)))
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
            start += len(batch)


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False) as reader:
            yield from reader.iter_batches(BATCH_ROWS)
    except (OSError, pa.ArrowException) as error:
        raise DamagedError(f"{path}: cannot be read to its end ({error}).") from error
