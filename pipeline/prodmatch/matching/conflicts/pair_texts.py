"""What the texts and columns of pairs say of how likely they are one product."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from prodmatch.matching.candidate_pairs import Candidates
from prodmatch.matching.conflicts.text_doubts import (
    ListingText,
    denies,
    is_doubtful_between,
    is_doubtful_text,
    read_text,
    tells_apart,
)
from prodmatch.matching.listings.indexed_listings import IndexedListings
from prodmatch.matching.listings.numbered_listings import Ints
from prodmatch.matching.pair_features import DOUBT, Values
from prodmatch.search.searcher import Searcher

TEXT_PAIRS = 4096
CONFLICT_PROBABILITY = 0.02  # at most, of pairs whose columns say another colour or size
IDENTIFIED = 0.99  # probability at least, of pairs with one GTIN that nothing denies


@dataclass
class PairTexts:
    """Reads what listings of two sides say, and judges pairs by it.

    Attributes:
        searchers, sides: of the left and the right side, the same where there is one catalogue.
        rate: what the prices of the right side are multiplied by.
    """

    searchers: tuple[Searcher, Searcher]
    sides: tuple[IndexedListings, IndexedListings]
    rate: float = 1.0
    is_one: bool = field(init=False)

    def __post_init__(self) -> None:
        self.is_one = self.sides[0] is self.sides[1]

    def read(self, side: int, rows: Ints) -> dict[int, ListingText]:
        """What listings of the left side, 0, or the right side, 1, say."""
        rows = np.unique(rows)
        columns = self.searchers[side].products.metadata(rows)
        prices = self.sides[side].listings.price[rows].tolist()
        rates = [(1.0, self.rate)[side]] * len(prices)
        return dict(zip(rows.tolist(), map(read_text, columns, prices, rates), strict=True))

    def judge(self, pairs: Candidates, probability: Values, *, doubts: bool) -> Values:
        """The probability; of likely pairs whose texts deny it, or leave it in doubt, no more."""
        found = probability.copy()
        leaves_open = is_doubtful_text if self.is_one else is_doubtful_between
        for position, one, other in self._read_pairs(pairs, np.flatnonzero(probability > DOUBT)):
            if denies(one, other, is_one=self.is_one):
                found[position] = CONFLICT_PROBABILITY
            elif doubts and leaves_open(one, other):
                found[position] = DOUBT
        return found

    def denied(self, pairs: Candidates) -> list[int]:
        """The positions of pairs whose texts or columns deny that they are one product."""
        positions = np.arange(len(pairs.rows))
        return [
            position
            for position, one, other in self._read_pairs(pairs, positions)
            if denies(one, other, is_one=self.is_one)
        ]

    def identify(self, pairs: Candidates, probability: Values, positions: Ints) -> Values:
        """The probability; of pairs with one GTIN that say nothing else of variants, near 1.

        `positions`: of those with one GTIN.
        """
        found = probability.copy()
        for position, one, other in self._read_pairs(pairs, positions):
            if not tells_apart(one, other, is_one=self.is_one):
                found[position] = max(found[position], IDENTIFIED)
        return found

    def _read_pairs(
        self, pairs: Candidates, positions: Ints
    ) -> Iterator[tuple[int, ListingText, ListingText]]:
        """Each of the positions with what the two listings say, in blocks."""
        for start in range(0, len(positions), TEXT_PAIRS):
            part = positions[start : start + TEXT_PAIRS]
            rows, others = pairs.rows[part], pairs.others[part]
            left, right = self.read(0, rows), self.read(1, others)
            for position, row, other in zip(
                part.tolist(), rows.tolist(), others.tolist(), strict=True
            ):
                yield position, left[row], right[other]
