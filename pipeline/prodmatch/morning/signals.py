"""What a check finds: rows that changed in a way that good feeds seldom do."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prodmatch.storage.vectors import Rows

EXCESS = 3.0  # standard deviations above what chance brings
FEWEST_REPEATED = 5  # products with one text, or one picture


@dataclass(frozen=True)
class Signal:
    """Rows that one check finds suspicious."""

    check: str  # such as `moved`
    column: str  # that it is about; empty where it is about none
    text: str  # what is wrong with them, behind their number: "prices are 0 or below"
    rows: Rows  # of tonight; of the last night where `gone`
    gone: bool = False
    shown: tuple[str, ...] = ()  # columns whose values tell what is wrong, where it is not `column`

    @property
    def name(self) -> str:
        """What thresholds are kept under."""
        return f"{self.check}:{self.column}" if self.column else self.check


def most_common(values: Rows) -> int:
    """The value that most of these have; -1 where there are none."""
    if not len(values):
        return -1
    found, counts = np.unique(values, return_counts=True)
    return int(found[counts.argmax()])


def most_in_excess(usual: Rows, new: Rows) -> int:
    """The value that far more of the new ones have than of the usual ones; -1 where none has.

    Args:
        usual: codes of what is usual; negative ones are none.
    """
    if not len(new):
        return -1
    size = 1 + max(int(usual.max(initial=0)), int(new.max()))
    counts = counts_of(usual, size)
    expected = len(new) * counts / max(1, counts.sum())
    excess = counts_of(new, size) - expected - EXCESS * np.sqrt(expected)
    best = int(excess.argmax())
    return best if excess[best] > 0 else -1


def counts_of(codes: Rows, size: int) -> Rows:
    """`(size,)`: how often each code stands there, negative ones left out."""
    return np.bincount(codes[codes >= 0], minlength=size).astype(np.int64)


def among(mask: npt.NDArray[np.bool_], rows: Rows) -> Rows:
    """The rows that a mask over them chooses."""
    return rows[np.flatnonzero(mask)]
