"""Which rows stand for all of them, where all would take too long or too much memory."""

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


def draw_rows(count: int, most: int) -> Rows:
    """`most` of `count` rows at random, the same at every call, in their order; all of fewer.

    Every n-th row would be of one kind in a catalogue whose variants follow each other.
    """
    if count <= most:
        return np.arange(count)
    rng = np.random.default_rng(0)
    return np.sort(rng.choice(count, most, replace=False, shuffle=False))


def draw_among(rows: Rows, most: int) -> Rows:
    """As `draw_rows`, of these rows `(n,)`."""
    return rows[draw_rows(len(rows), most)]


def rows_in_batch(rows: Rows, start: int, count: int) -> Rows:
    """Those of ascending rows that lie in a batch of so many from `start` on, by place in it."""
    first, last = np.searchsorted(rows, (start, start + count))
    return rows[first:last] - start
