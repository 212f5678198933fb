"""Two nights with the products of both, and what is found in comparing them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prodmatch.catalogue.naming import NAMED, name_some
from prodmatch.embedding.nights.columns.night_columns import Night
from prodmatch.embedding.nights.columns.number_changes import Mask
from prodmatch.storage.arrow import as_mask, find_rows

Rows = npt.NDArray[np.int64]


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

    def ids(self, stayed: Mask) -> list[str]:
        """The first ids of some of the products that stay."""
        rows = self.after[np.flatnonzero(stayed)[:NAMED]]
        return names_of(self.tonight.product_ids.take(pa.array(rows)))

    def name(self, stayed: Mask) -> str:
        """Up to five ids of some of the products that stay."""
        return name_some(self.ids(stayed), int(stayed.sum()))

    def shared(self, chosen: Sequence[str]) -> Iterator[str]:
        """Which of some columns both nights have."""
        return (name for name in chosen if name in self.tonight.types)


def names_of(ids: pa.Array) -> list[str]:
    """Ids as strings."""
    return [str(name) for name in ids.to_pylist()]
