"""The inverted index: for every word's stem the rows that say it, with their BM25 scores.

SQLite's own full-text search computes BM25 row by row: half a second for words that are in a
quarter of a million products. Here the scores are computed once, when the index is made, and a
query adds a few arrays.

A word with synonyms is one term, as in Lucene's SynonymQuery: its frequency in a row is the sum of
theirs, and its document frequency the number of rows that say any of them.

The weight of a word is that of Lucene, log(1 + odds), not SQLite's, log(odds) cut at 0, for which
a word that every second product says counts for nothing: "women" in a shop of clothes.

The sum is multiplied by the share of the query that a row contains, as three times "red" is no
"red lamp".
"""

import functools
import itertools
import re
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from prodmatch.lexical.languages import ENGLISH
from prodmatch.lexical.postings import K1, idf
from prodmatch.lexical.quantities import DIGIT
from prodmatch.lexical.stemmer import Stemmer
from prodmatch.lexical.synonyms import Expansion
from prodmatch.lexical.terms import (
    PREFIX_LENGTH,
    QueryTerm,
    apart,
    is_code,
    names_one,
    query_terms,
)
from prodmatch.lexical.word_lists.low_information import low_information_weights

MAX_TERMS = 64  # of a query
# Of a query that count in full, the twelfth by half, and so on: a title or a description names the
# thing first. A low-information term takes up its weight of a position.
FIRST_TERMS = 6
# "0 986 424 797": a code from so many digits on.
NUMBER_RUN = re.compile(r"(?<!\d)\d++(?:[\s.-]\d++)+")
LONG_RUN = 7
FEW_PRODUCTS = 10  # a code that no more of them say names these products
NAMED_SCORE = 10.0  # about that of a term that one product of many thousands contains
MAX_PREFIXED = 20  # codes that a code without its end may be
MOST = 2 / 3  # of the weight of the words that the best product has


UNKNOWN_SHARE = 0.3  # of the weight of a term that no product has, in what a row may contain
NO_ROWS = np.zeros(0, np.int64)
NO_SCORES = np.zeros(0, np.float32)
DECIMALS = 5  # of scores computed from others, so that equal ones are equal
MOST_DAMPED = 1 - 1e-6  # of a frequency, which reaches 1 where it is without end


@dataclass(frozen=True)
class Matches:
    """Rows with at least one of a query's words, ascending; what they score, and how much of it.

    Attributes:
        rows: `(n,)`, ascending.
        scores: `(n,)`, BM25 above 0.
        coverage: `(n,)`, the share of the query that each row contains, in (0, 1].
        has_rare_code: whether the query has a code that few products say.
        named: rows that the query names by an id or by such a code.
    """

    rows: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    coverage: npt.NDArray[np.float32]
    has_rare_code: bool = False
    named: npt.NDArray[np.int64] = field(default_factory=lambda: NO_ROWS)

    @property
    def most_contained(self) -> float:
        """The largest share of the query that one of the rows contains, 0 where there is none."""
        return float(self.coverage.max(initial=0.0))

    def best(self, count: int) -> npt.NDArray[np.int64]:
        """The `count` rows of the highest scores by coverage, in no order; first rows of ties."""
        if len(self.rows) <= count:
            return self.rows
        scores = self.scores * self.coverage
        least = np.partition(scores, -count)[-count]
        above = np.flatnonzero(scores > least)
        level = np.flatnonzero(scores == least)[: count - len(above)]
        return np.asarray(self.rows[np.concatenate([above, level])])

    def of(
        self, rows: npt.NDArray[np.int64], likely: npt.NDArray[np.float32] | float = 0.0
    ) -> npt.NDArray[np.float32]:
        """The scores of these rows by coverage, 0 where no word matches.

        Args:
            rows: to look up.
            likely: `(rows,)` in 0..1, how far words that a row lacks are forgiven.
        """
        if not len(self.rows):
            return np.zeros(len(rows), np.float32)
        positions = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        coverage = self.coverage[positions]
        kept = coverage + (1 - coverage) * likely
        return np.asarray(self.scores[positions] * kept * (self.rows[positions] == rows))

    def raised(self, rows: npt.NDArray[np.int64]) -> "Matches":
        """These with the scores of some rows twice as high."""
        return replace(self, scores=self.scores * np.where(np.isin(self.rows, rows), 2, 1))

    def with_named(self, rows: npt.NDArray[np.int64]) -> "Matches":
        """These and the ascending rows that the query names, before others, as by a rare code."""
        if not len(rows):
            return self
        together = np.union1d(self.rows, rows)
        scores = self.of(together)
        scores[np.isin(together, rows)] = scores.max(initial=0.0) + NAMED_SCORE
        full = np.ones(len(together), np.float32)
        return Matches(together, scores, full, True, np.union1d(self.named, rows))


class PostingsReader:
    """Reads the table `postings` through one connection; for use in one thread."""

    def __init__(
        self, connection: sqlite3.Connection, row_count: int, language: str = ENGLISH
    ) -> None:
        self._connection = connection
        self._row_count = row_count
        self._language = language
        self._stemmer = Stemmer(language)
        self._low_information = low_information_weights() if language == ENGLISH else {}

    def rows_of(self, term: str) -> npt.NDArray[np.int32]:
        """The rows that say the term's stem, ascending."""
        return self._rows_of_stem(self._stemmer.stem(term))

    def _rows_of_stem(self, stem: str) -> npt.NDArray[np.int32]:
        found = self._read("rows", stem)
        return np.frombuffer(found if isinstance(found, bytes) else b"", "<i4")

    def count_of(self, term: str) -> int:
        """How many rows say the term's stem."""
        found = self._read("length(rows) / 4", self._stemmer.stem(term))
        return found if isinstance(found, int) else 0

    def begins_any(self, code: str) -> bool:
        """Whether a term is this code or begins with it."""
        found = self._connection.execute(
            "SELECT 1 FROM postings WHERE stem >= ? AND stem < ? LIMIT 1",
            (code, code + "\U0010ffff"),
        )
        return found.fetchone() is not None

    def rows_with(self, words: str) -> npt.NDArray[np.int64]:
        """The rows that say all these words, however they are written, ascending.

        "480 gb" is in "480GB", "iphone13" in "iPhone 13", and "dhp453" in "DHP453Z".
        """
        found = np.zeros(0, np.int64)
        for written in {words, apart(words)}:
            terms = self._terms(written)
            terms = [term for term in terms if term.weight == 1] or terms
            rows = [self._rows_of_any(term.forms) for term in terms]
            if rows:
                both = functools.partial(np.intersect1d, assume_unique=True)
                found = np.union1d(found, functools.reduce(both, sorted(rows, key=len)))
        return found

    def rows_with_most(
        self, query: str, expansions: Sequence[Expansion] = ()
    ) -> npt.NDArray[np.int64]:
        """The rows that contain most of a query, ascending.

        A term, or a synonym of it, counts by its inverse document frequency, and a row has most
        where it has two thirds of what the best row has: both words of two, "office chair" of
        "blue office chair".

        Args:
            query: what is searched for.
            expansions: the parts of the query that synonyms are known for.
        """
        low, terms = self._low_information, self._terms(query)
        contained = np.zeros(self._row_count, np.float32)
        for term in [term for term in terms if term.weight == 1] or terms:
            rows = self._rows_of_stems(self._stems_of(term, expansions))
            weight = low.get(term.typed[0], 1.0) * idf(self._row_count, len(rows))
            contained[rows] += np.float32(weight)
        best = contained.max(initial=0.0)
        return np.flatnonzero(contained >= MOST * best) if best > 0 else NO_ROWS

    def _terms(self, text: str) -> list[QueryTerm]:
        terms = query_terms(text, self.count_of, self._language)
        return [self._complete(term) for term in terms[:MAX_TERMS]]

    def _rows_of_any(self, terms: Sequence[str]) -> npt.NDArray[np.int64]:
        return self._rows_of_stems(self._stemmer.stems(terms))

    def _rows_of_stems(self, stems: Iterable[str]) -> npt.NDArray[np.int64]:
        found = [rows for stem in set(stems) if len(rows := self._rows_of_stem(stem))]
        rows = found[0] if len(found) == 1 else np.unique(np.concatenate([NO_ROWS, *found]))
        return rows.astype(np.int64)

    def _stems_of(self, term: QueryTerm, expansions: Sequence[Expansion]) -> list[str]:
        """The stems of a term in all its forms, and those of its synonyms."""
        return [*self._stemmer.stems(term.forms), *_alternatives(term, expansions)]

    def match(
        self,
        query: str,
        within: npt.NDArray[np.int64] | None = None,
        expansions: Sequence[Expansion] = (),
    ) -> Matches:
        """The rows that say a term of the query, or a synonym of it.

        Of a long query the first terms count most, and its low-information terms less. A code that
        no product says stands for those that begin with it.

        Args:
            query: what is searched for.
            within: ascending rows; others are left out.
            expansions: the parts of the query that synonyms are known for.
        """
        terms = self._terms(query)
        weights = _weights_by_position(terms, self._low_information)
        scores = np.zeros(self._row_count, np.float32)
        for stems, weight in self._weigh(terms, weights, expansions).items():
            found, added = self._scores_of(stems)
            scores[found] += added * np.float32(weight)
        rows = np.flatnonzero(scores) if within is None else within[scores[within] > 0]
        is_one = len(query.split()) == 1
        is_name = is_code if is_one else names_one
        plain = [term for term in terms if not _alternatives(term, expansions)]
        plain = [term for term in plain if is_one or not term.is_measure]
        codes = {form for term in plain for form in term.forms if is_name(form)}
        few = [code for code in codes if 1 <= self.count_of(code) <= FEW_PRODUCTS]
        is_number = any(len(DIGIT.findall(run)) >= LONG_RUN for run in NUMBER_RUN.findall(query))
        whole = self.rows_with(query) if few or is_number else NO_ROWS
        if len(whole) > FEW_PRODUCTS:  # "iphone 13", which some write in one
            few = [code for code in few if any(code in term.typed for term in plain)]
        rare, named = bool(few) or (is_number and 1 <= len(whole) <= FEW_PRODUCTS), NO_ROWS
        if rare:
            named = np.intersect1d(whole, self._rows_of_any(few)) if few else whole
            named = np.intersect1d(named, rows, assume_unique=True)
        scores[named] += scores.max(
            initial=0.0
        )  # before those that say pieces of the code in shorter texts
        coverage = self._coverage(terms, weights, expansions)
        return Matches(rows, scores[rows], coverage[rows], rare, named)

    def _weigh(
        self,
        terms: Sequence[QueryTerm],
        term_weights: Sequence[float],
        expansions: Sequence[Expansion],
    ) -> dict[frozenset[str], float]:
        """The stems of the terms' forms with their weights; of those with one stem the first.

        The stems of a word's synonyms are counted with its own, as one.
        """
        weights: dict[str, float] = {}
        synonyms: dict[str, set[str]] = {}
        for term, weight in zip(terms, term_weights, strict=True):
            for stem in self._stemmer.stems(term.forms):
                weights.setdefault(stem, weight)
            for stem in self._stemmer.stems(term.typed):
                synonyms.setdefault(stem, set()).update(_alternatives(term, expansions))
        together: dict[frozenset[str], float] = {}
        for stem, weight in weights.items():
            together.setdefault(frozenset({stem, *synonyms.get(stem, ())}), weight)
        return together

    def _coverage(
        self,
        terms: Sequence[QueryTerm],
        term_weights: Sequence[float],
        expansions: Sequence[Expansion],
    ) -> npt.NDArray[np.float32]:
        """`(rows,)`: the share of a query that each row contains, by inverse document frequency.

        The pieces of a word or a quantity that is also a term as a whole stand for it where a row
        lacks it. What no row contains counts for less.
        """
        contained, total = np.zeros(self._row_count, np.float32), 0.0
        distinct = [
            frozenset([*self._stemmer.stems(term.typed), *_alternatives(term, expansions)])
            for term in terms
        ]
        firsts = {each: position for position, each in reversed(list(enumerate(distinct)))}
        words = itertools.groupby(sorted(firsts.values()), lambda each: terms[each].word_start)
        for _, word in words:
            chosen = list(word)
            rows = [self._rows_of_stems(self._stems_of(terms[each], expansions)) for each in chosen]
            amounts = [
                term_weights[each] * idf(self._row_count, len(found))
                for each, found in zip(chosen, rows, strict=True)
            ]
            full = [terms[each].weight == 1 for each in chosen]
            most = sum(
                amount if len(found) else UNKNOWN_SHARE * amount
                for amount, found, is_full in zip(amounts, rows, full, strict=True)
                if is_full or not any(full)
            )
            found, sums = _sum_by_row(rows, amounts)
            contained[found] += np.minimum(sums, most).astype(np.float32)
            total += most
        contained /= np.float32(max(total, 1e-9))
        return contained

    def _scores_of(
        self, stems: Collection[str]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """The rows that say any of the stems, and their scores as if these were one.

        A score says how often a row has its stem, in units of its length's share of it; these
        numbers add up.
        """
        rows, scores = [], []
        for stem in sorted(stems):
            found = self._connection.execute(
                "SELECT rows, scores FROM postings WHERE stem = ?", (stem,)
            ).fetchone()
            if found is not None:
                rows.append(np.frombuffer(found[0], "<i4"))
                scores.append(np.frombuffer(found[1], "<f4"))
        if len(rows) < 2:
            return (rows[0], scores[0]) if rows else (NO_ROWS.astype(np.int32), NO_SCORES)
        damped = [
            np.minimum(score / (idf(self._row_count, len(found)) * (K1 + 1)), MOST_DAMPED)
            for found, score in zip(rows, scores, strict=True)
        ]
        together, positions = np.unique(np.concatenate(rows), return_inverse=True)
        frequencies = np.concatenate([each / (1 - each) for each in damped])
        summed = np.bincount(positions, frequencies)
        weight = idf(self._row_count, len(together))
        found = np.round(weight * (K1 + 1) * summed / (1 + summed), DECIMALS)
        return together, found.astype(np.float32)

    def _complete(self, term: QueryTerm) -> QueryTerm:
        code = max(filter(is_code, term.typed), key=len, default="")
        if len(code) < PREFIX_LENGTH or any(map(self.count_of, term.forms)):
            return term
        longer = self._connection.execute(
            "SELECT stem FROM postings WHERE stem > ? AND stem < ? LIMIT ?",
            (code, code + "\U0010ffff", MAX_PREFIXED),
        )
        return replace(term, typed=(*term.typed, *(str(stem) for (stem,) in longer)))

    def _read(self, column: str, stem: str) -> object:
        found = self._connection.execute(
            f"SELECT {column} FROM postings WHERE stem = ?", (stem,)
        ).fetchone()
        return None if found is None else found[0]


def _sum_by_row(
    rows: Sequence[npt.NDArray[np.int64]], amounts: Sequence[float]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The rows of all, ascending, and the sum of the amounts of those that each is among."""
    if len(rows) == 1:
        return rows[0], np.full(len(rows[0]), amounts[0])
    together, positions = np.unique(np.concatenate(rows), return_inverse=True)
    sums = np.bincount(positions, np.repeat(amounts, list(map(len, rows))))
    return together, sums.astype(np.float64)


def _weights_by_position(terms: Sequence[QueryTerm], low: Mapping[str, float]) -> list[float]:
    """The weight of each term of a query: of a long one by its position and its information."""
    position, weights = 1.0, list[float]()
    for term in terms:
        information = low.get(term.typed[0], 1.0) if len(terms) > FIRST_TERMS else 1.0
        weights.append(term.weight * information * min(1.0, FIRST_TERMS / position))
        position += information
    return weights


def _alternatives(term: QueryTerm, expansions: Sequence[Expansion]) -> tuple[str, ...]:
    """The stems of what is searched for too where a query has this term."""
    return next((each.stems for each in expansions if each.start <= term.start < each.end), ())
