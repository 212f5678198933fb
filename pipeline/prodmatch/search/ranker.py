"""Candidates of one query: found by each signal, scored, and without what is no answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from prodmatch.errors import QueryError
from prodmatch.lexical.bm25 import Matches
from prodmatch.model.calibration import Calibration
from prodmatch.products.product_db import Products
from prodmatch.search.encoded_query import EncodedQuery, Excluded
from prodmatch.search.exclusion import Limit, cosines, learn_limits, show_excluded
from prodmatch.search.scoring import (
    Learnt,
    Ranked,
    Signals,
    bm25_scale,
    check_weights,
    learn,
    no_candidates,
    query_weights,
    rank,
)
from prodmatch.search.vectors.neighbours import Neighbours
from prodmatch.search.vectors.vector_index import AnnIndex
from prodmatch.storage.vectors import Mask, Rows, Vectors, draw_among, split_parts

MIN_KNOWN, MOST_KNOWN = 10, 500  # products that contain a word, to learn how near they are to it
MOST_COMPARED = 5_000  # products whose vectors are read to count them
FIRST_CANDIDATES = 200  # of each signal
TIES = 64  # more than are looked for: of rows that are equally near the first ones are taken


@dataclass
class DeepSearch:
    """Finds the rows nearest to one query's vectors, in rounds, each among fewer rows.

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
    positions = np.minimum(np.searchsorted(within, rows), len(within) - 1)
    return np.flatnonzero(within[positions] == rows) if len(within) else positions[:0]


@dataclass(frozen=True)
class _First:
    """The first candidates of a query among all products."""

    rows: Rows  # (candidates,), ascending
    signals: Signals
    found: list[Neighbours]  # by each part that the query has
    by_words: Rows
    contained: float  # the share of the query that one product contains at most


@dataclass(frozen=True)
class Ranker:
    """Finds and scores the candidates of a query; all calls together search its vectors once.

    Attributes:
        encoded: the query.
        products: of the generation.
        ann: their vectors.
        permitted: ascending rows that contain nothing that the query excludes, all if None.
        deepest: how many rows of a signal are ever wanted.
        default_weights: of the signals, where the query has none.
        calibration: of the probabilities.
    """

    encoded: EncodedQuery
    products: Products
    ann: AnnIndex
    permitted: Rows | None
    deepest: int
    default_weights: Mapping[str, float]
    calibration: Calibration

    def rank(
        self,
        within: Rows | None,
        count: int,
        learnt: Learnt | None = None,
        *,
        also: Rows | None = None,
    ) -> Ranked:
        """The candidates that any signal finds, each signal up to `count`, and what they score.

        Args:
            within: ascending rows to choose among, all of them if None.
            count: of candidates.
            learnt: from the query's first candidates; None for these.
            also: rows that are candidates in any case.
        """
        encoded = self.encoded
        matches = None
        if encoded.words:
            matches = self.products.match(encoded.words, within, encoded.expansions)
            matches = matches.raised(self._denying)
        found = self._search.nearest(count, within) if self._search else []
        by_words = np.zeros(0, np.int64) if matches is None else matches.best(count)
        rows = np.unique(np.concatenate([by_words, *(near.rows for near in found)]))
        if also is not None:
            rows = np.union1d(rows, also)
        rows = rows[~np.isin(rows, encoded.left_out)]
        limits = self._limits(within, rows) if learnt is None else learnt.limits
        rows = self._without_shown(rows, limits)
        if not len(rows):
            return no_candidates()
        signals = self._signals(rows, matches)
        if learnt is None:
            is_first = within is None and also is None and not limits and not len(encoded.left_out)
            is_first &= count == FIRST_CANDIDATES >= self.deepest
            contained = 1.0 if matches is None else matches.most_contained
            first = _First(rows, signals, found, by_words, contained) if is_first else None
            learnt = learn(signals, self._query_weights(first), limits)
        ranked = rank(rows, signals, learnt, self.calibration)
        probability = np.minimum(ranked.probability, encoded.knowledge)
        probability *= np.float32(encoded.certainty)
        if matches is not None:  # what is named is no matter of likeness
            probability[np.isin(ranked.rows, matches.named)] = 1.0
        return replace(ranked, probability=probability)

    def containing(self) -> Rows:
        """The rows that contain most of the query's words, ascending; none where it has none."""
        return self.products.rows_with_most(self.encoded.words or "", self.encoded.expansions)

    def possible(self, rows: Rows, learnt: Learnt | None) -> Rows:
        """The rows of these that may be answers: neither left out nor showing what is excluded.

        Of more than 5,000 rows those that show it stay.
        """
        rows = rows[~np.isin(rows, self.encoded.left_out)]
        if learnt is None or len(rows) > MOST_COMPARED:
            return rows
        return self._without_shown(rows, learnt.limits)

    @cached_property
    def _search(self) -> DeepSearch | None:
        """Of the query's vectors, None where it has none, or no weight is on them."""
        if not self._weights["text"] + self._weights["image"] or not len(self._part_queries):
            return None
        return DeepSearch(self.ann, self._part_queries, self.deepest)

    @cached_property
    def _part_queries(self) -> Vectors:
        """`(n, dim)`: the query against text parts and against image parts, where it has them."""
        zeros = np.zeros_like(self.encoded.text)
        pairs = ([self.encoded.text, zeros], [zeros, self.encoded.image])
        queries = [np.concatenate(pair) for pair in pairs if np.any(pair)]
        return np.stack(queries) if queries else np.zeros((0, self.ann.dim), np.float32)

    def _limits(self, within: Rows | None, rows: Rows) -> tuple[Limit, ...]:
        """From where on products show what the query excludes.

        They are learnt from the first candidates among all that the query permits, so that no
        condition changes what is excluded.

        Args:
            within: ascending rows that candidates were chosen among, all if None.
            rows: these candidates.
        """
        if not self.encoded.without:
            return ()
        if within is not self.permitted:
            matches = self.products.match(
                self.encoded.words or "", self.permitted, self.encoded.expansions
            )
            search = DeepSearch(self.ann, self._part_queries, FIRST_CANDIDATES)
            found = search.nearest(FIRST_CANDIDATES, self.permitted) if self._search else []
            by_words = matches.raised(self._denying).best(FIRST_CANDIDATES)
            rows = np.unique(np.concatenate([by_words, *(near.rows for near in found)]))
            rows = rows[~np.isin(rows, self.encoded.left_out)]
        return learn_limits(self.encoded, self.ann.vectors(rows), self._examples)

    def _examples(self, excluded: Excluded) -> Vectors:
        """Products that contain what the query excludes, with its words if so many do."""
        known = self.products.rows_with(f"{self.encoded.words or ''} {excluded.words}")
        if len(known) < MIN_KNOWN:
            known = self.products.rows_with(excluded.words)
        if len(known) < MIN_KNOWN:
            return np.zeros((0, self.ann.dim), np.float32)
        return np.asarray(self.ann.vectors(draw_among(known, MOST_KNOWN)))

    def _without_shown(self, rows: Rows, limits: Sequence[Limit]) -> Rows:
        """The rows of these that do not show what the query excludes, or say that they have none.

        What is free of alcohol looks like what is not.
        """
        if not limits:
            return rows
        shown = show_excluded(limits, self.ann.vectors(rows))
        return rows[~shown | np.isin(rows, self._denying)]

    @cached_property
    def _denying(self) -> Rows:
        """The rows that say that they have none of something that the query excludes."""
        names = (excluded.words for excluded in self.encoded.without)
        found = [self.products.rows_denying(name) for name in names]
        return np.unique(np.concatenate([np.zeros(0, np.int64), *found]))

    @cached_property
    def _weights(self) -> dict[str, float]:
        """Those given; else the index's.

        Raises:
            QueryError: all weight is on words, and the query has none.
        """
        given = self.encoded.weights
        weights = check_weights(given) if given else dict(self.default_weights)
        if self.encoded.words is None and not weights["text"] + weights["image"]:
            raise QueryError(
                "`weights`: all weight is on lexical, and the query has no words. Give some to "
                "text or image."
            )
        return weights

    def _query_weights(self, first: "_First | None") -> dict[str, float]:
        """The index's weights, changed by the query; those given as they are.

        They are learnt from the first candidates among all products, so that neither a condition
        nor the depth of a page changes the probability of a product.

        Args:
            first: these candidates, where they are known.
        """
        words = self.encoded.words
        if self.encoded.weights or self.encoded.has_image or words is None:
            return self._weights
        if first is None:
            matches = self.products.match(words, None, self.encoded.expansions)
            matches = matches.raised(self._denying)
            search = DeepSearch(self.ann, self._part_queries, FIRST_CANDIDATES)
            found = search.nearest(FIRST_CANDIDATES, None) if len(self._part_queries) else []
            by_words = matches.best(FIRST_CANDIDATES)
            rows = np.unique(np.concatenate([by_words, *(near.rows for near in found)]))
            signals = self._signals(rows, matches)
            first = _First(rows, signals, found, by_words, matches.most_contained)
        # Rows without a part have a cosine of 0 to it, and which of them come first is chance.
        presence = self._presence(first.signals) if first.found else []
        kept = [
            near.rows[has[np.searchsorted(first.rows, near.rows)]]
            for near, has in zip(first.found, presence, strict=True)
        ]
        chosen = np.isin(first.rows, np.concatenate([first.by_words, *kept]))
        signals, familiarity = first.signals.take(chosen), self.encoded.familiarity
        return query_weights(self.default_weights, signals, familiarity, first.contained)

    def _presence(self, signals: Signals) -> list[Mask]:
        """Which candidates have the part that each of the part queries is compared with."""
        pairs = (self.encoded.text, signals.has_text), (self.encoded.image, signals.has_image)
        return [has for query, has in pairs if np.any(query)]

    def _signals(self, rows: Rows, matches: Matches | None) -> Signals:
        """What each signal gives these rows.

        A product whose text lacks words of the query scores by the share that it has, and of the
        rest by how likely its picture matches: that may show what the title does not say.
        """
        parts = split_parts(self.ann.vectors(rows))
        text, image = cosines(parts[0], self.encoded.text), cosines(parts[1], self.encoded.image)
        has_text, has_image = (np.asarray(part.any(axis=1)) for part in parts)
        bm25 = np.zeros(len(rows), np.float32)
        if matches is not None:
            shown = has_image & bool(self._weights["image"] and np.any(self.encoded.image))
            bm25 = matches.of(rows, self.calibration.probability(image) * shown)
        return Signals(
            lexical=bm25 / np.float32(bm25_scale(self.products.row_count)),
            text=text,
            image=image,
            has_text=has_text,
            has_image=has_image,
            has_words=self.encoded.words is not None,
            has_rare_code=matches is not None and matches.has_rare_code,
        )
