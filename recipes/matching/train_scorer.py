"""Trains the shipped scorer of pairs on stores of labelled pairs; says what it finds of each.

A source is LEFT_STORE,RIGHT_STORE,PAIRS of two shops, or STORE,PAIRS of one catalogue. In one
catalogue candidates that are no labelled pair are examples of what is different, and those of one
photograph whose texts do not conflict of what is the same. All products of a title must be in it,
as `plant_duplicates.py` takes them: that equal titles often name several products is learnt there.
Pairs without pictures are learnt from twice: also as if they had pictures such as those of the
first catalogue with pictures, one photograph or two.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from prodmatch.catalogue.remembered import open_remembered
from prodmatch.errors import QueryError
from prodmatch.evaluation.comparison import expected_calibration_error
from prodmatch.matching.duplicate_groups import find_components
from prodmatch.matching.matcher import Matcher
from prodmatch.matching.pair_features import (
    DOUBT,
    NAMES,
    ONE_PHOTOGRAPH,
    has_conflict,
    has_one_photograph,
    is_doubtful,
)
from prodmatch.matching.scoring.labelled_pairs import LabelledPairs
from prodmatch.matching.scoring.pair_scorer import HeldOut
from prodmatch.matching.scoring.scorer_training import BoostingSettings, Labels, train_scorer
from prodmatch.search.product_index import open_index

MARGINS = [NAMES.index(name) for name in ("margin_least", "margin_most")]
PICTURES = [NAMES.index(name) for name in ONE_PHOTOGRAPH]
LENT_COLUMNS = [NAMES.index("image_cosine"), *PICTURES]
# Of the image's cosine and PICTURES, at most, where a file is the same or is encoded anew: mostly
# far less, as of files that differ in nothing but their size.
CHANGES = np.array([-0.01, 0.03, 0.08, 5.0, 15.0])
EQUAL_PICTURES = np.float32([1, 0, 0, 0, 0])
EQUAL = 0.002  # pictures_apart, below it
COPIED = 0.6  # of the labelled pairs, with one picture
FORGOTTEN = 0.3  # of the pairs whose pictures are compared: the first look has none
CANDIDATES = 10
ONE_TEXT, LEAST_COSINE = 0.98, 0.6  # cosines
TWO_PHOTOGRAPHS = 0.1  # pictures_apart, at least
OTHERS_OF_STORES = 2  # times: fewer pairs of a real store match than of a planted one
LENT, LENT_OTHERS = 0.7, 0.05  # of the pairs that match, and of others: lent one photograph


@dataclass(frozen=True)
class Source:
    """Labelled pairs of one source; `planted` where they are of a catalogue with pictures."""

    name: str
    labels: Labels

    @property
    def planted(self) -> bool:
        """Whether any of its pairs has pictures."""
        return not np.isnan(self.labels.features[:, NAMES.index("image_cosine")]).all()


def read_source(value: str, chance: np.random.Generator, negatives: int) -> Source:
    """The pairs of a source; of half of those of two shops the margins are forgotten."""
    *stores, pairs = map(Path, value.split(","))
    indexes = [open_index(store) for store in stores]
    if len(stores) == 2:
        matcher = Matcher(*(index.searcher for index in indexes))
        matcher.find(CANDIDATES)
        labels = matcher.labels(matcher.read_labels(pairs))
        forget(labels, MARGINS, 0.5, chance)
        return Source(pairs.parent.name, labels)
    matcher = Matcher(indexes[0].searcher, catalogues=(open_remembered(stores[0]), None))
    known = matcher.read_labels(pairs)
    own = matcher.labels(known)
    extra = read_neighbours(matcher, known, negatives, chance)
    labels = join([own, with_one_picture(own, chance), extra], apart=False)
    vary_equal_pictures(labels, chance)
    forget(labels, PICTURES, FORGOTTEN, chance)
    return Source(pairs.parent.name, labels)


def read_neighbours(
    matcher: Matcher, known: LabelledPairs, count: int, chance: np.random.Generator
) -> Labels:
    """Candidates of a catalogue, so many of every listing, but not of the families that are known.

    Those of one photograph match where the words of one are in the other; where they are not, yet
    nothing tells the two apart, or where there is but one text without pictures, nobody knows, and
    these are left out. All others are different.
    """
    found = matcher.find(CANDIDATES)
    count = min(count * len(matcher.left), len(found.rows))
    chosen = found.take(np.sort(chance.choice(len(found.rows), count, replace=False)))
    rows, others = chosen.rows, chosen.others
    labels = matcher.labels(
        replace(known, rows=rows, others=others, match=np.zeros(count, np.bool_))
    )
    similar = may_match(labels.features)
    unknown = ~similar & ~has_conflict(labels.features) & has_one_photograph(labels.features)
    families = number_families(len(matcher.left), known.rows, known.others)
    apart = families[rows] != families[others]
    match = similar & apart & has_one_photograph(labels.features)
    ends = np.append(known.rows, rows[similar]), np.append(known.others, others[similar])
    families = number_families(len(matcher.left), *ends)
    kept = match | ((families[rows] != families[others]) & ~unknown)
    return Labels(labels.features[kept], match[kept], labels.groups[kept])


def number_families(count: int, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The first member of what pairs connect each of so many rows to."""
    families = np.arange(count)
    for members in find_components(rows, others):
        families[members] = members[0]
    return families


def forget(labels: Labels, columns: list[int], share: float, chance: np.random.Generator) -> None:
    """Makes features of a share of the pairs unknown."""
    forgotten = chance.random(len(labels.match)) < share
    labels.features[np.ix_(forgotten, columns)] = np.nan


def with_one_picture(labels: Labels, chance: np.random.Generator) -> Labels:
    """Copies of pairs as if both had one and the same picture, as shops of one supplier have.

    Of those that match, and of variants in what no picture shows: pack, size, quantity.
    """
    names = ("packs_conflict", "sizes_conflict", "quantities_conflict")
    conflicts = np.nan_to_num(labels.features[:, [NAMES.index(name) for name in names]])
    chosen = (labels.match | (conflicts > 0).any(axis=1)) & (chance.random(len(conflicts)) < COPIED)
    chosen &= ~np.isnan(labels.features[:, NAMES.index("image_cosine")])
    features = labels.features[chosen]
    set_pictures(features, np.tile(EQUAL_PICTURES, (len(features), 1)))
    return Labels(features, labels.match[chosen], labels.groups[chosen])


def lend_pictures(sources: list[Source], chance: np.random.Generator) -> list[Source]:
    """The sources, those without pictures twice: also with those of the first that has any."""
    lenders = [each.labels for each in sources if each.planted]
    if not lenders:
        return sources
    found = []
    for source in sources:
        own = source.labels
        if not source.planted:
            own = join([own, with_pictures(own, lenders[0], chance)], apart=False)
        found.append(Source(source.name, own))
    return found


def take_inside(sources: list[Source], labels: Labels, held_out: HeldOut) -> HeldOut:
    """Of the pairs held out those of catalogues with pictures, in doubt as `match` has them.

    Args:
        sources: as they were before pictures were lent.
        labels: all their pairs, in order; those without pictures twice.
        held_out: of the same.
    """
    counts = [len(each.labels.match) * (1 if each.planted else 2) for each in sources]
    planted = np.repeat([each.planted for each in sources], counts)
    doubtful = is_doubtful(labels.features)
    probability = np.where(doubtful, np.minimum(held_out.probability, DOUBT), held_out.probability)
    match = held_out.match[planted]
    times = np.where(match, 1, OTHERS_OF_STORES)
    return HeldOut(np.repeat(probability[planted], times), np.repeat(match, times))


def vary_equal_pictures(labels: Labels, chance: np.random.Generator) -> None:
    """Changes what equal pictures say by as little as those of shops differ, who encode anew."""
    equal = labels.features[:, PICTURES[0]] < EQUAL
    changes = chance.random((int(equal.sum()), len(CHANGES))) ** 4 * CHANGES
    features = labels.features[equal]
    set_pictures(features, np.float32(EQUAL_PICTURES + changes))
    labels.features[equal] = features


def with_pictures(labels: Labels, lenders: Labels, chance: np.random.Generator) -> Labels:
    """Pairs without pictures with those of pairs of a catalogue: one photograph, or two."""
    pictures = lenders.features[:, LENT_COLUMNS]
    there = ~np.isnan(pictures).any(axis=1)
    two = ~lenders.match & (lenders.features[:, PICTURES[0]] >= TWO_PHOTOGRAPHS)
    pools = [np.flatnonzero(there & two), np.flatnonzero(there & lenders.match)]
    shares = np.where(labels.match, LENT, LENT_OTHERS)
    same = chance.random(len(labels.match)) < shares
    lent = np.where(same, *(chance.choice(pool, len(same)) for pool in reversed(pools)))
    features = labels.features.copy()
    set_pictures(features, pictures[lent])
    return Labels(features, labels.match, labels.groups)


def set_pictures(features: np.ndarray, pictures: np.ndarray) -> None:
    """Sets what pictures say, `(pairs, 5)`, of pairs that have texts."""
    features[:, LENT_COLUMNS] = pictures
    text = features[:, NAMES.index("text_cosine")]
    features[:, NAMES.index("cosine")] = (text + pictures[:, 0]) / 2


def may_match(features: np.ndarray) -> np.ndarray:
    """Which pairs may be duplicates of the catalogue.

    They have one photograph and no word on both sides that the other lacks, or one text without
    pictures, and nothing that tells them apart.
    """
    names = ("text_cosine", "image_cosine", "terms_alone_least", "numbers_alone", "sizes_alone")
    text, image, *alone = (features[:, NAMES.index(name)] for name in names)
    contained = (np.stack(alone) == 0).all(axis=0)
    photograph = has_one_photograph(features) & contained & (text >= LEAST_COSINE)
    return ~has_conflict(features) & (photograph | (np.isnan(image) & (text > ONE_TEXT)))


def join(labels: list[Labels], *, apart: bool = True) -> Labels:
    """All pairs; groups of different sources stay apart, those of one catalogue are the same."""
    starts = np.cumsum([0, *(int(each.groups.max(initial=0)) + 1 for each in labels)])
    starts *= apart
    groups = [each.groups + start for each, start in zip(labels, starts, strict=False)]
    return Labels(
        np.concatenate([each.features for each in labels]),
        np.concatenate([each.match for each in labels]),
        np.concatenate(groups),
    )


def main() -> None:
    """Reads the arguments and writes the scorer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--negatives", type=int, default=3, help="of every listing")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    chance = np.random.default_rng(options.seed)
    sources = [read_source(each, chance, options.negatives) for each in options.sources]
    for source in sources:
        match = source.labels.match
        print(f"{source.name}: {len(match)} pairs, {int(match.sum())} match")  # noqa: T201
    labels = join([each.labels for each in lend_pictures(sources, chance)])
    scorer = train_scorer(
        labels, "shipped", BoostingSettings(trees=120, leaves=24, learning_rate=0.1)
    )
    held = scorer.held_out
    if any(each.planted for each in sources):
        scorer = replace(scorer, held_out_inside=take_inside(sources, labels, held))
    error = expected_calibration_error(held.probability, held.match)
    print(f"calibration error {error:.4f}; digest {scorer.digest()}")  # noqa: T201
    scorer.save(options.out)
    for name, each in (("two", held), ("inside", scorer.held_out_of(is_one=True))):
        for precision in (0.9, 0.95, 0.98):
            try:
                threshold = each.threshold(precision)
            except QueryError as error:
                print(f"{name}: {error}")  # noqa: T201
                continue
            recall = each.recall(threshold)
            print(f"{name}: precision {precision}: {threshold:.3f}, recall {recall:.3f}")  # noqa: T201


if __name__ == "__main__":
    main()
