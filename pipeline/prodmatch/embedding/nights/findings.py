"""Two nights with the products of both, and what is found in comparing them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prodmatch.catalogue.naming import NAMED, name_some
from prodmatch.embedding.nights.columns.night_columns import Night
from prodmatch.storage.arrow import as_mask, find_rows
from prodmatch.storage.vectors import Mask, Rows

FEWEST = 3  # products, to tell anything from
SHOWN = 3  # of those that changed


@dataclass(frozen=True)
class GateLimits:
    """What a night may lose and still be let through, as shares."""

    max_removed: float = 0.2  # of the products
    max_lost: float = 0.1  # of the products that stay: those without their text or picture


@dataclass(frozen=True)
class Finding:
    """What was found, and whether the night is refused for it."""

    refused: bool
    text: str


@dataclass(frozen=True)
class NightPair:
    """Two nights, and the products of both."""

    last: Night
    tonight: Night
    before: Rows  # (n,) of `last`: the same product as `after` of `tonight`
    after: Rows

    @classmethod
    def match(cls, last: Night, tonight: Night) -> "NightPair":
        """The nights with the products that stay, in the order of the night before."""
        rows = find_rows(tonight.product_ids, last.product_ids)
        after = np.flatnonzero(rows >= 0)
        return cls(last, tonight, rows[after], after)

    @property
    def removed(self) -> Mask:
        """`(last,)`: which products are gone."""
        gone = np.ones(len(self.last), np.bool_)
        gone[self.before] = False
        return gone

    @property
    def added(self) -> Mask:
        """`(tonight,)`: which products are new."""
        new = np.ones(len(self.tonight), np.bool_)
        new[self.after] = False
        return new

    @property
    def changed(self) -> Mask:
        """`(n,)`: which products that stay have changed in anything; all where that is unknown."""
        last, tonight = self.last.row_digests, self.tonight.row_digests
        if last is None or tonight is None:
            return np.ones(len(self.after), np.bool_)
        before, after = last.take(pa.array(self.before)), tonight.take(pa.array(self.after))
        return as_mask(pa.compute.not_equal(before, after))

    def id_of(self, stayed: int) -> str:
        """The id of one of the products that stay."""
        return str(self.tonight.product_ids[int(self.after[stayed])])

    def name(self, stayed: Mask) -> str:
        """Up to five ids of some of the products that stay."""
        rows = self.after[np.flatnonzero(stayed)[:NAMED]]
        ids = names_of(self.tonight.product_ids.take(pa.array(rows)))
        return name_some(ids, int(stayed.sum()))

    def shared(self, chosen: Sequence[str]) -> Iterator[str]:
        """Which of some columns both nights have."""
        return (name for name in chosen if name in self.tonight.types)


def show_changes(
    changed: Mask,
    before: npt.NDArray[np.generic] | pa.Array,
    after: npt.NDArray[np.generic] | pa.Array,
    id_of: Callable[[int], str],
    most: int = SHOWN,
) -> str:
    """The first products that changed, with what they had and what they have."""
    rows = np.flatnonzero(changed)
    shown = (
        f"{id_of(row)!r} {show_value(before[row])} -> {show_value(after[row])}"
        for row in rows[:most].tolist()
    )
    return ", ".join(shown) + (", ..." if len(rows) > most else "")


def show_value(value: object) -> str:
    """A value of a column as messages show it; an array holds the parts of a date."""
    found = value.as_py() if isinstance(value, pa.Scalar) else value
    if isinstance(found, np.ndarray):
        return "-".join(f"{number:02}" for number in found.tolist())
    return f"{found:.10g}" if isinstance(found, float) else repr(found)


def names_of(ids: pa.Array) -> list[str]:
    """Ids as strings."""
    return [str(name) for name in ids.to_pylist()]
