"""Spelling: what a person typed, in words that the catalogue or the text encoder knows.

Both the words and the vector of a query are made from what comes out: a typed word that nobody
says finds nothing by words, and is broken by the encoder into pieces that mean nothing.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from prodmatch.lexical.edits import within_edits
from prodmatch.lexical.terms import STOP_WORDS, is_spelled, split_terms

__all__ = ["Lexicon", "correct_spelling"]

MOST_WORDS = 64  # of a query that are looked at
LONG_LETTERS = 8  # a word from here on may have two mistakes
MUCH_MORE = 5  # times that another form of a word is said, to stand in for it


class Lexicon(Protocol):
    """Words that are known, and how many products say each."""

    def counts(self, words: Sequence[str]) -> list[int]:
        """How many products say each word, letter for letter."""

    def count_of_both(self, one: str, other: str) -> int:
        """How many products say both words, in any form."""

    def says(self, word: str) -> bool:
        """Whether a product says the word or another form of it."""

    def knows(self, word: str) -> bool:
        """Whether the text encoder has a meaning of its own for the word."""

    def words_like(self, letter: str, shortest: int, longest: int) -> Iterable[tuple[str, int]]:
        """Words of that first letter and of these lengths, with the count of their products."""


def correct_spelling(text: str, lexicon: Lexicon) -> str:
    """The text with mistyped words replaced by the nearest known ones; else as it is.

    Two words are joined where more products say them as one than say both ("sun glasses"). A word
    that the encoder does not know gets the form that the catalogue says most ("kurtis" or
    "kurti"). A word that neither knows gets the nearest one of the same first letter, at most one
    edit away and from eight letters on two; of equally near ones, that of the most products.
    """
    words = text.split()
    terms = [_plain_word(word) for word in words[:MOST_WORDS]]
    corrected: list[str] = []
    place = 0
    while place < len(terms):
        joined = _join(terms[place : place + 2], lexicon)
        if joined:
            corrected.append(joined)
            place += 2
            continue
        corrected.append(_spell(terms[place], lexicon) or words[place])
        place += 1
    return " ".join([*corrected, *words[MOST_WORDS:]])


def _plain_word(word: str) -> str:
    """The word's only term, folded; empty for compounds and for what is no word of letters."""
    terms = split_terms(word)
    return terms[0] if len(terms) == 1 and terms[0].isalpha() else ""


def _join(pair: Sequence[str], lexicon: Lexicon) -> str:
    """A pair as one word where more products say that than say both words."""
    if any(len(word) < 2 or word in STOP_WORDS for word in pair) or len(pair) < 2:
        return ""
    joined = "".join(pair)
    (together,) = lexicon.counts([joined])
    return joined if together and together > lexicon.count_of_both(*pair) else ""


def _spell(term: str, lexicon: Lexicon) -> str:
    """Another spelling of the term, empty where its own is right or none is near."""
    if not is_spelled(term) or lexicon.knows(term):
        return ""
    forms = _forms(term)
    said, *others = lexicon.counts([term, *forms])
    if max(others) >= MUCH_MORE * max(said, 1):
        return forms[others.index(max(others))]
    return "" if said or lexicon.says(term) else _nearest(term, lexicon)


def _forms(term: str) -> list[str]:
    """Singulars and plurals that the term may have in English; some are no words."""
    forms = [f"{term}s", f"{term}es", f"{term[:-1]}ies"]
    if term.endswith("s"):
        forms += [term[:-1], term.removesuffix("es"), f"{term.removesuffix('ies')}y"]
    return [form for form in forms if form != term]


def _nearest(term: str, lexicon: Lexicon) -> str:
    most = 1 if len(term) < LONG_LETTERS else 2
    found = []
    for word, count in lexicon.words_like(term[0], len(term) - most, len(term) + most):
        edits = within_edits(term, word, most)
        if edits is not None:
            found.append((edits, -count, word))
    return min(found)[2] if found else ""
