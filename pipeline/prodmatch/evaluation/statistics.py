"""Intervals, tests and calibration errors: how sure a figure is."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

RESAMPLES = 2_000
PERMUTATIONS = 10_000
BLOCK = 1_000  # permutations at a time
BINS = 10


@dataclass(frozen=True)
class Figure:
    """The mean of a measure over the queries, and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def bootstrap_mean(values: Values, seed: int) -> Figure:
    """The mean of `(queries,)` values and its interval, by the percentiles of resampled means."""
    rng = np.random.default_rng(seed)
    means = [rng.choice(values, len(values)).mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return Figure(*(round(float(value), 7) for value in (values.mean(), low, high)))


def randomisation_test(differences: Values, seed: int) -> float:
    """The two-sided p of paired differences `(queries,)`: how often random signs do as much."""
    rng = np.random.default_rng(seed)
    observed = abs(differences.mean()) - 1e-12
    extreme = 0
    for _ in range(PERMUTATIONS // BLOCK):
        signs = rng.choice([-1.0, 1.0], (BLOCK, len(differences)))  # (permutations, queries)
        extreme += int((np.abs((signs * differences).mean(axis=1)) >= observed).sum())
    return (1 + extreme) / (1 + PERMUTATIONS)


def brier_score(probabilities: npt.NDArray[np.floating], matches: Values) -> float:
    """The mean squared error of `(hits,)` probabilities against matches, 0 or 1."""
    return float(np.mean((probabilities - matches) ** 2))


def expected_calibration_error(
    probabilities: npt.NDArray[np.floating], matches: Values | npt.NDArray[np.bool_]
) -> float:
    """The mean gap of probability and share of matches, over ten bins of equal width."""
    bins = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, weights=probabilities - matches, minlength=BINS)
    return float(np.abs(gaps).sum()) / len(probabilities)
