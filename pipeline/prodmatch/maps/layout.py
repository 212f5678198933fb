"""Positions of products in two dimensions, near to those that they are like."""

import importlib.util
import logging

import numpy as np
import numpy.typing as npt

from prodmatch.search.vectors.index_builder import Kind, build_index
from prodmatch.storage.vectors import Rows, Vectors, draw_rows

logger = logging.getLogger(__name__)

FLAT: Kind = "flat"
LINKED: Kind = "hnsw"
EXACT_ROWS = 20_000  # up to here every row is compared with every other
AXES = 128
NEIGHBOURS = 15  # of a product, which its position is to be near to
BATCH_ROWS = 1024
EXAGGERATED_STEPS, STEPS = 250, 350
FEWEST = 50  # products, for neighbours to say something
SEED = 0


def find_neighbours(vectors: Vectors, exact_rows: int = EXACT_ROWS) -> tuple[Rows, Vectors]:
    """The nearest rows to each row, and their cosines, best first: `(n, NEIGHBOURS)`.

    Of many rows nearly the nearest: they are searched in the main axes alone, by links. Places
    without a neighbour have the row itself and a cosine of 0.
    """
    searched, kind = vectors, FLAT
    if len(vectors) > exact_rows:
        searched, kind = np.ascontiguousarray(vectors @ _axes(vectors, AXES)), LINKED
    index = build_index(lambda: [searched], len(searched), searched.shape[1], kind)
    index.widen()
    index.widen()
    found = np.repeat(np.arange(len(vectors))[:, None], NEIGHBOURS, axis=1)
    cosines = np.zeros(found.shape, np.float32)
    for start in range(0, len(vectors), BATCH_ROWS):
        batch = searched[start : start + BATCH_ROWS]
        for row, near in enumerate(index.search(batch, NEIGHBOURS + 1), start):
            own = near.rows[near.rows != row][:NEIGHBOURS]
            scores = vectors[own] @ vectors[row]
            order = np.argsort(-scores, kind="stable")
            found[row, : len(own)], cosines[row, : len(own)] = own[order], scores[order]
    return found, cosines


def has_tsne() -> bool:
    """Whether the library of the extra `map` is installed."""
    return importlib.util.find_spec("openTSNE") is not None


def make_layout(vectors: Vectors, neighbours: Rows, *, with_tsne: bool) -> Vectors:
    """Positions `(n, 2)` from -1 to 1, by t-SNE from the two main axes, or these alone.

    Args:
        vectors: `(n, dim)`.
        neighbours: `(n, k)` of each, as `find_neighbours` gives them.
        with_tsne: only where `has_tsne`.
    """
    start = main_axes(vectors)
    if not with_tsne or len(vectors) < FEWEST:
        return _scaled(start)
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PrecomputedAffinities
    from scipy.sparse import csr_matrix

    count, width = neighbours.shape
    rows = np.repeat(np.arange(count), width)
    weights = csr_matrix((np.ones(rows.size), (rows, neighbours.reshape(-1))), (count, count))
    weights.setdiag(0)
    weights = weights + weights.T
    affinities = PrecomputedAffinities(weights / weights.sum(), normalize=False)
    first = (start / max(1e-12, float(start[:, 0].std())) * 1e-4).astype(np.float64)
    placed = TSNEEmbedding(first, affinities, random_state=SEED, n_jobs=-1)
    logger.info("placing the products", extra={"phase": "place the products"})
    placed = placed.optimize(EXAGGERATED_STEPS, exaggeration=12, momentum=0.5)
    placed = placed.optimize(STEPS, exaggeration=1, momentum=0.8)
    return _scaled(np.asarray(placed))


def main_axes(vectors: Vectors) -> Vectors:
    """The first two principal components `(n, 2)`."""
    centred = vectors - vectors.mean(axis=0)
    return np.asarray(centred @ _axes(centred, 2), np.float32)


def _axes(vectors: Vectors, count: int) -> Vectors:
    """The `(dim, count)` directions of the greatest squares, fewer where there are fewer."""
    sample = vectors[draw_rows(len(vectors), 20_000)]
    _, axes = np.linalg.eigh(sample.T @ sample)
    chosen = axes[:, : -count - 1 : -1]
    signs = np.sign(chosen[np.abs(chosen).argmax(axis=0), np.arange(chosen.shape[1])])
    return np.asarray(chosen * signs, np.float32)


def _scaled(positions: npt.NDArray[np.floating]) -> Vectors:
    low, high = np.quantile(positions, [0.001, 0.999], axis=0)
    half = max(1e-12, float((high - low).max()) / 2)
    scaled = np.clip((positions - (low + high) / 2) / half, -1.05, 1.05)
    return np.asarray(scaled, np.float32)
