"""Listings that share rare words: an inverted index in arrays, whose searches are bounded."""

import numpy as np

from prodmatch.matching.listings.numbered_listings import Floats, Ints, Sets

MOST_POSTINGS = 20_000  # rows that one search looks at


class LexicalIndex:
    """The rows of a catalogue by their terms."""

    def __init__(self, terms: Sets, weights: Floats) -> None:
        """Takes the terms of every row.

        Args:
            terms: of the rows.
            weights: of the words of the vocabulary.
        """
        rows = np.repeat(np.arange(len(terms.starts) - 1), np.diff(terms.starts))
        order = np.argsort(terms.numbers, kind="stable")
        self._rows = rows[order].astype(np.int32)
        counts = np.bincount(terms.numbers, minlength=len(weights))
        self._starts = np.concatenate([[0], np.cumsum(counts)])
        self._weights = weights
        totals = np.bincount(rows, weights[terms.numbers], len(terms.starts) - 1)
        self._totals = totals.astype(np.float32)

    def search(self, terms: Ints, count: int) -> Ints:
        """Up to `count` rows that share most of the weight of these terms, in no order.

        The rarest terms are looked up first, and no more rows than `MOST_POSTINGS` are looked at:
        what thousands of rows say alike ends.

        Args:
            terms: of a listing, each once.
            count: of rows.
        """
        terms = terms[np.argsort(-self._weights[terms], kind="stable")]
        lengths = self._starts[terms + 1] - self._starts[terms]
        used = np.cumsum(lengths) <= MOST_POSTINGS
        if not used.any() and len(terms):
            rarest = self._starts[terms[0]]
            return self._rows[rarest : rarest + count].astype(np.int64)
        parts = [self._rows[self._starts[t] : self._starts[t + 1]] for t in terms[used]]
        if not parts:
            return np.zeros(0, np.int64)
        rows, positions = np.unique(np.concatenate(parts), return_inverse=True)
        added = np.repeat(self._weights[terms[used]], lengths[used])
        shared = np.bincount(positions, added)
        own = float(self._weights[terms].sum())
        scores = shared / (own + self._totals[rows])
        if len(rows) <= count:
            return rows.astype(np.int64)
        return rows[np.argpartition(-scores, count - 1)[:count]].astype(np.int64)
