"""Figures of a training: recall of held-out pairs, and a probability fitted on held-out queries."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from prodmatch.evaluation.statistics import expected_calibration_error
from prodmatch.model.description import Calibration
from prodmatch.model.hubness import penalised_image_query
from prodmatch.storage.vectors import Vectors

MOST_QUERIES = 2_000  # that a calibration is fitted on
NEAREST = 20  # candidates of a query that a person would be shown
RIDGE = 1e-6
WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Calibrated:
    """A calibration, and how well it does on queries that it was not fitted on."""

    calibration: Calibration
    brier: float  # mean squared error of the probability
    ece: float  # expected calibration error, over ten bins
    base: float  # mean squared error of always saying the share that matches


def recall_of_pairs(text: Vectors, image: Vectors, groups: npt.NDArray[np.int64]) -> float:
    """Share of texts with a picture of their own group among the ten nearest; equal texts once.

    Args:
        text: `(n, dim)` unit rows.
        image: `(n, dim)` unit rows, of the same products.
        groups: `(n,)`, equal for products whose texts are equal.
    """
    found, count = 0, min(10, len(image))
    _, firsts = np.unique(groups, return_index=True)
    for rows in np.split(firsts, range(1024, len(firsts), 1024)):
        nearest = np.argpartition(-(text[rows] @ image.T), count - 1, axis=1)[:, :count]
        found += int((groups[nearest] == groups[rows, None]).any(axis=1).sum())
    return round(found / max(1, len(firsts)), 4)


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, a plural's "s" dropped, so that kurtas is kurta."""
    found = WORD.findall(text.lower())
    return [word[:-1] if len(word) > 3 and word[-1] == "s" else word for word in found]


def draw_words(text: str, rng: np.random.Generator, *, ordered: float = 1.0) -> str:
    """One to four of a text's first twenty words, as a person would search for it.

    Args:
        ordered: how often the words keep their order.
    """
    words = text.split()[:20] or [text]
    count = min(len(words), int(rng.integers(1, 5)))
    picked = rng.choice(len(words), count, replace=False)
    if rng.random() < ordered:
        picked = np.sort(picked)
    return " ".join(words[number] for number in picked)


def draw_queries(texts: Sequence[str]) -> list[str]:
    """One to four words of each text, as a person would search for it."""
    rng = np.random.default_rng(0)
    return [draw_words(text, rng) for text in texts]


def fit_calibration(
    texts: Sequence[str],
    parts: tuple[Vectors, Vectors],
    vectors: Vectors,
    weights: Mapping[str, float],
) -> Calibrated:
    """Scale and bias such that sigmoid(scale * cosine + bias) is the share of hits that match.

    Each query meets its twenty nearest products and twenty drawn at random, by the weighted mean
    of its cosines to text and picture. A product matches whose text says every word of the
    query. Fitted on every other query, measured on the rest.

    Args:
        texts: of the products that are searched.
        parts: their text and image parts, `(n, dim)` unit rows each.
        vectors: `(n, dim)` unit rows of the queries that `draw_queries` gives.
        weights: of the signals; those of words do not count.
    """
    text, image = parts
    share = weights["text"] / max(weights["text"] + weights["image"], 1e-9)
    words_of_product = [frozenset(words_of(each)) for each in texts]
    rng = np.random.default_rng(0)
    cosines, matches = [], []
    image_vectors = penalised_image_query(vectors)
    for row, query in enumerate(draw_queries(texts)):
        near = share * (text @ vectors[row])
        near += (1 - share) * (image @ image_vectors[row])
        count = min(NEAREST, len(near))
        best = np.argpartition(-near, count - 1)[:count]
        rows = np.concatenate([best, rng.integers(0, len(near), NEAREST)])
        words = frozenset(words_of(query))
        cosines.append(near[rows])
        matches.append([words <= words_of_product[other] for other in rows])
    fitted, judged = [
        (np.concatenate(cosines[start::2]), np.concatenate(matches[start::2]).astype(np.float64))
        for start in (0, 1)
    ]
    calibration = _fit(*fitted)
    cosine, match = judged
    logits = calibration.scale * cosine + calibration.bias
    probability = np.exp(-np.logaddexp(0.0, -logits))
    return Calibrated(
        calibration,
        brier=round(float(np.mean((probability - match) ** 2)), 4),
        ece=round(expected_calibration_error(probability, match), 4),
        base=round(float(match.mean() * (1 - match.mean())), 4),
    )


def _fit(cosines: npt.NDArray[np.floating], matches: npt.NDArray[np.float64]) -> Calibration:
    """The minimum of the cross entropy, found by L-BFGS."""
    x, y = torch.from_numpy(cosines).double(), torch.from_numpy(matches)
    parameters = torch.tensor([10.0, -5.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([parameters], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(parameters[0] * x + parameters[1], y)
        loss = loss + RIDGE * parameters.square().sum()  # finite where cosines tell all
        loss.backward()
        return loss

    optimizer.step(closure)
    scale, bias = parameters.detach().tolist()
    return Calibration(round(scale, 4), round(bias, 4))
