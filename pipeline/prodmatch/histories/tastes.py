"""What to show each user: products like those of their history, and what others had with them."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from prodmatch.histories.co_views import CoViews, sum_by_key
from prodmatch.histories.log import BlockSizes, Histories
from prodmatch.search.encoded_query import item_parts
from prodmatch.search.scoring import SIGNALS
from prodmatch.search.searcher import Searcher
from prodmatch.storage.vectors import Rows, Vectors, normalise, split_parts

TASTE_USERS = 64  # whose products are gathered at a time
BLOCK_ROWS = 8192
# Of what is liked. Sixty tastes on real products (three of a kind and colour liked, two of the
# kind in another colour not): of ten found, 7.7 are of the liked sort and 0.4 of the other at a
# share of 0, 7.6 and 0.1 at a quarter, 6.7 and 0.05 at a half, 2.7 and none at the whole.
DISLIKED_SHARE = 0.25
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Candidates:
    """What may be shown to some users; all arrays are `(candidates,)`, ascending by user."""

    users: Rows  # positions among the users
    rows: Rows  # of the index
    content: Floats  # cosine to the user's taste
    co_views: Floats  # 0..1: weighted mean of similarities to the user's products

    @classmethod
    def join(cls, parts: Sequence["Candidates"]) -> "Candidates":
        """Those of some, one after the other."""
        names = ("users", "rows", "content", "co_views")
        return cls(*(np.concatenate([getattr(each, name) for each in parts]) for name in names))

    def take(self, chosen: npt.NDArray[np.bool_] | Rows) -> "Candidates":
        """Some of them."""
        return Candidates(
            self.users[chosen], self.rows[chosen], self.content[chosen], self.co_views[chosen]
        )


class Recommender:
    """Finds and scores products for users, in batches of theirs."""

    def __init__(self, searcher: Searcher, sizes: BlockSizes | None = None) -> None:
        """Reads once which products have which part."""
        self.sizes = sizes or BlockSizes()
        self.ann = searcher.ann
        parts = np.array([searcher.weights[name] for name in SIGNALS[1:]], np.float64)
        self._weights = parts / max(parts.sum(), 1e-9)
        lengths = np.zeros((self.ann.row_count, 2))  # of the text part and the image part
        for start in range(0, self.ann.row_count, BLOCK_ROWS):
            rows = np.arange(start, min(start + BLOCK_ROWS, self.ann.row_count))
            both = split_parts(self.ann.vectors(rows))
            lengths[rows] = np.stack([np.linalg.norm(part, axis=1) for part in both], axis=1)
        #: `(rows of the index,)`: a product's largest inner product, less where it lacks a part.
        self._present = np.maximum(lengths @ self._weights, 1e-9)
        self._kinds = (lengths > 0) @ [1, 2]  # (rows of the index,): which parts there are
        self._vectors: Vectors | None = None  # whose inner products with tastes are content
        if self.ann.row_count <= self.sizes.dense_rows:
            vectors = self.ann.vectors(np.arange(self.ann.row_count))
            self._vectors = (vectors / self._present[:, None]).astype(np.float32)
        #: `(rows of the index,)`: which may be shown.
        self.allowed = np.ones(self.ann.row_count, np.bool_)
        self._searched = self._split_allowed()

    def _split_allowed(self) -> list[Rows | None]:
        """The rows that may be shown, by the parts that they have; None for all of the index."""
        split = [np.flatnonzero(self.allowed & (self._kinds == kind)) for kind in (1, 2, 3)]
        return [None if len(rows) == self.ann.row_count else rows for rows in split if len(rows)]

    def within(self, rows: Rows) -> "Recommender":
        """The same, of which only some products, ascending rows of the index, may be shown."""
        other = copy.copy(self)
        other.allowed = np.zeros(self.ann.row_count, np.bool_)
        other.allowed[rows] = True
        other._searched = other._split_allowed()
        return other

    def with_candidates(self, factor: int) -> "Recommender":
        """The same, which finds so many times as many candidates of a user."""
        other = copy.copy(self)
        other.sizes = replace(self.sizes, candidates=factor * self.sizes.candidates)
        return other

    def find(self, histories: Histories, users: range, co_views: CoViews, top: int) -> Candidates:
        """The candidates of some users, by content and by co-views, none viewed already."""
        count, wanted = self.ann.row_count, max(self.sizes.candidates, 2 * top)
        tastes = self._tastes(histories, users)
        viewed = _distinct(
            _user_positions(histories, users) * count + histories.rows[_span(histories, users)]
        )
        co_keys, scores = _co_view_scores(
            histories, users, co_views, dense=self._vectors is not None
        )
        shown = self.allowed[co_keys % count] & ~_is_in(viewed, co_keys)
        co_keys, scores = co_keys[shown], scores[shown]
        best = co_keys[_best(co_keys // count, scores, wanted)]
        if self._vectors is None:
            keys = _distinct(np.concatenate([self._search(tastes, viewed, wanted), best]))
            products = self._multiply(tastes, keys // count, keys % count)
            content = products / self._present[keys % count]
        else:
            table = tastes @ self._vectors.T
            keys = _distinct(np.concatenate([self._compare_all(table, viewed, wanted), best]))
            content = table.ravel()[keys].astype(np.float64)
        found = np.append(scores, 0.0)[_positions(co_keys, keys)]
        return Candidates(keys // count, keys % count, content, found)

    def _compare_all(self, contents: Vectors, viewed: Rows, wanted: int) -> Rows:
        """As `_search`, of the content of every product for every taste, `(users, rows)`."""
        kept = (contents != 0) & self.allowed
        kept.flat[viewed] = False
        if wanted < self.ann.row_count:
            ranked = np.where(kept, contents, -np.inf)
            kept &= ranked >= np.partition(ranked, -wanted, axis=1)[:, -wanted, None]
        return np.flatnonzero(kept)

    def _search(self, tastes: Vectors, viewed: Rows, wanted: int) -> Rows:
        """Of each user with a taste the nearest products, as `position * products + row`.

        Inner products rank those of the same parts alone, so that these are searched apart.
        """
        count, known = self.ann.row_count, np.flatnonzero(tastes.any(axis=1))
        more = np.bincount(viewed // count, minlength=len(tastes))[known].max(initial=0)
        found = [(np.zeros(0, np.int64), np.zeros(0))]
        for rows in self._searched:
            near = self.ann.search(tastes[known], wanted + int(more), within=rows)
            for position, each in zip(known, near, strict=True):
                keys = position * count + each.rows
                kept = (each.scores != 0) & ~_is_in(viewed, keys)
                found.append((keys[kept], each.scores[kept] / self._present[each.rows[kept]]))
        keys, contents = (np.concatenate(each) for each in zip(*found, strict=True))
        order = np.argsort(keys, kind="stable")
        return keys[order][_best(keys[order] // count, contents[order], wanted)]

    def _tastes(self, histories: Histories, users: range) -> Vectors:
        """The vectors that products are compared with, `(users, 2 * dim)`; zeros without a like."""
        found = np.zeros((len(users), self.ann.dim), np.float32)
        span = _span(histories, users)
        weights, positions = histories.weights[span], _user_positions(histories, users)
        liking = np.bincount(positions[weights > 0], minlength=len(users)) > 0
        counted = liking[positions] & (weights != 0)
        weights, positions = weights[counted], positions[counted]
        rows, inverse = np.unique(histories.rows[span][counted], return_inverse=True)
        vectors = self.ann.vectors(rows)
        known = np.flatnonzero(liking)
        for start in range(0, len(known), TASTE_USERS):
            some = known[start : start + TASTE_USERS]
            starts = np.searchsorted(positions, some)
            events = slice(int(starts[0]), int(np.searchsorted(positions, some[-1], side="right")))
            both = split_parts(vectors[inverse[events]])
            likes = [taste_directions(part, weights[events], starts - starts[0]) for part in both]
            parts = zip(self._weights, item_parts(*likes), strict=True)
            found[some] = np.concatenate([weight * part for weight, part in parts], axis=1)
        return found

    def _multiply(self, tastes: Vectors, positions: Rows, rows: Rows) -> Vectors:
        """The inner products of tastes and products."""
        products = np.zeros(len(rows), np.float32)
        for start in range(0, len(rows), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            vectors = self.ann.vectors(rows[block])
            products[block] = np.einsum("ij,ij->i", tastes[positions[block]], vectors)
        return products


def taste_directions(part: Vectors, weights: npt.NDArray[np.floating], starts: Rows) -> Vectors:
    """Directions `(users, dim)`: the mean of what is liked less a quarter of that of what is not.

    That is Rocchio's rule.

    Args:
        part: `(n, dim)` parts of products, user by user; those of zeros do not count.
        weights: `(n,)`, negative for what is not liked.
        starts: `(users,)`: where the products of each begin; nobody is without.
    """
    near, far = (
        normalise(np.add.reduceat(part * share[:, None], starts, axis=0, dtype=np.float64))
        for share in (np.maximum(weights, 0), np.maximum(-weights, 0))
    )
    return near - np.float32(DISLIKED_SHARE) * far


def choose(
    candidates: Candidates, blend: float, top: int, groups: Rows | None = None
) -> tuple[Candidates, Floats]:
    """The best `top` of each user, and their scores: content and `blend` times the co-views.

    Args:
        groups: `(rows of the index,)`: of equal ones only the best is taken.
    """
    scores = candidates.content + blend * candidates.co_views
    if groups is None:
        order = _best(candidates.users, scores, top)
    else:
        order = np.lexsort((-scores, candidates.users))
        keys = np.stack([candidates.users[order], groups[candidates.rows[order]]], axis=1)
        _, firsts = np.unique(keys, axis=0, return_index=True)
        order = order[np.sort(firsts)]
        order = order[_best(candidates.users[order], scores[order], top)]
    return candidates.take(order), scores[order]


def _best(users: Rows, scores: Floats, top: int) -> Rows:
    """Positions of the `top` best of each user, best first; of equal ones the first.

    Args:
        users: `(candidates,)`, ascending.
        scores: `(candidates,)`.
    """
    firsts = np.flatnonzero(np.diff(users, prepend=-1))
    lengths = np.diff(firsts, append=len(users))
    ranks = np.arange(len(users)) - np.repeat(firsts, lengths)
    if len(users) and lengths.max() > top:  # few are left to be sorted
        table = np.full((len(firsts), lengths.max()), -np.inf)  # (users, candidates)
        table[np.repeat(np.arange(len(firsts)), lengths), ranks] = scores
        least = np.partition(table, -top, axis=1)[:, -top]
        kept = np.flatnonzero(scores >= np.repeat(least, lengths))
        order = kept[np.lexsort((-scores[kept], users[kept]))]
    else:
        order = np.lexsort((-scores, users))
    own = users[order]
    return order[np.arange(len(own)) - np.searchsorted(own, own) < top]


def _distinct(keys: Rows) -> Rows:
    """Each key once, ascending; `np.unique` takes three times as long."""
    keys = np.sort(keys)
    return keys[np.flatnonzero(np.diff(keys, prepend=-1))]


def _positions(keys: Rows, wanted: Rows) -> Rows:
    """Where each stands among ascending `keys`; `len(keys)` where it does not."""
    positions = np.searchsorted(keys, wanted)
    return np.where(np.append(keys, -1)[positions] == wanted, positions, len(keys))


def _is_in(keys: Rows, wanted: Rows) -> npt.NDArray[np.bool_]:
    """Which of `wanted` are among ascending `keys`."""
    return _positions(keys, wanted) < len(keys)


def _span(histories: Histories, users: range) -> slice:
    return slice(int(histories.starts[users.start]), int(histories.starts[users.stop]))


def _user_positions(histories: Histories, users: range) -> Rows:
    """The position among `users` of each of their events."""
    lengths = np.diff(histories.starts[users.start : users.stop + 1])
    return np.repeat(np.arange(len(users)), lengths)


def _co_view_scores(
    histories: Histories, users: range, co_views: CoViews, *, dense: bool
) -> tuple[Rows, Floats]:
    """The products of each user by co-views, as `position * products + row`, ascending; scores."""
    count, span = len(co_views.users), _span(histories, users)
    liked = histories.weights[span] > 0
    positions, rows = _user_positions(histories, users)[liked], histories.rows[span][liked]
    weights = histories.weights[span][liked].astype(np.float64)
    totals = np.bincount(positions, weights, minlength=len(users))
    lengths = co_views.starts[rows + 1] - co_views.starts[rows]
    offsets = np.repeat(co_views.starts[rows] - np.cumsum(lengths) + lengths, lengths)
    flat = offsets + np.arange(lengths.sum())
    keys = np.repeat(positions, lengths) * count + co_views.rows[flat]
    scores = np.repeat(weights / totals[positions], lengths) * co_views.similarities[flat]
    if dense:
        sums = np.bincount(keys, scores)
        keys = np.flatnonzero(sums).astype(np.int64)
        return keys, sums[keys]
    return sum_by_key(keys, scores)
