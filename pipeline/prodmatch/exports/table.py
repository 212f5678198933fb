"""The products of a generation with their vectors, some thousand rows at a time."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.search.vectors.vector_index import AnnIndex
from prodmatch.storage.embeddings import vector_array
from prodmatch.storage.generations import Generation
from prodmatch.storage.product_file import open_products
from prodmatch.storage.vectors import Vectors

BATCH_ROWS = 8192


@dataclass(frozen=True)
class VectorTable:
    """A generation's products, and the vector of each: the rows of both in one order."""

    folder: Path  # of the generation
    index: AnnIndex
    batch_rows: int = BATCH_ROWS

    @classmethod
    def open(cls, generation: Generation, batch_rows: int = BATCH_ROWS) -> "VectorTable":
        """The table of a generation.

        Raises:
            DamagedError: its index cannot be read.
        """
        return cls(generation.folder, AnnIndex.of(generation), batch_rows)

    @cached_property
    def columns(self) -> pa.Schema:
        """The products' columns: `product_id`, `has_text`, `has_image`, `text`, the catalogue's.

        Raises:
            DamagedError: the file cannot be read.
        """
        with open_products(self.folder) as file:
            return file.schema_arrow

    @property
    def schema(self) -> pa.Schema:
        """The same and `vector`, `(dim,)` of float32."""
        return self.columns.append(pa.field("vector", pa.list_(pa.float32(), self.index.dim)))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The products' columns, in the order of the rows.

        Raises:
            DamagedError: the file cannot be read to its end.
        """
        with open_products(self.folder) as file:
            yield from file.iter_batches(self.batch_rows)

    def batches_and_vectors(self) -> Iterator[tuple[pa.RecordBatch, Vectors]]:
        """The same, with the vectors `(n, dim)` of each batch."""
        start = 0
        for batch in self.batches():
            yield batch, self.index.vectors(np.arange(start, start + len(batch)))
            start += len(batch)

    def batches_with_vectors(self) -> Iterator[pa.RecordBatch]:
        """The same as batches of `schema`."""
        for batch, vectors in self.batches_and_vectors():
            columns = [*batch.columns, vector_array(vectors)]
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)


def vector_texts(vectors: Vectors) -> list[str]:
    """Each row of `(n, dim)` as `[0.1,-0.25,…]`: the shortest decimals that are these float32."""
    numbers = pa.array(np.ascontiguousarray(vectors).reshape(-1)).cast(pa.string())
    offsets = np.arange(len(vectors) + 1, dtype=np.int32) * vectors.shape[1]
    rows = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), numbers), ",")
    return [f"[{row}]" for row in rows.to_pylist()]


def json_rows(batch: pa.RecordBatch) -> list[dict[str, object]]:
    """The rows as JSON has them: decimals become doubles, dates ISO 8601, NaN and others null."""
    return [{name: _json_value(value) for name, value in row.items()} for row in batch.to_pylist()]


def _json_value(value: object) -> object:
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value.isoformat() if isinstance(value, date) else value
