"""Calibration: scores to probabilities of a match (Platt scaling)."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

NEWTON_STEPS = 50
LEAST_STEP = 1e-8
Scores = TypeVar("Scores", npt.NDArray[np.float32], npt.NDArray[np.float64])


@dataclass(frozen=True)
class Calibration:
    """Probability of a match = sigmoid(scale * score + bias), fitted on held-out pairs."""

    scale: float = 10.0
    bias: float = -5.0

    def probability(self, scores: Scores) -> Scores:
        """That of each score."""
        return sigmoid(self.scale * scores + self.bias)


def sigmoid(log_odds: Scores) -> Scores:
    """Probabilities of log-odds."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(log_odds, -60, 60))), log_odds.dtype)


def fit_calibration(
    scores: npt.NDArray[np.floating],
    matches: npt.NDArray[np.bool_] | npt.NDArray[np.float64],
    *,
    prior: tuple[float, float],
    pull: float,
) -> Calibration:
    """The minimum of the cross entropy, by Newton's method.

    Args:
        scores: `(n,)`.
        matches: `(n,)`.
        prior: where scale and bias are drawn to, so that they are finite where scores tell all.
        pull: how much, against 1 for the entropy of one score.
    """
    inputs = np.stack([scores.astype(np.float64), np.ones(len(scores))], axis=1)
    mean = np.array(prior)

    def loss(weights: npt.NDArray[np.float64]) -> float:
        margins = np.where(matches, 1, -1) * (inputs @ weights)
        return float(np.logaddexp(0, -margins).sum() + pull / 2 * ((weights - mean) ** 2).sum())

    weights = mean
    for _ in range(NEWTON_STEPS):
        probability = sigmoid(inputs @ weights)
        gradient = inputs.T @ (probability - matches) + pull * (weights - mean)
        curvature = (inputs * (probability * (1 - probability))[:, None]).T @ inputs
        step = np.linalg.solve(curvature + pull * np.eye(2), gradient)
        while loss(weights - step) > loss(weights) and np.abs(step).max() > LEAST_STEP:
            step /= 2
        weights = weights - step
        if np.abs(step).max() < LEAST_STEP:
            break
    return Calibration(*map(float, weights))
