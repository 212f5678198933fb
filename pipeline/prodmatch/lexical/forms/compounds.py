"""Compounds: "herrenlaufschuhe", where a query says "laufschuhe" and no product does."""

import functools
import re
import sqlite3
from collections.abc import Callable, Sequence

from prodmatch.lexical.folding import fold
from prodmatch.lexical.forms.regional import free_tokens
from prodmatch.lexical.stemmer import Stemmer
from prodmatch.lexical.synonyms import Expansion
from prodmatch.lexical.terms import is_spelled
from prodmatch.lexical.word_lists.known_words import level_of

LEAST_LETTERS = 5  # of a word that is looked for in others
LEAST_REST = 3  # letters of what else a compound has
LEAST_HEAD = 4  # letters of the last word of other compounds that begin with that
SEVERAL = 2  # of these, for a word that products contain in compounds alone: "lauf"
MOST_READ = 300  # words that contain the word
MOST_COMPOUNDS = 50
MOST_NAMED = 3  # of them, for a person
COMMON_LEVEL = 2.5  # a word so common in English is none of another language
ENDINGS = ("es", "en", "er", "s", "n", "e")  # of a word, and between two
INFLECTED = re.compile(rf"(?<=.{{{LEAST_LETTERS}}})(?:{'|'.join(ENDINGS)})$")
CONTAINING = "SELECT CAST(word AS TEXT) FROM vocabulary WHERE instr(word, ?) ORDER BY count DESC"
BEGINNING = """SELECT count(*) FROM vocabulary one CROSS JOIN vocabulary other
    WHERE other.word = substr(one.word, ?2) AND one.word > ?1 AND one.word < ?1 || char(1114111)
    AND length(other.word) >= ?3"""


def compounds_of(word: str, connection: sqlite3.Connection) -> list[str]:
    """The words of the products that begin or end with a folded word, the commonest first.

    What else such a word has must be a word of the products, with or without a linking sound, or
    begin several other compounds: "tisch" is in "holztisch", not in "elastisch".

    Args:
        word: that no product contains.
        connection: to the table `vocabulary`.
    """
    if len(word) < LEAST_LETTERS or not is_spelled(word) or (level_of(word) or 0) >= COMMON_LEVEL:
        return []
    root = INFLECTED.sub("", word)
    heads = [word[:end] for end in range(len(root), len(word))]
    heads += [word + ending for ending in ("", *ENDINGS)]
    compound = re.compile(
        rf"(?P<before>.{{{LEAST_REST},}})(?:{'|'.join(heads)})"
        rf"|{word}(?P<behind>.{{{LEAST_REST},}})"
    )

    @functools.cache
    def is_part(before: str | None, behind: str | None) -> bool:
        rest = before or behind or ""
        cut = str.removesuffix if before else str.removeprefix
        forms = {form for end in ("", *ENDINGS) if len(form := cut(rest, end)) >= LEAST_REST}
        marks = ",".join("?" * len(forms))
        known = f"SELECT 1 FROM vocabulary WHERE word IN ({marks})"
        if connection.execute(known, [*forms]).fetchone():
            return True
        if not before:
            return False
        (others,) = connection.execute(BEGINNING, (before, len(before) + 1, LEAST_HEAD)).fetchone()
        return int(others) >= SEVERAL

    words = [
        str(found) for (found,) in connection.execute(CONTAINING, (root,)).fetchmany(MOST_READ)
    ]
    found = ((other, compound.fullmatch(other)) for other in words)
    parted = [other for other, each in found if each and is_part(each["before"], each["behind"])]
    return parted[:MOST_COMPOUNDS]


def expand_compounds(
    text: str, known: Sequence[Expansion], find: Callable[[str], Sequence[str]]
) -> tuple[Expansion, ...]:
    """The known expansions of a query, and those of words that products contain in compounds.

    Args:
        text: the query.
        known: its expansions by rules of the shop.
        find: the compounds with a folded word that no product contains.
    """
    stemmer, folded = Stemmer(), fold(text)
    found = list(known)
    for token in free_tokens(text, known):
        if any(each.isalnum() for each in (*folded[: token.start][-1:], *folded[token.end :][:1])):
            continue  # a piece of a code: "allin" of "allin1"
        if compounds := find(token.text):
            stems = tuple(stemmer.stems(compounds))
            named = tuple(compounds[:MOST_NAMED])
            found.append(Expansion(token.start, token.end, token.text, named, stems))
    return tuple(sorted(found, key=lambda each: each.start))
