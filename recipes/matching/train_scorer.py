"""Trains the shipped scorer of pairs on stores of labelled pairs; says what it finds of each.

A source is LEFT_STORE,RIGHT_STORE,PAIRS of two shops, or STORE,PAIRS of one catalogue. In one
catalogue candidates that are no labelled pair are examples of what is different.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from prodmatch.matching.duplicate_groups import find_components
from prodmatch.matching.matcher import Matcher
from prodmatch.matching.pair_features import NAMES
from prodmatch.matching.scoring.scorer_training import Labels, train_scorer
from prodmatch.search.product_index import open_index

MARGINS = [NAMES.index(name) for name in ("margin_least", "margin_most")]
CANDIDATES = 10


@dataclass(frozen=True)
class Source:
    """Labelled pairs of one source."""

    name: str
    labels: Labels


def read_source(value: str, chance: np.random.Generator, negatives: int) -> Source:
    """The pairs of a source; of half of those of two shops the margins are forgotten."""
    *stores, pairs = map(Path, value.split(","))
    indexes = [open_index(store) for store in stores]
    matcher = Matcher(*(index.searcher for index in indexes))
    found = matcher.find(CANDIDATES)
    known = matcher.read_labels(pairs)
    labels = matcher.labels(known)
    if len(stores) == 2:
        forgotten = chance.random(len(known.match)) < 0.5
        labels.features[np.ix_(forgotten, MARGINS)] = np.nan
        return Source(pairs.stem, labels)
    families = np.arange(len(matcher.left))
    for members in find_components(known.rows, known.others):
        families[members] = members[0]
    strange = families[found.rows] != families[found.others]
    cosines = matcher.score_cosines(found)
    strange &= ~((np.nan_to_num(cosines.text) > 0.98) | (np.nan_to_num(cosines.image) > 0.97))
    chosen = np.flatnonzero(strange)
    chosen = chance.choice(chosen, min(negatives, len(chosen)), replace=False)
    more = found.take(np.sort(chosen))
    extra = matcher.labels(
        replace(known, rows=more.rows, others=more.others, match=np.zeros(len(chosen), np.bool_))
    )
    return Source(pairs.parent.name, join([labels, extra]))


def join(labels: list[Labels]) -> Labels:
    """All pairs; groups of different sources stay apart."""
    starts = np.cumsum([0, *(int(each.groups.max()) + 1 for each in labels)])
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
    parser.add_argument("--negatives", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    chance = np.random.default_rng(options.seed)
    sources = [read_source(each, chance, options.negatives) for each in options.sources]
    for source in sources:
        match = source.labels.match
        print(f"{source.name}: {len(match)} pairs, {int(match.sum())} match")  # noqa: T201
    scorer = train_scorer(join([each.labels for each in sources]), "shipped")
    held = scorer.held_out
    print(f"calibration error {held.calibration_error():.4f}")  # noqa: T201
    for precision in (0.9, 0.95, 0.98):
        threshold = held.threshold(precision)
        print(f"precision {precision}: {threshold:.3f}, recall {held.recall(threshold):.3f}")  # noqa: T201
    scorer.save(options.out)


if __name__ == "__main__":
    main()
