"""Measures matching of two stores on labelled pairs: learns on TRAIN, chooses on VALID, says TEST.

F1 at the threshold that is best on VALID, the calibration error there, and the precision and recall
of the threshold that VALID gives for a precision of .95.
"""

import argparse
from pathlib import Path

import numpy as np

from prodmatch.evaluation.comparison import expected_calibration_error
from prodmatch.matching.matcher import Matcher
from prodmatch.matching.scoring.pair_scorer import HeldOut, PairScorer
from prodmatch.matching.scoring.scorer_training import calibrate_scorer, train_scorer
from prodmatch.search.product_index import open_index


def f1(held_out: HeldOut, threshold: float) -> float:
    """The F1 of what is at or above a threshold."""
    found = held_out.probability >= threshold
    return float(2 * (found & held_out.match).sum() / (found.sum() + held_out.match.sum()))


def main() -> None:
    """Reads the arguments and prints what is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", type=Path, nargs=2)
    parser.add_argument("pairs", type=Path, nargs=3, metavar="TRAIN VALID TEST")
    options = parser.parse_args()
    indexes = [open_index(store) for store in options.stores]
    matcher = Matcher(*(index.searcher for index in indexes))
    candidates = matcher.find(10)
    known = [matcher.read_labels(path) for path in options.pairs]
    train, valid, test = (matcher.labels(pairs) for pairs in known)
    there = set(zip(candidates.rows.tolist(), candidates.others.tolist(), strict=True))
    matching = [
        (row, other)
        for pairs in known
        for row, other in zip(
            pairs.rows[pairs.match].tolist(), pairs.others[pairs.match].tolist(), strict=True
        )
    ]
    scorer = train_scorer(train, "train")
    calibrated = calibrate_scorer(scorer.trees.log_odds(valid.features), valid.match)
    scorer = PairScorer(scorer.trees, *calibrated, scorer.origin, scorer.held_out_inside)
    measured = HeldOut(scorer.probabilities(test.features), test.match)
    thresholds = np.unique(scorer.held_out.probability)
    best = max(thresholds.tolist(), key=lambda each: f1(scorer.held_out, each))
    sure = scorer.held_out.threshold(0.95)
    figures = {
        "completeness": float(np.mean([pair in there for pair in matching])),
        "f1": f1(measured, best),
        "calibration_error": expected_calibration_error(measured.probability, measured.match),
        "precision": measured.precision(sure),
        "recall": measured.recall(sure),
    }
    for name, value in figures.items():
        print(f"{name} {value:.3f}")  # noqa: T201


if __name__ == "__main__":
    main()
