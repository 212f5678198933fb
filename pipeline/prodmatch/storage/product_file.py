"""The products of a generation: the file whose rows are those of the index."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.errors import DamagedError
from prodmatch.storage.generations import advise_instead_of

PRODUCT_FILE = "products.parquet"


@contextlib.contextmanager
def open_products(folder: Path) -> Iterator[pq.ParquetFile]:
    """The file below a generation's folder, open for reading in the block.

    Raises:
        DamagedError: it cannot be read, or lacks a column that the block names.
    """
    path = folder / PRODUCT_FILE
    try:
        with pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False) as file:
            yield file
    except (OSError, KeyError, pa.ArrowException) as error:
        remedy = advise_instead_of(folder)
        raise DamagedError(f"{path}: cannot be read ({error}). {remedy}") from error


def read_column(folder: Path, name: str) -> pa.ChunkedArray:
    """A column of all products of a generation, row by row.

    Raises:
        DamagedError: it cannot be read.
    """
    with open_products(folder) as file:
        return file.read(columns=[name])[name]
