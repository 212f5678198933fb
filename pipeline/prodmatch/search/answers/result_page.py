"""Result pages: which of a query's candidates are shown, in what order, and what they stand for.

Read `PageMaker.make` first.
"""

import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from prodmatch.products.product_db import Products
from prodmatch.search.answers.hits import Facets, FacetValue
from prodmatch.search.options import SearchOptions
from prodmatch.search.ranker import FIRST_CANDIDATES, Ranker
from prodmatch.search.scoring import Floats, Learnt, Ranked
from prodmatch.search.vectors.vector_index import AnnIndex
from prodmatch.storage.vectors import Rows, Vectors

# Candidates of each signal, in the first round and those after it; half as many hits come of one.
# A page depends on the rounds alone, so that pages one after the other are as one long page.
CANDIDATES = (FIRST_CANDIDATES, 600, 2_000, 6_000, 20_000)
MOST_RANKED = 5_000  # products that a filter leaves, to know the probability of each
LIKELY = 0.3  # probability from which on a product matches, where no floor is given
MOST_VALUES = 100  # of a facet


@dataclass(frozen=True)
class Page:
    """The products of a page in order, and what is counted of all that match."""

    ranked: Ranked
    group_sizes: Sequence[int | None]  # of each product, None where no column is to group by
    facets: Facets
    match_count: int | None  # of all that match; None where it is not wanted


@dataclass(frozen=True)
class PageMaker:
    """Makes result pages of the products of one generation."""

    products: Products
    ann: AnnIndex

    def make(self, ranker: Ranker, within: Rows | None, options: SearchOptions) -> Page:
        """The page of a query.

        Args:
            ranker: finds and scores candidates of the query.
            within: ascending rows that meet all conditions, all products if None.
            options: which page.
        """
        rounds = self._rounds(ranker, within, options)
        chosen = self._select(rounds, options)
        is_counted = bool(options.facets) or options.count
        has_floor = options.min_probability > 0
        likely: Rows | None = None
        if is_counted or (has_floor and options.one_per is not None):
            likely = self._likely(ranker, within, options, rounds[0].candidates)
        sizes: Sequence[int | None] = [None] * len(chosen.rows)
        if options.one_per is not None:
            grouped = likely if has_floor else within
            sizes = self._group_sizes(ranker, chosen, options.one_per, grouped)
        if likely is None or not is_counted:
            return Page(chosen, sizes, {}, None)
        matching = likely
        if not has_floor:
            containing = self._containing(ranker, within, rounds[0].candidates.learnt)
            matching = np.union1d(containing, likely)
        facets = {name: self._facet(name, matching) for name in options.facets}
        return Page(chosen, sizes, facets, len(matching))

    def _containing(self, ranker: Ranker, within: Rows | None, learnt: Learnt | None) -> Rows:
        """The rows within that contain most of the query's words, of possible answers."""
        rows = ranker.containing()
        rows = rows if within is None else np.intersect1d(rows, within)
        return ranker.possible(rows, learnt)

    def _rounds(
        self, ranker: Ranker, within: Rows | None, options: SearchOptions
    ) -> list["_Round"]:
        """The products down to the end of the page, from candidates that are found in rounds.

        Where the nearest candidates are too few, because many share one value or the page is a deep
        one, the next round finds more among the products that are not represented yet.
        """
        missing = options.offset + options.top
        rounds: list[_Round] = []
        remaining, learnt = within, None
        counts = itertools.chain(CANDIDATES, itertools.repeat(CANDIDATES[-1]))
        total = self.products.row_count if within is None else len(within)
        if options.min_probability and total <= MOST_RANKED:  # what is further away may be likelier
            learnt = ranker.rank(within, CANDIDATES[0]).learnt
            counts = itertools.chain([total])
        for count in counts:
            ranked = ranker.rank(remaining, count, learnt)
            learnt = learnt or ranked.learnt
            total = self.products.row_count if remaining is None else len(remaining)
            nearest = ranked if count >= total else ranked.take(_nearest(ranked.score, count))
            pool = self._pool(ranked if options.one_per is None else nearest, options)
            wanted = missing if count >= total else min(missing, count // 2)
            chosen = self._choose(pool, options.diverse, wanted)
            rounds.append(_Round(ranked, chosen))
            missing -= len(chosen.rows)
            if missing <= 0 or count >= total or not len(ranked.rows):
                break
            if options.min_probability and not len(chosen.rows) and len(rounds) > 1:
                break
            remaining = self._others(remaining, chosen.rows, options.one_per)
        return rounds

    def _select(self, rounds: Sequence["_Round"], options: SearchOptions) -> Ranked:
        """The products of the page; those of several rounds are ordered again."""
        chosen = functools.reduce(Ranked.followed_by, (each.chosen for each in rounds))
        page = chosen.take(slice(options.offset, None))
        if len(rounds) > 1 and not options.diverse:
            page = page.take(self.best_first(page))
        return page

    def best_first(self, ranked: Ranked) -> Rows:
        """The positions of candidates: score descending, then product_id."""
        _, positions, counts = np.unique(ranked.score, return_inverse=True, return_counts=True)
        tied = np.flatnonzero(counts[positions] > 1)
        by_id = np.zeros(len(positions), np.int64)
        ids = np.array(self.products.ids(ranked.rows[tied]), dtype=object)
        by_id[tied[np.argsort(ids)]] = np.arange(len(tied))
        return np.lexsort((by_id, -ranked.score))

    def _likely(
        self, ranker: Ranker, within: Rows | None, options: SearchOptions, candidates: Ranked
    ) -> Rows:
        """The rows from `min_probability` on, from .3 if there is none.

        Each product is scored where the conditions leave few, else the candidates are.
        """
        rows = within
        if rows is None and self.products.row_count <= MOST_RANKED:
            rows = np.arange(self.products.row_count)
        if rows is not None and len(rows) <= MOST_RANKED:
            candidates = ranker.rank(within, CANDIDATES[0], candidates.learnt, also=rows)
        least = options.min_probability or LIKELY
        return candidates.rows[candidates.probability >= least]

    def _group_sizes(
        self, ranker: Ranker, chosen: Ranked, column: str, within: Rows | None
    ) -> Sequence[int]:
        """How many possible answers within, of all if None, have the value of each hit."""
        codes = self.products.codes(column)
        counts, own = codes.count(within), codes.codes[chosen.rows]
        if len(ranker.encoded.left_out) or ranker.encoded.without:
            members = codes.rows_of(own, within)
            counts = codes.count(ranker.possible(members, chosen.learnt))
        return [max(1, int(counts[code])) if code >= 0 else 1 for code in own]

    def _facet(self, name: str, matching: Rows) -> list[FacetValue]:
        """The commonest values of a column among the matching products, commonest first."""
        codes = self.products.codes(name)
        counts = codes.count(matching)
        found = np.flatnonzero(counts)
        chosen = found[np.argsort(-counts[found], kind="stable")][:MOST_VALUES]
        values = self.products.metadata(codes.first_rows[chosen])
        return [
            FacetValue(value[name], int(counts[code]))
            for value, code in zip(values, chosen, strict=True)
        ]

    def boosted(self, ranked: Ranked, boost: Mapping[str, float]) -> Ranked:
        """The candidates with what the columns add to their score.

        A column counts by the rank of a value among its distinct values, from 0 to 1, times its
        weight; by one less the rank if the weight is negative. No value adds nothing.
        """
        if not boost:
            return ranked
        added = np.zeros(len(ranked.rows))
        for name, weight in boost.items():
            scaled = self.products.codes(name).scaled(ranked.rows)
            added += abs(weight) * np.nan_to_num(scaled if weight >= 0 else 1 - scaled, nan=0.0)
        parts = added.astype(np.float32)
        return replace(ranked, score=ranked.score + parts, boost=parts)

    def _pool(self, ranked: Ranked, options: SearchOptions) -> Ranked:
        """The candidates above the floor, best first, the best alone of each group."""
        ranked = self.boosted(ranked, options.boost)
        ranked = ranked.take(np.flatnonzero(ranked.probability >= options.min_probability))
        ranked = ranked.take(self.best_first(ranked))
        if options.one_per is None:
            return ranked
        _, firsts = np.unique(self._groups(ranked.rows, options.one_per), return_index=True)
        return ranked.take(np.sort(firsts))

    def _choose(self, pool: Ranked, diverse: float, count: int) -> Ranked:
        """The first of candidates in order, or as many that are diverse."""
        if not diverse or not len(pool.rows):
            return pool.take(slice(count))
        return pool.take(diversify(pool.score, self.ann.vectors(pool.rows), diverse, count))

    def _others(self, within: Rows | None, rows: Rows, one_per: str | None) -> Rows:
        """The rows without these and without what shares a value with one of them."""
        if one_per is not None:
            return self.products.codes(one_per).others(rows, within)
        is_free = np.ones(self.products.row_count, np.bool_)
        is_free[rows] = False
        return np.flatnonzero(is_free) if within is None else within[is_free[within]]

    def _groups(self, rows: Rows, one_per: str | None) -> Rows:
        """The group of each of these rows, by its value of a column; its own if there is none."""
        return rows if one_per is None else self.products.codes(one_per).groups(rows)


@dataclass(frozen=True)
class _Round:
    """Candidates, and those of them that are hits, in order."""

    candidates: Ranked
    chosen: Ranked


def deepest_count(last: int) -> int:
    """How many rows of a signal the rounds look for that find the hits down to this one."""
    chosen = deepest = 0
    for count in CANDIDATES:
        deepest = chosen + count
        chosen += count // 2
        if chosen >= last:
            break
    return deepest


def _nearest(scores: Floats, count: int) -> Rows:
    """The positions of the scores above which no signal can have left a product out.

    Of a group, a product that only the other signals found may be there without a better one. All
    are taken where fewer than `count` were found, and where all that count are equal.
    """
    if len(scores) < count:
        return np.arange(len(scores))
    limit = np.partition(scores, -count)[-count]
    above = np.flatnonzero(scores > limit)
    return above if len(above) else np.flatnonzero(scores >= limit)


def diversify(scores: Floats, vectors: Vectors, diverse: float, count: int) -> Rows:
    """Positions of `count` candidates, best first, by maximal marginal relevance.

    The next one has the largest (1 - diverse) * relevance - diverse * similarity. Relevance is the
    score scaled to 0 for the worst and 1 for the best candidate; similarity is the largest cosine
    to a product chosen before (0 for the first).

    Args:
        scores: `(n,)`, descending.
        vectors: `(n, dim)`, of unit length.
        diverse: 0 to 1.
        count: how many are wanted.
    """
    extent = float(scores[0] - scores[-1])
    relevance = (scores - scores[-1]) / (extent or 1.0)
    similarity = np.zeros(len(scores), np.float32)
    free = np.ones(len(scores), np.bool_)
    chosen: list[int] = []
    for _ in range(min(count, len(scores))):
        values = (1 - diverse) * relevance - diverse * similarity
        best = int(np.argmax(np.where(free, values, -np.inf)))
        cosines = vectors @ vectors[best]
        similarity = cosines if not chosen else np.maximum(similarity, cosines)
        free[best] = False
        chosen.append(best)
    return np.array(chosen, np.int64)
