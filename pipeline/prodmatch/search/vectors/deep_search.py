"""The rows nearest to a query in rounds, each among fewer rows, out of one search of the index."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from prodmatch.search.vectors.neighbours import Neighbours
from prodmatch.search.vectors.vector_index import AnnIndex
from prodmatch.storage.vectors import Vectors

TIES = 64  # more than are looked for: of rows that are equally near the first ones are taken
Rows = npt.NDArray[np.int64]


@dataclass
class DeepSearch:
    """Finds the rows nearest to one query's vectors, again and again.

    What is found is the same however deep the search is, so that the pages of a query fit together.
    An index of links is searched each time, as it finds other rows when it looks for more.

    Attributes:
        ann: the index.
        queries: `(n, dim)`.
        deepest: rows that all rounds together look for.
    """

    ann: AnnIndex
    queries: Vectors
    deepest: int
    _most: int = field(default=0, init=False)
    _found: list[Neighbours] | None = field(default=None, init=False)

    def nearest(self, count: int, within: Rows | None) -> list[Neighbours]:
        """The `count` nearest rows of each query, fewer where there are fewer.

        Args:
            count: how many rows are wanted.
            within: ascending rows to choose among, all if None; among those of the first call.
        """
        if self.ann.follows_links:
            return self.ann.search(self.queries, count, within=within)
        if self._found is None:
            self._most = max(count, self.deepest) + TIES
            self._found = self.ann.search(self.queries, self._most, within=within)
        chosen = []
        for near in self._found:
            kept = np.arange(len(near.rows)) if within is None else _positions(near.rows, within)
            if len(kept) < count and len(near.rows) >= self._most:  # there are more further away
                return self.ann.search(self.queries, count, within=within)
            kept = kept[:count]
            chosen.append(Neighbours(near.rows[kept], near.scores[kept]))
        return chosen


def _positions(rows: Rows, within: Rows) -> Rows:
    """The positions of those of the rows that are among ascending ones."""
    places = np.minimum(np.searchsorted(within, rows), len(within) - 1)
    return np.flatnonzero(within[places] == rows) if len(within) else places[:0]
