"""Probabilities that are kept, and the threshold of a stated precision."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prodmatch.storage.arrow import Numbers

SURENESS = 1.645  # standard deviations below what was measured: 95 % one-sided
MIN_PROBABILITY = 0.5  # of a value that is predicted, whatever the precision


@dataclass(frozen=True)
class Calibration:
    """A rising function of scores, by isotonic regression: their share of right predictions."""

    scores: Numbers
    probabilities: Numbers

    def __call__(self, scores: Numbers) -> Numbers:
        """The probability that a prediction of this score is right."""
        return np.interp(scores, self.scores, self.probabilities)


def calibrate(scores: Numbers, right: npt.NDArray[np.bool_]) -> Calibration:
    """Fits a calibration by pooling neighbours that fall (pool adjacent violators).

    A block's share counts one more that is wrong, so that no probability is 1.
    """
    order = np.argsort(scores, kind="stable")
    blocks: list[list[float]] = []  # right, count, sum of the scores
    for score, hit in zip(scores[order].tolist(), right[order].tolist(), strict=True):
        blocks.append([float(hit), 1.0, score])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            last = blocks.pop()
            blocks[-1] = [one + other for one, other in zip(blocks[-1], last, strict=True)]
    found = np.array(blocks)
    probabilities = np.maximum.accumulate(found[:, 0] / (found[:, 1] + 1))
    return Calibration(found[:, 2] / found[:, 1], probabilities)


def lower_bound(right: Numbers, count: Numbers) -> Numbers:
    """The least share that so many right ones of a count may be of (Wilson, one-sided 95 %)."""
    share, square = right / count, SURENESS**2
    margin = SURENESS * np.sqrt(share * (1 - share) / count + square / (4 * count**2))
    return np.asarray((share + square / (2 * count) - margin) / (1 + square / count))


def choose_threshold(
    scores: Numbers, right: npt.NDArray[np.bool_], precision: float
) -> float | None:
    """The lowest score from which on predictions are right so often; None where there is none.

    The share is the lower bound of what was measured, so few rows need a better one.
    """
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    count = np.arange(1, len(order) + 1, dtype=np.float64)
    kept = lower_bound(np.cumsum(right[order]).astype(np.float64), count) >= precision
    ends = np.append(ordered[1:] < ordered[:-1], True)  # equal scores stay together
    usable = np.flatnonzero(kept & ends)
    return float(ordered[usable[-1]]) if len(usable) else None
