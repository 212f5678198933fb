"""Columns of Arrow as arrays of numpy."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.storage.vectors import Mask, Rows

Numbers = npt.NDArray[np.float64]


def as_mask(column: pa.BooleanArray) -> Mask:
    """`(n,)`: where it is true; null is not."""
    return np.asarray(pc.fill_null(column, False).to_numpy(zero_copy_only=False), np.bool_)


def as_rows(column: pa.Array) -> Rows:
    """Whole numbers `(n,)`, -1 for null."""
    return np.asarray(pc.fill_null(column, -1).to_numpy(zero_copy_only=False), np.int64)


def find_rows(values: pa.Array, known: pa.Array) -> Rows:
    """`(n,)`: the row of each value among those known, -1 where it is none of them."""
    return as_rows(pc.index_in(values, value_set=known))


def as_codes(values: pa.Array) -> Rows:
    """`(n,)`: a number for each value, equal for equal ones; -1 for null."""
    return as_rows(values.dictionary_encode().indices)
