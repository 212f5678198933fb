"""Figures of a training: recall of held-out pairs, and the calibration fitted on them."""

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from prodmatch.models import Calibration
from prodmatch.vectors import Vectors

__all__ = ["fit_calibration", "recall_of_pairs"]


def recall_of_pairs(text: Vectors, image: Vectors, groups: npt.NDArray[np.int64]) -> float:
    """Share of texts with a picture of their own group among the ten nearest.

    Args:
        text: `(n, dim)` unit rows.
        image: `(n, dim)` unit rows, of the same products.
        groups: `(n,)`, equal for products whose texts are equal.
    """
    found = 0
    for start in range(0, len(text), 1024):
        scores = text[start : start + 1024] @ image.T  # (block, n)
        count = min(10, scores.shape[1])
        nearest = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        found += int((groups[nearest] == groups[start : start + 1024, None]).any(axis=1).sum())
    return round(found / max(1, len(text)), 4)


def fit_calibration(
    text: Vectors, image: Vectors, groups: npt.NDArray[np.int64], *, seed: int = 0
) -> Calibration:
    """Scale and bias such that sigmoid(scale * cosine + bias) is the share that matches.

    Every text meets its own picture and fifty of other groups; a minimum of the cross entropy,
    found by L-BFGS. So the probability is that of a product among some fifty candidates.
    """
    rng = np.random.default_rng(seed)
    others = rng.integers(0, len(text), (len(text), 50))
    pairs = np.concatenate([np.arange(len(text))[:, None], others], axis=1)  # (n, 51)
    cosines = np.einsum("nd,nkd->nk", text, image[pairs])
    matches = groups[pairs] == groups[:, None]
    x = torch.from_numpy(cosines.ravel()).double()
    y = torch.from_numpy(matches.ravel()).double()
    parameters = torch.tensor([10.0, -5.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([parameters], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(parameters[0] * x + parameters[1], y)
        loss.backward()
        return loss

    optimizer.step(closure)
    scale, bias = parameters.detach().tolist()
    return Calibration(round(scale, 4), round(bias, 4))
