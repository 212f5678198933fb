"""Two catalogues, or one, with all that is needed to score pairs of their listings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from tqdm import tqdm

from prodmatch.matching.candidate_pairs import Candidates, PairFinder
from prodmatch.matching.competition import Competition
from prodmatch.matching.duplicate_groups import (
    find_components,
    link_completely,
    missing_pairs,
    probabilities_by_pair,
)
from prodmatch.matching.listings.indexed_listings import IndexedListings, read_listings
from prodmatch.matching.listings.numbered_listings import Floats, Ints, Vocabulary, term_weights
from prodmatch.matching.pair_features import PairCosines, PairFeatures, Values
from prodmatch.matching.scoring.labelled_pairs import LabelledPairs, read_labelled_pairs
from prodmatch.matching.scoring.pair_scorer import PairScorer
from prodmatch.matching.scoring.scorer_training import Labels
from prodmatch.search.searcher import Searcher

BLOCK_PAIRS = 16_384
CONFLICT_PROBABILITY = 0.02  # at most, of pairs whose columns say another colour or size


@dataclass(frozen=True)
class ScoredPairs:
    """Pairs with their probability and what they are like; arrays of `(pairs,)`."""

    pairs: Candidates
    probability: Values
    text_cosine: Values
    image_cosine: Values


@dataclass(frozen=True)
class Groups:
    """Groups of listings, by their numbers: a row of the left side, or behind all these, right."""

    members: list[list[int]]


class Matcher:
    """Finds, learns and scores pairs; inside one catalogue where there is no other."""

    def __init__(self, searcher: Searcher, against: Searcher | None = None) -> None:
        vocabulary = Vocabulary()
        self.left = read_listings(searcher, vocabulary)
        self.right = self.left if against is None else read_listings(against, vocabulary)
        self.searchers = (searcher, against or searcher)
        listings = [self.left.listings, *([] if self.is_one else [self.right.listings])]
        weights = term_weights(vocabulary, listings)
        self._finder = PairFinder(self.left, self.right, weights)
        self._features = PairFeatures(self.left.listings, self.right.listings, weights)
        self._competition: Competition | None = None

    @property
    def is_one(self) -> bool:
        """Whether pairs are sought inside one catalogue."""
        return self.left is self.right

    @cached_property
    def equal_count(self) -> int:
        """Listings that are equal to an earlier one of their catalogue in all but the id."""
        sides = [self.left, *([] if self.is_one else [self.right])]
        return sum(len(side) - len(side.different) for side in sides)

    def find(self, count: int) -> Candidates:
        """The candidates, up to `count` of every listing of either side; equal ones left out."""
        found = self._finder.find(count)
        if not self.is_one:
            self._competition = Competition(found, len(self.left), len(self.right))
        return found

    def read_labels(self, path: Path) -> LabelledPairs:
        """The labelled pairs of a file.

        Raises:
            QueryError: they cannot be used.
        """
        return read_labelled_pairs(path, *(each.products.row_of for each in self.searchers))

    def labels(self, pairs: LabelledPairs) -> Labels:
        """What a scorer learns from; `find` comes first, so that candidates compete."""
        blocks = [features for features, _ in self._blocks(self._pairs(pairs.rows, pairs.others))]
        return Labels(np.concatenate(blocks), pairs.match, pairs.rows)

    def score(self, pairs: Candidates, scorer: PairScorer) -> ScoredPairs:
        """The probability of every pair, in blocks; of those whose columns conflict nearly 0."""
        found = [
            (scorer.probabilities(features), cosines) for features, cosines in self._blocks(pairs)
        ]
        nothing = np.zeros(0)
        probability = np.concatenate([nothing, *(probability for probability, _ in found)])
        conflicts = [self._features.conflicts(p.rows, p.others) for p in _split(pairs)]
        conflict = np.concatenate([nothing, *conflicts]) > 0
        return ScoredPairs(
            pairs,
            np.where(conflict, np.minimum(probability, CONFLICT_PROBABILITY), probability),
            np.concatenate([nothing, *(cosines.text for _, cosines in found)]),
            np.concatenate([nothing, *(cosines.image for _, cosines in found)]),
        )

    def score_cosines(self, pairs: Candidates) -> PairCosines:
        """The cosines of pairs."""
        return self._finder.cosines(pairs.rows, pairs.others)

    def group(self, scored: ScoredPairs, scorer: PairScorer, threshold: float) -> list[list[int]]:
        """The members of every group, in which each pair reaches the threshold; ascending.

        A listing of the left side is its row, one of another right side stands behind all these.
        Equal listings are in the group of the first of them.
        """
        shift = 0 if self.is_one else len(self.left)
        same = scored.probability >= threshold
        rows, others = scored.pairs.rows, scored.pairs.others + shift
        components = find_components(rows[same], others[same])
        known = probabilities_by_pair(rows, others, scored.probability)
        missing = missing_pairs(components, known)
        if self.is_one and missing:
            pairs = np.array(missing, np.int64)
            more = self.score(self._pairs(pairs[:, 0], pairs[:, 1]), scorer)
            known |= dict(zip(missing, more.probability.tolist(), strict=True))
        groups = link_completely(components, known, threshold, self._comparable)
        return self._with_equal([list(each) for each in groups])

    def name(self, member: int) -> tuple[str, str]:
        """The side and the id of a member of a group."""
        side, listings = "left", self.left.listings
        if member >= len(listings):
            side, member, listings = "right", member - len(listings), self.right.listings
        return side, listings.product_ids[member]

    def equal_rows(self, side: IndexedListings) -> Mapping[int, list[int]]:
        """The later equal listings of a first one."""
        found: dict[int, list[int]] = {}
        for row in np.flatnonzero(side.first_equal != np.arange(len(side))).tolist():
            found.setdefault(int(side.first_equal[row]), []).append(row)
        return found

    def _comparable(self, one: int, other: int) -> bool:
        """Whether two members can be a pair: two of one side cannot where there are two."""
        return self.is_one or (one < len(self.left)) != (other < len(self.left))

    def _with_equal(self, groups: list[list[int]]) -> list[list[int]]:
        """The groups with the listings that are equal to their members."""
        equal = dict(self.equal_rows(self.left))
        if not self.is_one:
            shift = len(self.left)
            for first, rows in self.equal_rows(self.right).items():
                equal[first + shift] = [row + shift for row in rows]
        found = [
            sorted(m for each in group for m in (each, *equal.get(each, ()))) for group in groups
        ]
        if self.is_one:
            grouped = {member for group in groups for member in group}
            found += [[first, *rows] for first, rows in equal.items() if first not in grouped]
        return sorted(found)

    def _pairs(self, rows: Ints, others: Ints) -> Candidates:
        """Pairs that are given, with their likeness."""
        rows, others = self.left.first_equal[rows], self.right.first_equal[others]
        blocks = [
            self._finder.likeness(
                rows[part], others[part], self._finder.cosines(rows[part], others[part])
            )
            for part in _parts(len(rows))
        ]
        return Candidates(rows, others, np.concatenate([np.zeros(0), *blocks]))

    def _blocks(self, pairs: Candidates) -> Iterator[tuple[Floats, PairCosines]]:
        """The features and the cosines of pairs, block by block."""
        for part in tqdm(_parts(len(pairs.rows)), "score", unit="block", disable=None):
            block = pairs.take(np.arange(part.start, part.stop))
            cosines = self._finder.cosines(block.rows, block.others)
            margins = None if self._competition is None else self._competition.margins(block)
            yield self._features.compute(block.rows, block.others, cosines, margins), cosines


def _split(pairs: Candidates) -> Iterator[Candidates]:
    for part in _parts(len(pairs.rows)):
        yield pairs.take(np.arange(part.start, part.stop))


def _parts(count: int) -> list[slice]:
    return [slice(start, min(start + BLOCK_PAIRS, count)) for start in range(0, count, BLOCK_PAIRS)]
