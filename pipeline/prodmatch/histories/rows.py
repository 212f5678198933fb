"""Rows of recommendations: what is shown to each user, and why."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from prodmatch.histories.co_views import CoViews
from prodmatch.histories.log import Histories
from prodmatch.histories.tastes import Candidates, Floats, Recommender, choose
from prodmatch.search.vectors.vector_index import AnnIndex
from prodmatch.storage.vectors import Rows, split_parts

SCHEMA = pa.schema(
    [
        ("user", pa.string()),
        ("rank", pa.int32()),
        ("product_id", pa.string()),
        ("score", pa.float32()),  # content and the blend's share of co-views; 0 of what is popular
        ("content", pa.float32()),  # cosine to the taste
        ("co_views", pa.float32()),
        ("because", pa.string()),  # the product of the history that is most like it
    ]
)


DEEPER, MOST_DEEPER = 8, 64  # times as many candidates, where a user's are of too few groups


@dataclass(frozen=True)
class RowMaker:
    """Makes rows of a table of `SCHEMA`."""

    recommender: Recommender  # of the index
    co_views: CoViews  # of all users
    blend: float  # weight of the co-views
    product_ids: pa.Array  # of the index, row by row
    popular: Rows  # rows that may be shown, those of most users first
    top: int  # how many a user gets
    groups: Rows | None = None  # `(rows of the index,)`: of equal ones a user gets the best

    def make(self, histories: Histories, users: range) -> pa.Table:
        """The rows of some users, best first; filled up with what most users have."""
        found = self.recommender.find(histories, users, self.co_views, self.top)
        chosen, scores = choose(found, self.blend, self.top, self.groups)
        if self.groups is not None:
            chosen, scores = self._look_deeper(histories, users, chosen, scores)
        because = _because(self.recommender.ann, histories, users, chosen)
        positions, more = self._fill(histories, users, chosen)
        lacking = (0, len(more))
        positions = np.concatenate([chosen.users, positions])
        order = np.argsort(positions, kind="stable")  # what is popular comes last
        positions, rows = positions[order], np.concatenate([chosen.rows, more])[order]
        because = np.pad(because, lacking, constant_values=-1)[order]
        parts = [
            np.pad(each, lacking)[order].round(6)
            for each in (scores, chosen.content, chosen.co_views)
        ]
        return pa.Table.from_arrays(
            [
                histories.users.take(pa.array(users.start + positions)),
                pa.array(
                    np.arange(len(positions)) - np.searchsorted(positions, positions) + 1,
                    pa.int32(),
                ),
                self.product_ids.take(pa.array(rows)),
                *(pa.array(part, pa.float32()) for part in parts),
                self.product_ids.take(pa.array(because, mask=because < 0)),
            ],
            schema=SCHEMA,
        )

    def _look_deeper(
        self, histories: Histories, users: range, chosen: Candidates, scores: Floats
    ) -> tuple[Candidates, Floats]:
        """More for users whose candidates are of fewer groups than are to be shown."""
        counts = np.bincount(chosen.users, minlength=len(users))
        some = [(chosen, scores)]
        for position in np.flatnonzero((counts > 0) & (counts < self._most_groups)).tolist():
            user = users[position]
            found, own = self._choose_among(histories, range(user, user + 1), DEEPER)
            some.append((replace(found, users=found.users + position), own))
        others = np.isin(chosen.users, [each.users[0] for each, _ in some[1:]], invert=True)
        some[0] = (chosen.take(others), scores[others])
        order = np.argsort(np.concatenate([each.users for each, _ in some]), kind="stable")
        joined = Candidates.join([each for each, _ in some])
        return joined.take(order), np.concatenate([each for _, each in some])[order]

    def _choose_among(
        self, histories: Histories, users: range, factor: int
    ) -> tuple[Candidates, Floats]:
        """What is chosen for a user among so many times as many candidates, or among the most."""
        recommender = self.recommender.with_candidates(factor)
        found = recommender.find(histories, users, self.co_views, self.top)
        chosen, scores = choose(found, self.blend, self.top, self.groups)
        is_all = len(found.rows) < recommender.sizes.candidates
        if is_all or factor == MOST_DEEPER or len(chosen.rows) == self._most_groups:
            return chosen, scores
        return self._choose_among(histories, users, MOST_DEEPER)

    @cached_property
    def _most_groups(self) -> int:
        """How many a user can get, one of a group."""
        groups = self.popular if self.groups is None else self.groups[self.popular]
        return min(self.top, len(np.unique(groups)))

    def _fill(self, histories: Histories, users: range, chosen: Candidates) -> tuple[Rows, Rows]:
        """Places of users who have too few, ascending, and what is popular for them."""
        bounds = np.searchsorted(chosen.users, np.arange(len(users) + 1))
        positions, rows = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for position in np.flatnonzero(np.diff(bounds) < self.top).tolist():
            shown = chosen.rows[bounds[position] : bounds[position + 1]]
            rows.append(self._more(histories.rows[histories.of(users[position])], shown))
            positions.append(np.full(len(rows[-1]), position))
        return np.concatenate(positions), np.concatenate(rows)

    def _more(self, viewed: Rows, shown: Rows) -> Rows:
        """Popular products that are neither viewed nor shown, as many as are wanted still."""
        wanted, more = self.top - len(shown), []
        taken = {*viewed.tolist(), *shown.tolist()}
        groups = set() if self.groups is None else set(self.groups[shown].tolist())
        for row in self.popular.tolist():
            group = None if self.groups is None else int(self.groups[row])
            if row in taken or group in groups:
                continue
            more.append(row)
            if group is not None:
                groups.add(group)
            if len(more) == wanted:
                break
        return np.array(more, np.int64)


def _because(ann: AnnIndex, histories: Histories, users: range, chosen: Candidates) -> Rows:
    """For each product chosen the liked one of its user's that is most like it.

    How near their pictures are to every text says nothing of it: that number of the chosen is 0.
    """
    because = np.full(len(chosen.rows), -1)
    liked = [histories.rows[own][histories.weights[own] > 0] for own in map(histories.of, users)]
    known, inverse = np.unique(np.concatenate([chosen.rows, *liked]), return_inverse=True)
    vectors = ann.vectors(known)
    queries = vectors.copy()
    split_parts(queries)[1][:, 0] = 0.0
    stops = np.cumsum([len(chosen.rows), *map(len, liked)])
    bounds = np.searchsorted(chosen.users, np.arange(len(users) + 1))
    for position, rows in enumerate(liked):
        own = slice(bounds[position], bounds[position + 1])
        if own.start == own.stop or not len(rows):
            continue
        before = inverse[stops[position] : stops[position + 1]]
        because[own] = rows[(queries[inverse[own]] @ vectors[before].T).argmax(axis=1)]
    return because
