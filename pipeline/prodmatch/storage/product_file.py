"""The products of a generation: the file whose rows are those of the index."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.errors import DamagedError
from prodmatch.storage.generations import Generation, advise_instead_of
from prodmatch.storage.vectors import Rows

PRODUCT_FILE = "products.parquet"
GROUP_COLUMN = "group_id"  # of the shop's groups


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


def read_rows(folder: Path, rows: Rows, columns: Sequence[str]) -> pa.Table:
    """Columns of these rows of a generation, in their order; only their row groups are read.

    Raises:
        DamagedError: they cannot be read, or there are fewer products.
    """
    with open_products(folder) as file:
        metadata = file.metadata
        counts = [metadata.row_group(each).num_rows for each in range(metadata.num_row_groups)]
        ends = np.cumsum(counts, dtype=np.int64)
        if np.max(rows, initial=-1) >= metadata.num_rows:
            raise DamagedError(f"{folder}: has fewer products than the manifest says.")
        groups, own = np.unique(np.searchsorted(ends, rows, side="right"), return_inverse=True)
        lengths = np.diff(ends, prepend=0)[groups]
        shifts = np.cumsum(lengths) - ends[groups]  # of a group's rows, as the others are not read
        table = file.read_row_groups(groups.tolist(), columns=[*columns])
        return table.take(pa.array(rows + shifts[own]))


def read_catalogue_columns(generation: Generation) -> pa.Table:
    """All products, without the column of groups that `index` may have given them.

    Raises:
        DamagedError: they cannot be read, or are not as many as the manifest says.
    """
    folder, count = generation.folder, generation.product_count
    with open_products(folder) as file:
        table = file.read()
    if table.num_rows != count:
        raise DamagedError(
            f"{folder}: holds {table.num_rows} products; the manifest says {count}. "
            f"{advise_instead_of(folder)}"
        )
    is_grouped = generation.manifest.get("grouped") is not None
    return table.drop_columns([GROUP_COLUMN]) if is_grouped else table
