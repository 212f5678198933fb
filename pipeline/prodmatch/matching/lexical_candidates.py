"""Listings that share rare words: an inverted index in arrays, whose searches are bounded."""

import numpy as np
import numpy.typing as npt

from prodmatch.matching.listings.numbered_listings import Floats, Ints, Sets

MOST_POSTINGS = 20_000  # rows that one search looks at
MOST_TERMS = 64  # of a listing, the rarest
NONE = -1


class LexicalIndex:
    """The rows of a catalogue by their terms."""

    def __init__(self, terms: Sets, weights: Floats, among: Ints | None = None) -> None:
        """Takes the terms of every row, and the weights of the words of the vocabulary.

        `among`: the rows that are found; all if None.
        """
        count = len(terms.starts) - 1
        among = np.arange(count) if among is None else among
        numbers, positions = terms.take(among)
        rows = among[positions]
        order = np.argsort(numbers, kind="stable")
        self._rows = rows[order].astype(np.int32)
        counts = np.bincount(numbers, minlength=len(weights))
        self._starts = np.concatenate([[0], np.cumsum(counts)])
        self._weights = weights
        totals = np.bincount(rows, weights[numbers], count)
        self._totals = totals.astype(np.float32)

    def search(self, terms: Sets, rows: Ints, count: int) -> npt.NDArray[np.int32]:
        """For each of some rows up to `count` that share most of the weight of its terms.

        The rarest terms are looked up first, and no more rows than `MOST_POSTINGS` are looked at:
        what thousands of rows say alike ends.

        `terms` are those of the listings whose `rows` are searched for. `(n, count)` in no order;
        -1 where there are fewer.
        """
        found = np.full((len(rows), count), NONE, np.int32)
        for position, row in enumerate(rows.tolist()):
            own = self._search(terms.numbers[terms.starts[row] : terms.starts[row + 1]], count)
            found[position, : len(own)] = own
        return found

    def _search(self, terms: npt.NDArray[np.int32], count: int) -> npt.NDArray[np.int32]:
        weights = self._weights[terms]
        order = np.argsort(-weights, kind="stable")[:MOST_TERMS]
        terms, weights, own = terms[order], weights[order], float(weights.sum())
        starts, ends = self._starts[terms], self._starts[terms + 1]
        used = int(np.searchsorted(np.cumsum(ends - starts), MOST_POSTINGS, side="right"))
        if not used:
            return self._rows[starts[0] : ends[0]][:count] if len(terms) else self._rows[:0]
        keys = np.concatenate(
            [
                self._rows[start:end].astype(np.int64) * MOST_TERMS + position
                for position, (start, end) in enumerate(
                    zip(starts[:used].tolist(), ends[:used].tolist(), strict=True)
                )
            ]
        )
        keys.sort()  # a row with the position of the term it shares
        rows = keys // MOST_TERMS
        first = np.flatnonzero(np.diff(rows, prepend=NONE))
        if not len(first):
            return self._rows[:0]
        shared = np.add.reduceat(weights[keys % MOST_TERMS], first)
        rows = rows[first].astype(np.int32)
        if len(rows) <= count:
            return rows
        scores = shared / (own + self._totals[rows])
        return rows[np.argpartition(-scores, count - 1)[:count]]
