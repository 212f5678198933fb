"""The rows nearest to queries: as they are told, found exactly, and counted."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prodmatch.storage.vectors import Vectors


@dataclass(frozen=True)
class Neighbours:
    """The nearest rows of one query: score descending, then row ascending; no padding."""

    rows: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]


def ordered(rows: npt.NDArray[np.int64], scores: npt.NDArray[np.float32]) -> Neighbours:
    """Rows in the order of their scores; FAISS's padding is left out."""
    found = rows >= 0  # FAISS fills up with -1
    rows, scores = rows[found], scores[found]
    order = np.lexsort((rows, -scores))
    return Neighbours(rows[order], scores[order])


def exact_neighbours(blocks: Iterable[Vectors], queries: Vectors, count: int) -> list[Neighbours]:
    """The true nearest rows of `(n, dim)` queries, by numpy over blocks, in bounded memory."""
    best = [Neighbours(np.zeros(0, np.int64), np.zeros(0, np.float32)) for _ in queries]
    start = 0
    for block in blocks:
        for query, scores in enumerate(queries @ block.T):
            best[query] = _nearest(best[query], scores, start, count)
        start += len(block)
    return best


def _nearest(
    before: Neighbours, scores: npt.NDArray[np.float32], start: int, count: int
) -> Neighbours:
    """The best of those before and of the rows from `start` on; of equal ones the first rows."""
    least = before.scores[-1] if len(before.scores) == count else -np.inf
    if len(scores) > count:
        least = max(least, np.partition(scores, -count)[-count])
    rows = np.flatnonzero(scores >= least)
    rows = np.concatenate([before.rows, rows + start])
    scores = np.concatenate([before.scores, scores[rows[len(before.rows) :] - start]])
    order = np.argsort(-scores, kind="stable")[:count]
    return Neighbours(rows[order], scores[order])


def recall_at(found: list[Neighbours], truth: list[Neighbours], error: float = 0.0) -> float:
    """Share of the true neighbours that were found; one of equal score counts as found.

    Args:
        found: of some queries.
        truth: of the same.
        error: of the scores of what was found, at most.
    """
    error += 1e-6
    shares = [
        float(np.sum(ours.scores[: len(true.scores)] >= true.scores[-1] - error)) / len(true.scores)
        for ours, true in zip(found, truth, strict=True)
        if len(true.scores)
    ]
    return float(np.mean(shares)) if shares else 1.0
