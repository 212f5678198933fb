"""What to show each user: products like those of their history, and what others had with them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prodmatch.histories.co_views import CoViews
from prodmatch.histories.log import Histories
from prodmatch.search.encoded_query import encode_items
from prodmatch.search.scoring import SIGNALS
from prodmatch.search.searcher import Searcher
from prodmatch.storage.vectors import Vectors, mean_direction, split_parts

CANDIDATES = 200  # of a user, by content and by co-views
BATCH_USERS = 512
BLOCK_ROWS = 8192
# Of what is liked. Sixty tastes on real products (three of a kind and colour liked, two of the
# kind in another colour not): of ten found, 7.7 are of the liked sort and 0.4 of the other at a
# share of 0, 7.6 and 0.1 at a quarter, 6.7 and 0.05 at a half, 2.7 and none at the whole.
DISLIKED_SHARE = 0.25
Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Candidates:
    """What may be shown to some users; all arrays are `(candidates,)`, ascending by user."""

    users: Rows  # places among the users
    rows: Rows  # of the index
    content: Floats  # cosine to the user's taste
    co_views: Floats  # 0..1: weighted mean of similarities to the user's products

    def take(self, chosen: npt.NDArray[np.bool_] | Rows) -> "Candidates":
        """Some of them."""
        return Candidates(
            self.users[chosen], self.rows[chosen], self.content[chosen], self.co_views[chosen]
        )


class Recommender:
    """Finds and scores products for users, in batches of theirs."""

    def __init__(self, searcher: Searcher, within: Rows | None = None) -> None:
        """Reads once which products have which part.

        Args:
            searcher: of the generation.
            within: ascending rows that may be shown; all if None.
        """
        self.ann, self._within = searcher.ann, within
        weights = {**searcher.encoders.description.weights, **searcher.generation.weights}
        parts = np.array([weights[name] for name in SIGNALS[1:]], np.float64)
        self._weights = parts / max(parts.sum(), 1e-9)
        self._present = np.zeros(self.ann.row_count)  # (n,): a product's largest inner product
        for start in range(0, self.ann.row_count, BLOCK_ROWS):
            rows = np.arange(start, min(start + BLOCK_ROWS, self.ann.row_count))
            both = split_parts(self.ann.vectors(rows))
            self._present[rows] = sum(
                weight * np.linalg.norm(part, axis=1)
                for weight, part in zip(self._weights, both, strict=True)
            )
        #: `(rows of the index,)`: which may be shown.
        self.allowed = np.ones(self.ann.row_count, np.bool_)
        if within is not None:
            self.allowed[:] = False
            self.allowed[within] = True

    def find(self, histories: Histories, users: range, co_views: CoViews, top: int) -> Candidates:
        """The candidates of some users, by content and by co-views, none viewed already."""
        count, wanted = self.ann.row_count, max(CANDIDATES, 2 * top)
        tastes = self._tastes(histories, users)
        known = np.flatnonzero(tastes.any(axis=1))
        most_viewed = max(
            (len(range(*_bounds(histories, users[place]))) for place in known), default=0
        )
        near = self.ann.search(tastes[known], wanted + most_viewed, within=self._within)
        by_content = np.concatenate(
            [place * count + each.rows for place, each in zip(known, near, strict=True)]
            or [np.zeros(0, np.int64)]
        )
        co_keys, co_scores = _co_view_scores(histories, users, co_views, wanted)
        keys = np.union1d(by_content, co_keys)
        keys = np.setdiff1d(keys, _viewed(histories, users, count), assume_unique=True)
        keys = keys[self.allowed[keys % count]]
        places, rows = keys // count, keys % count
        found = np.zeros(len(keys))
        found[np.isin(keys, co_keys)] = co_scores[np.isin(co_keys, keys)]
        return Candidates(places, rows, self._content(tastes, places, rows), found)

    def _tastes(self, histories: Histories, users: range) -> Vectors:
        """The vectors that products are compared with, `(users, 2 * dim)`; zeros without a like."""
        start, stop = int(histories.starts[users.start]), int(histories.starts[users.stop])
        counted = np.flatnonzero(histories.weights[start:stop]) + start
        rows, inverse = np.unique(histories.rows[counted], return_inverse=True)
        text, image = split_parts(self.ann.vectors(rows))
        tastes = np.zeros((len(users), self.ann.dim), np.float32)
        for place, user in enumerate(users):
            own = slice(*np.searchsorted(counted, _bounds(histories, user)))
            weights = histories.weights[counted[own]]
            if not (weights > 0).any():
                continue
            likes = [taste(part[inverse[own]], weights) for part in (text, image)]
            encoded = encode_items(likes[0], likes[1], rows[:0])
            both = zip(self._weights, (encoded.text, encoded.image), strict=True)
            tastes[place] = np.concatenate([weight * part for weight, part in both])
        return tastes

    def _content(self, tastes: Vectors, places: Rows, rows: Rows) -> Floats:
        """The cosines of products to tastes: the weighted mean over the parts that they have."""
        scores = np.zeros(len(rows))
        distinct, inverse = np.unique(rows, return_inverse=True)
        for start in range(0, len(distinct), BLOCK_ROWS):
            block = self.ann.vectors(distinct[start : start + BLOCK_ROWS])
            inside = np.flatnonzero((inverse >= start) & (inverse < start + len(block)))
            products = tastes @ block.T
            scores[inside] = products[places[inside], inverse[inside] - start]
        return np.asarray(scores / np.maximum(self._present[rows], 1e-9))


def taste(part: Vectors, weights: npt.NDArray[np.floating]) -> Vectors:
    """A direction `(dim,)`: the mean of what is liked less a quarter of that of what is not.

    That is Rocchio's rule.

    Args:
        part: `(n, dim)` parts of products; those of zeros do not count.
        weights: `(n,)`, negative for what is not liked.
    """
    near, far = (
        mean_direction(part[chosen] * np.abs(weights[chosen, None]))
        for chosen in (weights > 0, weights < 0)
    )
    return near - np.float32(DISLIKED_SHARE) * far


def choose(
    candidates: Candidates, blend: float, top: int, groups: Rows | None = None
) -> tuple[Candidates, Floats]:
    """The best `top` of each user, and their scores: content and `blend` times the co-views.

    Args:
        candidates: of some users.
        blend: weight of the co-views.
        top: how many of a user.
        groups: `(rows of the index,)`: of equal ones only the best is taken.
    """
    scores = candidates.content + blend * candidates.co_views
    order = np.lexsort((candidates.rows, -scores, candidates.users))
    if groups is not None:
        keys = np.stack([candidates.users[order], groups[candidates.rows[order]]], axis=1)
        _, firsts = np.unique(keys, axis=0, return_index=True)
        order = order[np.sort(firsts)]
    users = candidates.users[order]
    ranks = np.arange(len(users)) - np.searchsorted(users, users)
    order = order[ranks < top]
    return candidates.take(order), scores[order]


def _bounds(histories: Histories, user: int) -> tuple[int, int]:
    return int(histories.starts[user]), int(histories.starts[user + 1])


def _places(histories: Histories, users: range) -> Rows:
    """The place among `users` of each of their events."""
    lengths = np.diff(histories.starts[users.start : users.stop + 1])
    return np.repeat(np.arange(len(users)), lengths)


def _viewed(histories: Histories, users: range, count: int) -> Rows:
    span = slice(int(histories.starts[users.start]), int(histories.starts[users.stop]))
    return np.unique(_places(histories, users) * count + histories.rows[span])


def _co_view_scores(
    histories: Histories, users: range, co_views: CoViews, wanted: int
) -> tuple[Rows, Floats]:
    """The best products of each user by co-views, as `place * products + row`, and scores."""
    count = len(co_views.users)
    span = slice(int(histories.starts[users.start]), int(histories.starts[users.stop]))
    liked = histories.weights[span] > 0
    places, rows = _places(histories, users)[liked], histories.rows[span][liked]
    weights = histories.weights[span][liked].astype(np.float64)
    totals = np.bincount(places, weights, minlength=len(users))
    lengths = co_views.starts[rows + 1] - co_views.starts[rows]
    offsets = np.repeat(co_views.starts[rows] - np.cumsum(lengths) + lengths, lengths)
    flat = offsets + np.arange(lengths.sum())
    keys = np.repeat(places, lengths) * count + co_views.rows[flat]
    products = np.repeat(weights / totals[places], lengths) * co_views.similarities[flat]
    keys, inverse = np.unique(keys, return_inverse=True)
    scores = np.bincount(inverse, products, minlength=len(keys))
    order = np.lexsort((keys, -scores, keys // count))
    own = keys[order] // count
    best = np.sort(order[np.arange(len(order)) - np.searchsorted(own, own) < wanted])
    return keys[best], scores[best].astype(np.float64)
