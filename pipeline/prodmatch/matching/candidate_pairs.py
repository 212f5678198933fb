"""Candidate pairs: for every listing those that share its words, or are near by text or picture."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from prodmatch.matching.lexical_candidates import LexicalIndex
from prodmatch.matching.listings.attributes import GTIN
from prodmatch.matching.listings.indexed_listings import IndexedListings
from prodmatch.matching.listings.numbered_listings import Floats, Ints
from prodmatch.matching.nearest_rows import NearestRows
from prodmatch.matching.pair_features import PairCosines, Values, overlap
from prodmatch.progress import bars_off
from prodmatch.storage.vectors import Vectors

BLOCK_ROWS = 512
BY_PICTURE = 3  # for so many candidates, one more that is nearest by picture, whatever it says
PARTS = (0, 1)  # of text, of pictures
IDENTIFIERS = f"{GTIN} words"
MOST_OF_ONE = 20  # listings with one GTIN; more of them have it by mistake
NO_ROWS = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Candidates:
    """Pairs of a row and another row, with how alike they are at a first look."""

    rows: Ints
    others: Ints
    likeness: Values

    def swapped(self) -> "Candidates":
        """The same pairs the other way round."""
        return Candidates(self.others, self.rows, self.likeness)

    def take(self, positions: Ints) -> "Candidates":
        """Some of them."""
        return Candidates(self.rows[positions], self.others[positions], self.likeness[positions])


class PairFinder:
    """Finds candidates in two catalogues, or in one where both are the same object."""

    def __init__(self, left: IndexedListings, right: IndexedListings, weights: Floats) -> None:
        self.left, self.right, self._weights = left, right, weights

    @property
    def is_one(self) -> bool:
        """Whether pairs are sought inside one catalogue."""
        return self.left is self.right

    def find(self, count: int) -> Candidates:
        """The best `count` of every listing of either side, each pair once, by row and other.

        Each signal finds `count` for a listing; the most alike of these are kept, and those with
        its GTIN. Of equal listings only the first is paired.
        """
        return self._find(count, self.left.different, self.right.different)

    def find_new(
        self, count: int, new: tuple[Ints, Ints], known: Candidates, images: Values
    ) -> Candidates:
        """Of the pairs that `find` gives those with a new listing, as far as known pairs tell.

        Listings that were there are paired with new ones that are among their most alike, or
        nearest by picture.

        Args:
            new: listings of either side.
            known: pairs of the others.
            images: cosines of their pictures, NaN where one has none.
        """
        back = known.swapped()
        if self.is_one:
            known, images = join_pairs([known, back]), np.tile(images, 2)
        pairs = [
            self._find(count, *new),
            self._find_better(self.left, self.right, count, new, (known, images)),
        ]
        if not self.is_one:
            better = self._find_better(self.right, self.left, count, new[::-1], (back, images))
            pairs.append(better.swapped())
        return _once(self._ordered(join_pairs(pairs)))

    def _find_better(
        self,
        own: IndexedListings,
        among: IndexedListings,
        count: int,
        new: tuple[Ints, Ints],
        known: tuple[Candidates, Values],
    ) -> Candidates:
        """Pairs of listings of one side that were there with new ones of the other."""
        came, others = new
        if not len(others):
            return Candidates(NO_ROWS, NO_ROWS, np.zeros(0))
        there = np.setdiff1d(own.different, came)
        better = join_pairs(self._search(own, among, count, there, others))
        cosines = pair_cosines(own, among, better.rows, better.others).image
        pairs, images = join_pairs([known[0], better]), np.concatenate([known[1], cosines])
        best = _best_of_each(pairs, images, count)[len(known[1]) :]
        return better.take(np.flatnonzero(best))

    def _find(self, count: int, rows: Ints, others: Ints) -> Candidates:
        """The best of these listings of either side."""
        found = join_pairs(self._search(self.left, self.right, count, rows))
        if self.is_one:
            return _once(self._ordered(join_pairs([found, self._identified(rows, rows)])))
        back = join_pairs(self._search(self.right, self.left, count, others)).swapped()
        return _once(join_pairs([found, back, self._identified(rows, others)]))

    def _ordered(self, pairs: Candidates) -> Candidates:
        """The pairs, of one catalogue with the earlier listing first."""
        if not self.is_one:
            return pairs
        ends = np.minimum(pairs.rows, pairs.others), np.maximum(pairs.rows, pairs.others)
        return Candidates(*ends, pairs.likeness)

    def _identified(self, rows: Ints, others: Ints) -> Candidates:
        """The pairs with one GTIN, of which at least one is among these rows of either side."""
        sides = [_numbered(side) for side in (self.left, self.right)]
        (left, own), (right, its) = sides
        starts, ends = (np.searchsorted(its, own, side=side) for side in ("left", "right"))
        counts = np.where(ends - starts <= MOST_OF_ONE, ends - starts, 0)
        offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        one, other = np.repeat(left, counts), right[np.repeat(starts, counts) + offsets]
        wanted = np.isin(one, rows) | np.isin(other, others)
        if self.is_one:
            wanted &= one != other
        pairs = one[wanted], other[wanted]
        return Candidates(*pairs, self.likeness(*pairs, self.cosines(*pairs)))

    def likeness(self, rows: Ints, others: Ints, cosines: PairCosines) -> Values:
        """The weighted share of their terms that pairs have alike, and the cosines that there are.

        Text and terms count alike, from 0 to 1 each; pictures add their own.
        """
        return _likeness(self.left, self.right, (rows, others), cosines, self._weights)

    def cosines(self, rows: Ints, others: Ints) -> PairCosines:
        """The cosines of pairs."""
        return pair_cosines(self.left, self.right, rows, others)

    def _search(
        self,
        own: IndexedListings,
        among: IndexedListings,
        count: int,
        rows: Ints,
        others: Ints | None = None,
    ) -> Iterator[Candidates]:
        """The candidates of rows of one side, block by block; among some of the other if given."""
        lexical = LexicalIndex(among.listings.sets["terms"], self._weights, others)
        terms = own.listings.sets["terms"]
        wanted = count + 1 if self.is_one else count
        near = [
            NearestRows(
                partial(_read_part, among, part), among.different if others is None else others
            ).search(partial(_read_part, own, part), rows, wanted)
            for part in PARTS
        ]
        starts = range(0, len(rows), BLOCK_ROWS)
        for start in tqdm(starts, "candidates", unit="block", disable=bars_off()):
            block = rows[start : start + BLOCK_ROWS]
            found = np.concatenate(
                [
                    lexical.search(terms, block, wanted),
                    *(each[start : start + BLOCK_ROWS] for each in near),
                ],
                axis=1,
            )
            mine, its = np.repeat(block, found.shape[1]), found.ravel().astype(np.int64)
            there = its >= 0
            mine, its = mine[there], among.first_equal[its[there]]
            keys = np.unique(mine * len(among) + its)
            mine, its = keys // len(among), keys % len(among)
            if self.is_one:
                mine, its = mine[mine != its], its[mine != its]
            yield self._best(own, among, mine, its, count)

    def _best(
        self, own: IndexedListings, among: IndexedListings, rows: Ints, others: Ints, count: int
    ) -> Candidates:
        """The most alike of each row, and the nearest by picture."""
        cosines = pair_cosines(own, among, rows, others)
        likeness = _likeness(own, among, (rows, others), cosines, self._weights)
        pairs = Candidates(rows, others, likeness)
        return pairs.take(np.flatnonzero(_best_of_each(pairs, cosines.image, count)))


def _best_of_each(pairs: Candidates, images: Values, count: int) -> npt.NDArray[np.bool_]:
    """Which are the most alike of their row, and the nearest by picture; NaN where one has none."""
    kept = np.zeros(len(pairs.rows), np.bool_)
    for values, most in ((pairs.likeness, count), (images, count // BY_PICTURE)):
        order = np.lexsort((pairs.others, -values, pairs.rows))  # NaN is last
        rows = pairs.rows[order]
        rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
        kept[order[(rank < most) & ~np.isnan(values[order])]] = True
    return kept


def _numbered(side: IndexedListings) -> tuple[Ints, Ints]:
    """The listings that are not equal to an earlier one with their GTINs, by these."""
    numbers, positions = side.listings.sets[IDENTIFIERS].take(side.different)
    order = np.argsort(numbers, kind="stable")
    return side.different[positions[order]], numbers[order]


def pair_cosines(
    left: IndexedListings, right: IndexedListings, rows: Ints, others: Ints
) -> PairCosines:
    """The cosines of pairs; NaN where one lacks the part."""
    own, own_positions = np.unique(rows, return_inverse=True)
    its, its_positions = np.unique(others, return_inverse=True)
    found = []
    for one, other in zip(left.parts(own), right.parts(its), strict=True):
        there = np.any(one, axis=1)[own_positions] & np.any(other, axis=1)[its_positions]
        cosines = np.einsum("ij,ij->i", one[own_positions], other[its_positions])
        found.append(np.where(there, cosines.astype(np.float64), np.nan))
    return PairCosines(*found)


def _likeness(
    left: IndexedListings,
    right: IndexedListings,
    pairs: tuple[Ints, Ints],
    cosines: PairCosines,
    weights: Floats,
) -> Values:
    """Dice's coefficient of the terms, weighted, and the cosines; what is not known is .5."""
    found = overlap(left.listings.sets["terms"], right.listings.sets["terms"], pairs, weights)
    total = 2 * found.shared + found.left + found.right
    known = (np.nan_to_num(each, nan=0.5) for each in (cosines.text, cosines.image))
    return np.asarray(sum(known, 2 * found.shared / np.maximum(total, 1e-9)))


def _read_part(listings: IndexedListings, part: int, rows: Ints) -> Vectors:
    return listings.parts(rows)[part]


def join_pairs(blocks: Iterable[Candidates]) -> Candidates:
    """All pairs of blocks, in order."""
    found = [Candidates(NO_ROWS, NO_ROWS, np.zeros(0)), *blocks]
    names = (each.name for each in fields(Candidates))
    return Candidates(*(np.concatenate([getattr(b, name) for b in found]) for name in names))


def order_pairs(pairs: Candidates) -> Candidates:
    """The pairs by row and other."""
    return pairs.take(np.lexsort((pairs.others, pairs.rows)))


def _once(pairs: Candidates) -> Candidates:
    """Each pair once, by row and other."""
    pairs = order_pairs(pairs)
    new = np.ones(len(pairs.rows), np.bool_)
    new[1:] = (np.diff(pairs.rows) != 0) | (np.diff(pairs.others) != 0)
    return pairs.take(np.flatnonzero(new))
