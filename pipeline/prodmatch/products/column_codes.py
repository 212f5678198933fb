"""A column of the products as codes: groups of equal values, counts of them, and their ranks.

Apart from what every query needs: it reads Parquet, and a query in a shell does not wait for Arrow.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.storage.product_file import read_column
from prodmatch.storage.vectors import Rows

NO_VALUE = -1


@dataclass(frozen=True)
class ColumnCodes:
    """A column whose distinct values are numbered from 0 in ascending order."""

    # `(products,)`, the number of each product's value, -1 where it has none.
    codes: npt.NDArray[np.int32]
    first_rows: Rows  # `(values,)`, the first product of each value

    def groups(self, rows: Rows) -> Rows:
        """The group of each row: that of its value, or one of its own where it has none."""
        found = self.codes[rows].astype(np.int64)
        return np.where(found == NO_VALUE, len(self.first_rows) + rows, found)

    def others(self, rows: Rows, within: Rows | None) -> Rows:
        """The rows within, of all if None, in no group of these rows."""
        taken = np.zeros(len(self.first_rows) + 1, np.bool_)  # the last one is that of no value
        taken[self.codes[rows]] = True
        taken[NO_VALUE] = False
        is_free = ~taken[self.codes]
        is_free[rows] = False
        return np.flatnonzero(is_free) if within is None else within[is_free[within]]

    def rows_of(self, wanted: npt.NDArray[np.int32], within: Rows | None) -> Rows:
        """The rows within, of all if None, that have one of these values."""
        wanted = wanted[wanted != NO_VALUE]
        if within is None:
            return np.flatnonzero(np.isin(self.codes, wanted))
        return within[np.isin(self.codes[within], wanted)]

    def count(self, rows: Rows | None) -> Rows:
        """How many of these rows, of all if None, have each value: `(values,)`."""
        return self._all_counts if rows is None else self._count(self.codes[rows])

    @cached_property
    def _all_counts(self) -> Rows:
        return self._count(self.codes)

    def _count(self, codes: npt.NDArray[np.int32]) -> Rows:
        return np.bincount(codes + 1, minlength=len(self.first_rows) + 1)[1:]

    def scaled(self, rows: Rows) -> npt.NDArray[np.float64]:
        """The rank of each row's value among the distinct ones: 0 is the lowest, 1 the highest.

        Products without a value are NaN.
        """
        codes = self.codes[rows]
        highest = len(self.first_rows) - 1
        ranks = codes / highest if highest > 0 else np.ones(len(codes))
        return np.where(codes == NO_VALUE, np.nan, ranks)


def read_codes(folder: Path, name: str) -> ColumnCodes:
    """The codes of a column of a generation's `products.parquet`.

    Raises:
        DamagedError: the file cannot be read, or has no such column.
    """
    column = read_column(folder, name)
    if pa.types.is_string(column.type):
        column = column.cast(pa.large_string())  # of one chunk, which may be over 2 GB
    elif pa.types.is_floating(column.type):  # SQLite keeps NaN as no value, and has one zero
        column = pc.if_else(pc.is_nan(column), None, pc.add(column, pa.scalar(0, column.type)))
    encoded = pa.chunked_array(column.chunks, column.type).combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0)
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    numbers = np.zeros(len(order) + 1, np.int32)
    numbers[order] = np.arange(len(order))
    numbers[-1] = NO_VALUE
    codes = numbers[encoded.indices.fill_null(NO_VALUE).to_numpy()]
    first_rows = np.zeros(len(order), np.int64)
    rows = np.flatnonzero(codes != NO_VALUE)[::-1]
    first_rows[codes[rows]] = rows  # of several the last assignment stays
    return ColumnCodes(codes, first_rows)
