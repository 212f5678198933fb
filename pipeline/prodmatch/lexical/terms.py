"""Text to the terms that the lexical signal counts; the same rules for products and for queries."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

__all__ = ["is_spelled", "query_terms", "split_terms", "within_edits"]

# Signs that belong to the letter before them; the combining marks of Latin are dropped instead.
MARKS = "\u064b-\u065f\u0900-\u0963\u0966-\u0dff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
LETTERS = rf"(?:[^\W_]|[{MARKS}])+"
COMPOUND = re.compile(rf"{LETTERS}(?:[-_./]{LETTERS})*")
PART = re.compile(LETTERS)
POSSESSIVE = re.compile(r"(?<=[^\W_])['\u2019]s\b")
# Scripts written without spaces: their words are found by pairs of neighbouring letters.
UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
    r"\uf900-\ufaff\U00020000-\U0003ffff]+"
)
MOST_LOOKED_AT = 250  # compounds of a query; each letter among them is looked up
MOST_PARTS = 16  # of a compound
ONE_WORD_SHARE = 0.05  # of the products that say "shirt" must say "tshirt" for "t shirt" to be it
LATIN_MARKS = re.compile("[\u0300-\u036f]")
STOP_WORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "by",
        "for",
        "from",
        "i",
        "in",
        "is",
        "it",
        "me",
        "my",
        "of",
        "on",
        "or",
        "our",
        "some",
        "that",
        "the",
        "their",
        "them",
        "these",
        "this",
        "those",
        "to",
        "under",
        "was",
        "we",
        "what",
        "which",
        "who",
        "with",
        "without",
        "you",
        "your",
    ]
)


def split_terms(text: str) -> list[str]:
    """The terms of a product's text, in order.

    A compound gives its parts and the whole without its joints: "long-sleeve" is found by "long
    sleeve" and by "longsleeve", "T-Shirt" by "t-shirt", "tshirt", "t shirt" and "shirt".
    """
    return [term for parts in _compounds(text) for term in _say(parts)]


def query_terms(text: str, count_of: Callable[[str], int]) -> list[list[str]]:
    """The terms of a query, each as a list of ways to say the same.

    Stop words are left out, unless there is nothing else. A single letter belongs to the word
    behind it where the products say that as one ("t shirt" is "t-shirt", "a red shirt" is no
    "ared"), and neighbours may be one word in the catalogue.

    Args:
        text: what a person asks.
        count_of: how many products say a term.
    """
    compounds = list(_join_letters(islice(_compounds(text), MOST_LOOKED_AT), count_of))
    kept = [parts for parts in compounds if len(parts) > 1 or parts[0] not in STOP_WORDS]
    compounds = kept or compounds
    groups: list[list[str]] = []
    for place, parts in enumerate(compounds):
        if len(parts) > 1:
            joined = "".join(parts)
            groups += [[part, joined] for part in parts]
            continue
        behind = compounds[place + 1 : place + 2]
        ahead = compounds[place - 1 : place] if place else []
        neighbours = [parts[0] + other[0] for other in behind if len(other) == 1]
        neighbours += [other[0] + parts[0] for other in ahead if len(other) == 1]
        groups.append([*_pairs(parts[0])[:1], *neighbours])
        groups += [[pair] for pair in _pairs(parts[0])[1:]]
    return groups


def is_spelled(term: str) -> bool:
    """Whether a term is a word that can be mistyped: long enough, without digits, with spaces."""
    return len(term) >= 4 and term.isalpha() and not UNSPACED.search(term)


def within_edits(one: str, other: str, most: int) -> int | None:
    """The count of edits between two words where it is at most `most`, else None.

    An edit is a letter more, less, changed, or swapped with its neighbour
    (restricted Damerau-Levenshtein).
    """
    if abs(len(one) - len(other)) > most:
        return None
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        oldest, before, row = before, row, [i]
        for j, found in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != found))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == found:
                cost = min(cost, oldest[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return None
    return row[-1] if row[-1] <= most else None


def _compounds(text: str) -> Iterator[list[str]]:
    """Runs of letters and digits, as the parts between hyphens, dots and the like."""
    folded = LATIN_MARKS.sub("", unicodedata.normalize("NFKD", text)).casefold()
    folded = POSSESSIVE.sub("", unicodedata.normalize("NFC", folded))
    for found in COMPOUND.finditer(folded):
        yield PART.findall(found.group())


def _join_letters(
    compounds: Iterable[list[str]], count_of: Callable[[str], int]
) -> Iterator[list[str]]:
    """Compounds with a letter in front as one word or as two, whichever the products say."""
    letter: list[str] = []
    for parts in compounds:
        together, letter = [*letter, *parts[:MOST_PARTS]], []
        while len(together) > 1 and _is_letter(together[0]):
            if _is_one_word(together, count_of):
                together = ["".join(together)]
            else:
                yield together[:1]
                together = together[1:]
        if _is_letter(together[0]):  # it may belong to what follows
            letter = together
        else:
            yield together
    if letter:
        yield letter


def _is_letter(part: str) -> bool:
    return len(part) == 1 and part.isascii() and part.isalpha()


def _is_one_word(parts: list[str], count_of: Callable[[str], int]) -> bool:
    joined = count_of("".join(parts))
    return joined > 0 and joined >= ONE_WORD_SHARE * max(map(count_of, parts[1:]))


def _say(parts: list[str]) -> list[str]:
    terms = [pair for part in parts for pair in _pairs(part)]
    if len(parts) > 1:
        terms.append("".join(parts))
    return terms


def _pairs(part: str) -> list[str]:
    """The word itself, or for scripts without spaces the pairs of neighbouring letters."""
    terms, start = [], 0
    for found in UNSPACED.finditer(part):
        terms += [part[start : found.start()]] if found.start() > start else []
        run = found.group()
        terms += [run[i : i + 2] for i in range(len(run) - 1)] or [run]
        start = found.end()
    return terms + ([part[start:]] if start < len(part) else [])
