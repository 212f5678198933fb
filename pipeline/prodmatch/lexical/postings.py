"""Writes the inverted index: the stems of the catalogue's words, and the rows that say them."""

import sqlite3
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prodmatch.lexical.languages import ENGLISH
from prodmatch.lexical.stemmer import Stemmer
from prodmatch.lexical.terms import is_code

K1, B = 1.2, 0.75  # of BM25, the usual ones


class _Numbers(dict[str, int]):
    """Terms numbered as they are first looked up."""

    def __missing__(self, term: str) -> int:
        self[term] = number = len(self)
        return number


@dataclass(frozen=True)
class _Counts:
    """How often rows say terms: one entry for each term of each row, by term and then by row."""

    terms: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    times: npt.NDArray[np.int64]


class PostingsBuilder:
    """Collects the terms of every row: four bytes for each term of a row."""

    def __init__(self, language: str = ENGLISH) -> None:
        self._stemmer = Stemmer(language)
        self._numbers = _Numbers()
        self._terms = array("i")  # of all rows, by their numbers
        self._term_counts = array("i")  # of each row
        self._phrases = array("i")
        self._phrase_counts = array("i")

    def add(self, terms: Sequence[str], phrases: Sequence[str] = ()) -> None:
        """Adds the next row; phrases, which no length counts, have a space in their names."""
        self._terms.extend(map(self._numbers.__getitem__, terms))
        self._term_counts.append(len(terms))
        self._phrases.extend(map(self._numbers.__getitem__, phrases))
        self._phrase_counts.append(len(phrases))

    def write(self, connection: sqlite3.Connection) -> None:
        """Writes two tables: words with the rows that say them, and the postings of stems.

        `vocabulary` has a word of letters and how many rows say it, `postings` a stem, its rows as
        int32, and their scores as float32.
        """
        counts = self._count()
        vocabulary = np.bincount(counts.terms, minlength=len(self._numbers)).tolist()
        entries = zip(self._numbers, vocabulary, strict=True)
        spelled = ((word, count) for word, count in sorted(entries) if word.isalpha())
        connection.executemany("INSERT INTO vocabulary VALUES (?, ?)", spelled)
        connection.execute("CREATE TABLE postings (stem TEXT PRIMARY KEY, rows BLOB, scores BLOB)")
        connection.executemany("INSERT INTO postings VALUES (?, ?, ?)", self._scored(counts))

    def _count(self) -> _Counts:
        row_count = max(1, len(self._term_counts))
        pairs = [
            np.frombuffer(numbers, np.int32).astype(np.int64) * row_count
            + np.repeat(np.arange(len(counts)), np.frombuffer(counts, np.int32))
            for numbers, counts in (
                (self._terms, self._term_counts),
                (self._phrases, self._phrase_counts),
            )
        ]
        found, times = np.unique(np.concatenate(pairs), return_counts=True)
        return _Counts(found // row_count, found % row_count, times)

    def _lengths(self, counts: _Counts) -> npt.NDArray[np.int32]:
        """The terms of each row; a code that is repeated makes no text longer."""
        lengths = np.array(self._term_counts, np.int32)
        codes = np.fromiter(map(is_code, self._numbers), np.bool_, len(self._numbers))
        phrases = np.fromiter((" " in term for term in self._numbers), np.bool_, len(codes))
        again = (codes & ~phrases)[counts.terms] & (counts.times > 1)
        np.subtract.at(lengths, counts.rows[again], counts.times[again] - 1)
        return lengths

    def _scored(self, counts: _Counts) -> Iterator[tuple[str, bytes, bytes]]:
        lengths = self._lengths(counts)
        if not len(counts.terms):
            return
        relative = lengths / max(float(lengths.mean()), 1e-9)
        names = sorted(set(found := self._stemmer.stems(self._numbers)))
        positions = {stem: position for position, stem in enumerate(names)}
        stems = np.array([positions[stem] for stem in found])[counts.terms]
        pairs = stems * len(lengths) + counts.rows
        order = np.argsort(pairs, kind="stable")
        firsts = np.flatnonzero(np.diff(pairs[order], prepend=-1))
        times = np.add.reduceat(np.minimum(counts.times, 65_535)[order], firsts).astype(float)
        stems, rows = np.divmod(pairs[order][firsts], len(lengths))
        ends = np.cumsum(np.bincount(stems, minlength=len(names)))
        weights = np.array(
            [idf(len(lengths), count) for count in np.diff(ends, prepend=0).tolist()]
        )
        damped = times + K1 * (1 - B + B * relative[rows])
        scores = (weights[stems] * times * (K1 + 1) / damped).astype("<f4")
        rows = rows.astype("<i4")
        for stem, start, end in zip(names, [0, *ends[:-1]], ends, strict=True):
            yield stem, rows[start:end].tobytes(), scores[start:end].tobytes()


def idf(row_count: int, products_with: int) -> float:
    """The inverse document frequency of a term that so many of the rows have."""
    return float(np.log1p((row_count - products_with + 0.5) / (products_with + 0.5)))
