"""Trains the shipped scorer of pairs on stores of labelled pairs; says what it finds of each.

A source is LEFT_STORE,RIGHT_STORE,PAIRS of two shops, or STORE,PAIRS of one catalogue. In one
catalogue candidates that are no labelled pair are examples of what is different, unless their
pictures, or texts without pictures, are one and the same. All products of a title must be in it, as
`plant_duplicates.py` takes them: that equal titles often name several products is learnt there.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from prodmatch.catalogue.remembered import open_remembered
from prodmatch.matching.duplicate_groups import find_components
from prodmatch.matching.matcher import Matcher
from prodmatch.matching.pair_features import NAMES
from prodmatch.matching.scoring.scorer_training import BoostingSettings, Labels, train_scorer
from prodmatch.search.product_index import open_index

MARGINS = [NAMES.index(name) for name in ("margin_least", "margin_most")]
PICTURE_NAMES = ("pictures_apart", "pictures_colour", "pictures_alike")
PICTURES = [NAMES.index(name) for name in PICTURE_NAMES]
COPIED = 0.6  # of the labelled pairs, with one picture
FORGOTTEN = 0.3  # of the pairs whose pictures are compared: the first look has none
CANDIDATES = 10
ONE_PICTURE, ONE_TEXT = 0.965, 0.98  # cosines


@dataclass(frozen=True)
class Source:
    """Labelled pairs of one source."""

    name: str
    labels: Labels


def read_source(value: str, chance: np.random.Generator, negatives: int) -> Source:
    """The pairs of a source; of half of those of two shops the margins are forgotten."""
    *stores, pairs = map(Path, value.split(","))
    indexes = [open_index(store) for store in stores]
    if len(stores) == 2:
        matcher = Matcher(*(index.searcher for index in indexes))
        matcher.find(CANDIDATES)
        labels = matcher.labels(matcher.read_labels(pairs))
        forget(labels, MARGINS, 0.5, chance)
        return Source(pairs.stem, labels)
    matcher = Matcher(indexes[0].searcher, catalogues=(open_remembered(stores[0]), None))
    found = matcher.find(CANDIDATES)
    known = matcher.read_labels(pairs)
    families = np.arange(len(matcher.left))
    for members in find_components(known.rows, known.others):
        families[members] = members[0]
    chosen = np.flatnonzero(families[found.rows] != families[found.others])
    count = min(negatives * len(matcher.left), len(chosen))
    chosen = chance.choice(chosen, count, replace=False)
    more = found.take(np.sort(chosen))
    extra = matcher.labels(
        replace(known, rows=more.rows, others=more.others, match=np.zeros(len(chosen), np.bool_))
    )
    different = ~may_match(extra.features)
    extra = Labels(extra.features[different], extra.match[different], extra.groups[different])
    own = matcher.labels(known)
    labels = join([own, with_one_picture(own, chance), extra], apart=False)
    forget(labels, PICTURES, FORGOTTEN, chance)
    return Source(pairs.parent.name, labels)


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
    for name, value in zip(("image_cosine", *PICTURE_NAMES), (1, 0, 0, 1), strict=True):
        features[:, NAMES.index(name)] = value
    features[:, NAMES.index("cosine")] = (features[:, NAMES.index("text_cosine")] + 1) / 2
    return Labels(features, labels.match[chosen], labels.groups[chosen])


def may_match(features: np.ndarray) -> np.ndarray:
    """Which pairs may be duplicates of the catalogue.

    They have one picture, or one text without pictures, and no other numbers, codes or sizes.
    """
    text, image, numbers, *conflicts = (
        features[:, NAMES.index(name)]
        for name in (
            *("text_cosine", "image_cosine", "numbers_most"),
            *("codes_apart", "quantities_conflict", "sizes_conflict"),
        )
    )
    conflict = (numbers < 1) | (np.nan_to_num(np.stack(conflicts)) > 0).any(axis=0)
    return ~conflict & ((image > ONE_PICTURE) | (np.isnan(image) & (text > ONE_TEXT)))


def join(labels: list[Labels], *, apart: bool = True) -> Labels:
    """All pairs; groups of different sources stay apart, those of one catalogue are the same."""
    starts = np.cumsum([0, *(int(each.groups.max()) + 1 for each in labels)])
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
    parser.add_argument("--negatives", type=int, default=6, help="of every listing")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    chance = np.random.default_rng(options.seed)
    sources = [read_source(each, chance, options.negatives) for each in options.sources]
    for source in sources:
        match = source.labels.match
        print(f"{source.name}: {len(match)} pairs, {int(match.sum())} match")  # noqa: T201
    labels = join([each.labels for each in sources])
    scorer = train_scorer(labels, "shipped", BoostingSettings(trees=250, leaves=20))
    held = scorer.held_out
    print(f"calibration error {held.calibration_error():.4f}")  # noqa: T201
    for precision in (0.9, 0.95, 0.98):
        threshold = held.threshold(precision)
        print(f"precision {precision}: {threshold:.3f}, recall {held.recall(threshold):.3f}")  # noqa: T201
    scorer.save(options.out)


if __name__ == "__main__":
    main()
