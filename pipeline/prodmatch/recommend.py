"""Job: a history of liked and disliked products to more products."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from prodmatch.errors import QueryError
from prodmatch.search.encoded_query import Probe, item_probe
from prodmatch.search.hits import Hit
from prodmatch.search.product_index import ProductIndex
from prodmatch.search.searcher import Wanted
from prodmatch.storage.vectors import Vectors, normalise, split_halves

__all__ = ["recommend_products"]

# Of what is liked. Sixty tastes on real products (three of a kind and colour liked, two of the
# kind in another colour not): of ten found, 7.7 are of the liked sort and 0.4 of the other at a
# share of 0, 7.6 and 0.1 at a quarter, 6.7 and 0.05 at a half, 2.7 and none at the whole.
DISLIKED_SHARE = 0.25


def recommend_products(
    index: ProductIndex,
    liked: Sequence[str],
    disliked: Sequence[str] = (),
    wanted: Wanted | None = None,
) -> list[Hit]:
    """The products nearest to a taste, best first; none of the history is among them.

    A taste is, in each half, the mean of the liked products less a quarter of the mean of the
    disliked ones (Rocchio's rule). Words play no part.

    Args:
        index: where to look.
        liked: ids of products, at least one.
        disliked: ids of products to keep away from.
        wanted: how many, among which, by which weights.

    Raises:
        QueryError: nothing is liked, an id is unknown or in both lists, or `wanted` cannot be
            used.
    """
    opened = index.opened
    if not liked:
        raise QueryError("--liked: names no product. Give the id of at least one.")
    both = sorted(set(liked) & set(disliked))
    if both:
        raise QueryError(f"--liked and --disliked: both name {', '.join(both)}. Choose one.")
    near, far = opened.rows_of(liked, "--liked"), opened.rows_of(disliked, "--disliked")
    probe = _probe(opened.ann.vectors(near), opened.ann.vectors(far), np.concatenate([near, far]))
    return opened.answers([probe], ["q"], wanted or Wanted())[0]


def _probe(liked: Vectors, disliked: Vectors, history: npt.NDArray[np.int64]) -> Probe:
    halves = [
        _mean(near) - DISLIKED_SHARE * _mean(far)
        for near, far in zip(split_halves(liked), split_halves(disliked), strict=True)
    ]
    return item_probe(halves[0], halves[1], history)


def _mean(halves: Vectors) -> Vectors:
    """The mean direction `(dim,)` of `(n, dim)` halves; those that are missing have no say."""
    present = halves[halves.any(axis=1)]
    return normalise(present.sum(axis=0)) if len(present) else np.zeros(halves.shape[1], np.float32)
