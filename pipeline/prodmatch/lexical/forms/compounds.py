"""Compounds: "herrenlaufschuhe", where a query says "laufschuhe", or "schuhe"."""

import re
import sqlite3
from collections.abc import Callable, Sequence
from itertools import islice

from prodmatch.lexical.folding import fold
from prodmatch.lexical.forms.regional import free_tokens
from prodmatch.lexical.languages import COMPOUNDING, ENGLISH
from prodmatch.lexical.stemmer import Stemmer
from prodmatch.lexical.synonyms import Expansion
from prodmatch.lexical.terms import is_spelled
from prodmatch.lexical.word_lists.known_words import level_of

LEAST_LETTERS = 5  # of a word that is looked for in others
LEAST_REST = 3  # letters of what else a compound has
LEAST_HEAD = 4  # letters of the last word of other compounds that begin with that
SEVERAL = 2  # of these, for a word that products contain in compounds alone: "lauf"
MOST_WORDS = 64  # of a query that are looked for
MOST_READ = 2000  # words that contain the word
MOST_COMPOUNDS = 500
MOST_NAMED = 3  # of them, for a person
COMMON_LEVEL = 2.5  # a word so common in English is none of another language
ENDINGS = ("es", "en", "er", "s", "n", "e")  # of a word, and between two
INFLECTED = re.compile(rf"(?<=.{{{LEAST_LETTERS}}})(?:{'|'.join(ENDINGS)})$")
CONTAINING = "SELECT CAST(word AS TEXT) FROM vocabulary WHERE instr(word, ?) ORDER BY count DESC"
BEGINNING = """SELECT count(*) FROM vocabulary one CROSS JOIN vocabulary other
    WHERE other.word = substr(one.word, ?2) AND one.word > ?1 AND one.word < ?1 || char(1114111)
    AND length(other.word) >= ?3"""


def compounds_of(word: str, connection: sqlite3.Connection, language: str = ENGLISH) -> list[str]:
    """The words of the products that begin or end with a folded word, the commonest first.

    What else such a word has must be a word of the products, with or without a linking sound, or
    begin several other compounds: "tisch" is in "holztisch", not in "elastisch". Where none is
    such a word, those that end with it are taken in a language that writes nouns in one.

    Args:
        word: that no product contains.
        connection: to the table `vocabulary`.
        language: of the words of the products.
    """
    level = level_of(word) if language == ENGLISH else None
    if len(word) < LEAST_LETTERS or not is_spelled(word) or (level or 0) >= COMMON_LEVEL:
        return []
    root = INFLECTED.sub("", word)
    heads = [word[:end] for end in range(len(root), len(word))]
    heads += [word + ending for ending in ("", *ENDINGS)]
    compound = re.compile(
        rf"(?P<before>.{{{LEAST_REST},}})(?:{'|'.join(heads)})"
        rf"|{word}(?P<behind>.{{{LEAST_REST},}})"
    )
    parts = _Parts(connection)
    words = parts.containing(root)
    matches = [(other, each) for other in words if (each := compound.fullmatch(other))]
    known = (other for other, each in matches if parts.has(each["before"], each["behind"]))
    compounds = [*islice(known, MOST_COMPOUNDS)]
    if not compounds and language in COMPOUNDING:
        compounds = [other for other, each in matches if each["before"]]
    return compounds[:MOST_COMPOUNDS]


def compounds_ending_with(word: str, connection: sqlite3.Connection, language: str) -> list[str]:
    """The words of the products that end with a folded word in any form, the commonest first.

    None in a language that writes nouns apart.

    Args:
        word: that products contain by itself too. What begins with it is not meant: a
            "schuhschrank" is no "schuh".
        connection: to the table `vocabulary`.
        language: of the words of the products.
    """
    if language not in COMPOUNDING or not is_spelled(word):
        return []
    stemmer = Stemmer(language)
    stem = stemmer.stem(word)
    compound = re.compile(rf"(?P<before>.{{{LEAST_REST},}})(?P<head>{stem}.*)")
    parts = _Parts(connection)
    found = ((other, compound.fullmatch(other)) for other in parts.containing(stem))
    ending = ((other, each) for other, each in found if each and stemmer.stem(each["head"]) == stem)
    known = (other for other, each in ending if parts.has(each["before"], None))
    return [*islice(known, MOST_COMPOUNDS)]


class _Parts:
    """The words of the products as parts of compounds."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[str | None, str | None], bool] = {}

    def containing(self, root: str) -> list[str]:
        """The words that contain some letters, the commonest first."""
        found = self._connection.execute(CONTAINING, (root,))
        return [str(word) for (word,) in found.fetchmany(MOST_READ)]

    def has(self, before: str | None, behind: str | None) -> bool:
        """Whether what stands before or behind a word is a word itself, or begins compounds."""
        key = before, behind
        if key not in self._known:
            self._known[key] = self._is_word(before, behind) or self._begins_several(before or "")
        return self._known[key]

    def _is_word(self, before: str | None, behind: str | None) -> bool:
        cut = str.removesuffix if before else str.removeprefix
        rest = before or behind or ""
        forms = {form for end in ("", *ENDINGS) if len(form := cut(rest, end)) >= LEAST_REST}
        marks = ",".join("?" * len(forms))
        known = f"SELECT 1 FROM vocabulary WHERE word IN ({marks})"
        return self._connection.execute(known, [*forms]).fetchone() is not None

    def _begins_several(self, before: str) -> bool:
        if not before:
            return False
        (others,) = self._connection.execute(
            BEGINNING, (before, len(before) + 1, LEAST_HEAD)
        ).fetchone()
        return int(others) >= SEVERAL


def expand_compounds(
    text: str,
    known: Sequence[Expansion],
    find: Callable[[str], Sequence[str]],
    language: str = ENGLISH,
) -> tuple[Expansion, ...]:
    """The known expansions of a query, and those of words that products contain in compounds.

    Args:
        text: the query.
        known: its expansions by rules of the shop.
        find: the compounds with a folded word.
        language: of the words of the products.
    """
    stemmer, folded = Stemmer(language), fold(text)
    found = list(known)
    for token in islice(free_tokens(text, known), MOST_WORDS):
        if any(each.isalnum() for each in (*folded[: token.start][-1:], *folded[token.end :][:1])):
            continue  # a piece of a code: "allin" of "allin1"
        if compounds := find(token.text):
            stems = tuple(stemmer.stems(compounds))
            named = tuple(compounds[:MOST_NAMED])
            found.append(Expansion(token.start, token.end, token.text, named, stems))
    return tuple(sorted(found, key=lambda each: each.start))
