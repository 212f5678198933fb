"""Two catalogues, or one, with all that is needed to score pairs of their listings."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from prodmatch.catalogue.reader import Catalogue
from prodmatch.matching.candidate_pairs import (
    IDENTIFIERS,
    NO_ROWS,
    Candidates,
    PairFinder,
    join_pairs,
    order_pairs,
)
from prodmatch.matching.competition import Competition, price_rate
from prodmatch.matching.conflicts.pair_texts import CONFLICT_PROBABILITY, PairTexts
from prodmatch.matching.duplicate_groups import (
    find_components,
    link_completely,
    missing_pairs,
    probabilities_by_pair,
)
from prodmatch.matching.listings.indexed_listings import IndexedListings, read_listings
from prodmatch.matching.listings.numbered_listings import Floats, Ints, Vocabulary, term_weights
from prodmatch.matching.pair_features import (
    DOUBT,
    PairCosines,
    PairFeatures,
    PictureDifferences,
    Values,
    is_doubtful,
    says_the_same,
)
from prodmatch.matching.pair_pictures import PairPictures
from prodmatch.matching.picture_registration import compare_pictures
from prodmatch.matching.scoring.decisions import (
    Decided,
    close_decisions,
    decide_pairs,
    find_missing,
)
from prodmatch.matching.scoring.kept_scores import MEASURED, KeptScores, ScoredPairs
from prodmatch.matching.scoring.labelled_pairs import LabelledPairs, read_labelled_pairs
from prodmatch.matching.scoring.pair_scorer import PairScorer
from prodmatch.matching.scoring.scorer_training import Labels
from prodmatch.progress import bars_off
from prodmatch.search.searcher import Searcher

BLOCK_PAIRS = 16_384
PICTURE_PAIRS = 1024
LIKELY = 0.05  # probability by texts and vectors, from which on the pictures are compared


class Matcher:
    """Finds, learns and scores pairs; inside one catalogue where there is no other."""

    def __init__(
        self,
        searcher: Searcher,
        against: Searcher | None = None,
        catalogues: tuple[Catalogue | None, Catalogue | None] = (None, None),
    ) -> None:
        """Reads the listings of the left side, and those of the right side where it is another.

        Pictures are compared where both sides have a catalogue of them.
        """
        vocabulary = Vocabulary()
        by_price = against is not None
        self.left = read_listings(searcher, vocabulary, by_price=by_price)
        self.right = read_listings(against, vocabulary, by_price=True) if against else self.left
        self.searchers = (searcher, against or searcher)
        self._sides = [self.left] if self.is_one else [self.left, self.right]
        self._equal: list[Values] = []
        weights = term_weights(vocabulary, [each.listings for each in self._sides])
        self._finder = PairFinder(self.left, self.right, weights)
        self._features = PairFeatures(self.left.listings, self.right.listings, weights)
        self._competition: Competition | None = None
        self.texts = PairTexts(self.searchers, (self.left, self.right))
        self._pictures = self._open_pictures(*catalogues)

    @property
    def is_one(self) -> bool:
        """Whether pairs are sought inside one catalogue."""
        return self.left is self.right

    @property
    def compares_pictures(self) -> bool:
        """Whether pictures are compared themselves, not by their vectors alone."""
        return self._pictures is not None

    @cached_property
    def equal_count(self) -> int:
        """Listings that look equal to an earlier one of their catalogue."""
        return sum(len(side) - len(side.different) for side in self._sides)

    def find(self, count: int, kept: KeptScores | None = None) -> Candidates:
        """The candidates, up to `count` of every listing of either side; equal ones left out.

        Where scores are kept, pairs with listings that were not there are sought, and the kept
        pairs are candidates again.
        """
        if kept is None:
            found = self._finder.find(count)
        else:
            new, known = (kept.new_rows, kept.new_others), kept.scored
            found = self._finder.find_new(count, new, known.pairs, known.image_cosine)
            found = order_pairs(join_pairs([known.pairs, found]))
        if not self.is_one:
            self._competition = Competition(found, len(self.left), len(self.right))
            prices = self.left.listings.price, self.right.listings.price
            self.texts.rate = price_rate(found, *prices)
        return found

    def read_labels(self, path: Path) -> LabelledPairs:
        """The labelled pairs of a file.

        Raises:
            QueryError: they cannot be used.
        """
        find_rows = (each.products.row_of for each in self.searchers)
        return read_labelled_pairs(path, *find_rows, is_one=self.is_one)

    def labels(self, pairs: LabelledPairs) -> Labels:
        """What a scorer learns from; `find` comes first, so that candidates compete."""
        given = self._pairs(pairs.rows, pairs.others)
        pictures = self.compare_pictures(given)
        blocks = [features for features, _ in self._blocks(given, pictures)]
        return Labels(np.concatenate(blocks), pairs.match, pairs.rows)

    def score(
        self, pairs: Candidates, scorer: PairScorer, kept: KeptScores | None = None
    ) -> ScoredPairs:
        """The probability of every pair, in blocks; of those whose columns conflict nearly 0.

        Pictures are compared of the pairs that are likely without, or say much the same. Pairs
        whose scores are kept, and whose competition between two stores is what it was, are not
        scored again, unless they are likely: listings that come and go change how rare a word is.
        """
        if kept is None:
            return self._score(pairs, scorer)
        known = kept.look_up(pairs)
        wanted = np.isnan(known.probability)
        if kept.is_changed:
            wanted |= known.probability >= DOUBT
        if not self.is_one:
            touched = [np.union1d(kept.bereft[0], pairs.rows[wanted])]
            touched += [np.union1d(kept.bereft[1], pairs.others[wanted])]
            wanted |= np.isin(pairs.rows, touched[0]) | np.isin(pairs.others, touched[1])
        scored = self._score(pairs.take(np.flatnonzero(wanted)), scorer)
        for name in MEASURED:
            getattr(known, name)[wanted] = getattr(scored, name)
        return replace(known, scored=scored.scored, pictures=scored.pictures)

    def score_equal(self, scorer: PairScorer) -> None:
        """Finds how likely the listings that look equal are one product.

        They are where all but the id is equal, a picture included. Other ones are scored against
        the first of them, once for all that are equal to each other.
        """
        for side in self._sides:
            probability = np.ones(len(side))
            rows = self._uncertain(side) if self.is_one else NO_ROWS
            _, chosen, kind = np.unique(
                side.keys[rows], axis=0, return_index=True, return_inverse=True
            )
            pairs = self._likeness(side.first_equal[rows[chosen]], rows[chosen])
            probability[rows] = self._score(pairs, scorer).probability[kind]
            self._equal.append(probability)

    def decide(self, scored: ScoredPairs, decisions: LabelledPairs) -> Decided:
        """The pairs with what a person decided of them, after `score_equal`.

        Copies of a listing are decided with it; one that is decided to be another than its
        copies is none of them.
        """
        firsts = self.left.first_equal, self.right.first_equal
        shift = 0 if self.is_one else len(self.left)
        given = []
        labels = decisions.rows, decisions.others, decisions.match
        for row, other, same in zip(*(each.tolist() for each in labels), strict=True):
            one, its = int(firsts[0][row]), int(firsts[1][other])
            if self.is_one and one == its:
                self._equal[0][max(row, other)] = float(same)
            else:
                given.append((one, its + shift, same))
        closed = close_decisions(given, self._comparable)
        decided = {(one, its - shift): same for (one, its), same in closed.is_same.items()}
        if not decided:
            return Decided(scored, closed.contradicting)
        rows, others = find_missing(scored.pairs, decided).T
        cosines = self._finder.cosines(rows, others)
        nothing = np.zeros(len(rows))
        pairs = self._likeness(rows, others)
        added = ScoredPairs(pairs, nothing, cosines.text, cosines.image, nothing)
        return Decided(decide_pairs(scored, decided, added), closed.contradicting)

    def find_denied(self, decisions: LabelledPairs) -> list[tuple[str, str]]:
        """The ids of pairs that are decided to be one product, and whose texts deny it."""
        rows, others = decisions.rows[decisions.match], decisions.others[decisions.match]
        denied = self.texts.denied(Candidates(rows, others, np.zeros(len(rows))))
        left, right = self.left.listings.product_ids, self.right.listings.product_ids
        return [(left[rows[each]], right[others[each]]) for each in denied]

    def _uncertain(self, side: IndexedListings) -> Ints:
        """The listings that look equal to an earlier one, and differ from it or have no picture."""
        later = np.flatnonzero(side.first_equal != np.arange(len(side)))
        equal = (side.keys[later] == side.keys[side.first_equal[later]]).all(axis=1)
        pictures = _join(np.any(side.parts(later[p])[1], axis=1) for p in _parts(len(later)))
        return np.asarray(later[~(equal & (pictures > 0))])

    def _score(self, pairs: Candidates, scorer: PairScorer) -> ScoredPairs:
        found = [
            (scorer.probabilities(features), cosines, says_the_same(features))
            for features, cosines in self._blocks(pairs)
        ]
        probability = _join(probability for probability, *_ in found)
        texts = _join(cosines.text for _, cosines, _ in found)
        images = _join(cosines.image for _, cosines, _ in found)
        one_text = _join(same for *_, same in found) > 0
        parts = _parts(len(pairs.rows))
        conflict = (
            _join(self._features.conflicts(pairs.rows[p], pairs.others[p]) for p in parts) > 0
        )
        likely = np.flatnonzero(((probability >= LIKELY) | one_text) & ~conflict)
        pictures = self.compare_pictures(pairs.take(likely))
        compared = ~np.isnan(pictures.apart)
        looks = self._score_pictures(pairs.take(likely), pictures, scorer)
        probability[likely] = np.where(compared, looks, probability[likely])
        probability = self.texts.judge(pairs, probability, doubts=self._doubts(scorer))
        shared = self._features.overlap(IDENTIFIERS, pairs.rows, pairs.others, None).shared > 0
        probability = self.texts.identify(pairs, probability, np.flatnonzero(shared))
        recoloured = np.zeros(len(probability))
        recoloured[likely] = pictures.recoloured
        return ScoredPairs(
            pairs,
            np.where(conflict, np.minimum(probability, CONFLICT_PROBABILITY), probability),
            texts,
            images,
            recoloured,
            len(pairs.rows),
            int(compared.sum()),
        )

    def compare_pictures(self, pairs: Candidates) -> PictureDifferences:
        """What differs in the pictures of pairs; NaN where one has none."""
        found = np.full((len(fields(PictureDifferences)), len(pairs.rows)), np.nan)
        if self._pictures is not None:
            left, right = self._pictures
            left.read(pairs.rows)
            right.read(pairs.others)
            there = np.flatnonzero(left.there(pairs.rows) & right.there(pairs.others))
            parts = _parts(len(there), PICTURE_PAIRS)
            for part in tqdm(parts, "compare pictures", unit="block", disable=bars_off()):
                own, its = pairs.rows[there[part]], pairs.others[there[part]]
                compared = compare_pictures(left.take(own), right.take(its))
                found[:, there[part]] = [getattr(compared, each.name) for each in fields(compared)]
        return PictureDifferences(*found)

    def lost_pictures(self) -> list[str]:
        """The ids of products whose pictures were encoded, and cannot be read now."""
        found: list[str] = []
        for side, pictures in zip(self._sides, self._pictures or (), strict=False):
            rows = pictures.unread()
            for part in _parts(len(rows)):
                there = side.parts(rows[part])[1].any(axis=1)
                found += [side.listings.product_ids[row] for row in rows[part][there].tolist()]
        return found

    def _score_pictures(
        self, pairs: Candidates, pictures: PictureDifferences, scorer: PairScorer
    ) -> Values:
        """The probability of pairs whose pictures are compared."""
        if self._pictures is None:
            return np.zeros(len(pairs.rows))
        blocks = self._blocks(pairs, pictures)
        return _join(self._judge(features, scorer) for features, _ in blocks)

    def _judge(self, features: Floats, scorer: PairScorer) -> Values:
        """The probability; of what is in doubt inside one catalogue no more than that."""
        probability = scorer.probabilities(features)
        doubtful = (self.is_one and self._doubts(scorer)) & is_doubtful(features)
        return np.where(doubtful, np.minimum(probability, DOUBT), probability)

    def _doubts(self, scorer: PairScorer) -> bool:
        """Whether there are pairs in doubt: with a scorer of a shop's own labels there are none."""
        return scorer.held_out_inside is not None

    def _open_pictures(
        self, left: Catalogue | None, right: Catalogue | None
    ) -> tuple[PairPictures, PairPictures] | None:
        right = left if self.is_one else right
        if left is None or right is None:
            return None
        own = PairPictures(left, self.left.listings.product_ids)
        return own, own if self.is_one else PairPictures(right, self.right.listings.product_ids)

    def group(self, scored: ScoredPairs, scorer: PairScorer, threshold: float) -> list[list[int]]:
        """The members of every group, in which each pair reaches the threshold; ascending.

        A listing of the left side is its row, one of another right side stands behind all these.
        Equal listings are in the group of the first of them.
        """
        shift = 0 if self.is_one else len(self.left)
        same = scored.probability >= threshold
        rows, others = scored.pairs.rows, scored.pairs.others + shift
        components = find_components(rows[same], others[same])
        number = np.full(shift + len(self.right), -1, np.int64)
        for position, members in enumerate(components):
            number[members] = position
        inside = np.flatnonzero((number[rows] >= 0) & (number[rows] == number[others]))
        known = probabilities_by_pair(rows[inside], others[inside], scored.probability[inside])
        missing = missing_pairs(components, known)
        if self.is_one and missing:
            pairs = np.array(missing, np.int64)
            more = self._score(self._pairs(pairs[:, 0], pairs[:, 1]), scorer)
            known |= dict(zip(missing, more.probability.tolist(), strict=True))
        groups = link_completely(known, threshold, self._comparable)
        return self._with_equal([list(each) for each in groups], threshold)

    def name(self, member: int) -> tuple[str, str]:
        """The side and the id of a member of a group."""
        side, listings = "left", self.left.listings
        if member >= len(listings):
            side, member, listings = "right", member - len(listings), self.right.listings
        return side, listings.product_ids[member]

    def equal_rows(
        self, side: IndexedListings, least: float
    ) -> Mapping[int, list[tuple[int, float]]]:
        """The later equal listings of a first one, with the probability that they are the same.

        Only those of at least a probability.
        """
        found: dict[int, list[tuple[int, float]]] = {}
        probability = self._equal[0 if side is self.left else 1]
        later = (side.first_equal != np.arange(len(side))) & (probability >= least)
        for row in np.flatnonzero(later).tolist():
            found.setdefault(int(side.first_equal[row]), []).append((row, float(probability[row])))
        return found

    def _comparable(self, one: int, other: int) -> bool:
        """Whether two members can be a pair: two of one side cannot where there are two."""
        return self.is_one or (one < len(self.left)) != (other < len(self.left))

    def _with_equal(self, groups: list[list[int]], threshold: float) -> list[list[int]]:
        """The groups with the listings that are equal to their members."""
        equal = {
            first + shift: [row + shift for row, _ in rows]
            for side, shift in zip(self._sides, (0, len(self.left)), strict=False)
            for first, rows in self.equal_rows(side, threshold).items()
        }
        found = [
            sorted(m for each in group for m in (each, *equal.get(each, ()))) for group in groups
        ]
        if self.is_one:
            grouped = {member for group in groups for member in group}
            found += [[first, *rows] for first, rows in equal.items() if first not in grouped]
        return sorted(found)

    def _pairs(self, rows: Ints, others: Ints) -> Candidates:
        """Pairs that are given, with their likeness."""
        return self._likeness(self.left.first_equal[rows], self.right.first_equal[others])

    def _likeness(self, rows: Ints, others: Ints) -> Candidates:
        """Pairs of these very rows, with their likeness."""
        pairs = [(rows[part], others[part]) for part in _parts(len(rows))]
        likeness = (self._finder.likeness(*each, self._finder.cosines(*each)) for each in pairs)
        return Candidates(rows, others, _join(likeness))

    def _blocks(
        self, pairs: Candidates, pictures: PictureDifferences | None = None
    ) -> Iterator[tuple[Floats, PairCosines]]:
        """The features and the cosines of pairs, block by block."""
        parts = _parts(len(pairs.rows))
        for part in tqdm(parts, "score", unit="block", disable=bars_off()):
            block = pairs.take(np.arange(part.start, part.stop))
            cosines = self._finder.cosines(block.rows, block.others)
            margins = None if self._competition is None else self._competition.margins(block)
            looks = None if pictures is None else pictures.take(part)
            own = block.rows, block.others
            yield self._features.compute(*own, cosines, margins, looks), cosines


def _join(blocks: Iterable[npt.NDArray[np.generic]]) -> Values:
    return np.concatenate([np.zeros(0), *blocks])


def _parts(count: int, most: int = BLOCK_PAIRS) -> list[slice]:
    return [slice(start, min(start + most, count)) for start in range(0, count, most)]
