"""Spelling: the words of a query, in spellings that the catalogue or the text encoder knows.

Both the words and the vector of a query are made from what comes out: a mistyped word finds
nothing by words, and is broken by the encoder into pieces that mean nothing. A word that any
vocabulary holds is right, but for a very rare one that no product contains next to a common one
that many do.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, starmap
from typing import Protocol

from prodmatch.lexical.folding import fold
from prodmatch.lexical.languages import STOP_WORDS
from prodmatch.lexical.terms import is_code, is_spelled, split_terms
from prodmatch.lexical.word_lists.known_words import level_of

MAX_WORDS = 64  # of a query that are looked at
LONG_LETTERS = 8  # a word from here on may have two mistakes
MUCH_MORE = 5  # times that another form of a word is in products, to stand in for it
LEAST_PART = 3  # letters of a word of two
MIN_PRODUCTS = 2  # that contain both
LEAST_PARTED, MOST_PARTS = 4, 3  # letters of a word of a compound, and its words
LINKS = ("es", "s", "en", "n", "er", "e")  # behind such a word
# Of two words: how likely the second was meant, in powers of ten (docs/experiments.md).
TWO_EDITS = 1.0  # the cost of two edits
LAST = 0.3  # the cost of another last letter, more than of others: names often differ in it
UNSAID = 0.5  # products that a word of the encoder counts as in, where none contains it
ENDING = 2.0  # of letters behind a word
LETTER, FEW_LETTERS, MOST_LETTERS = 0.2, 5, 9  # what each letter of an unknown word tells
COMMON = 0.15  # of how common in English the word is that an unknown one is taken for
MORE_COMMON = 0.5  # of how much more common than a known word it is
KNOWN_COST = 2.0  # times that an edit of a known word costs
CATALOGUE = 0.3  # of the products of a catalogue: more of them have more words by chance
# "spagetti": rare in English, and a slip of a long word that is far more common. Of those words
# that lists have, four in five are mistyped: docs/experiments.md.
SLIP, RARE, FAR_MORE_COMMON = 0.2, 2.0, 2.0
LEAST_UNKNOWN, LEAST_KNOWN = 0.3, 0.6  # that is enough
WELL_KNOWN = 2.5  # a word so common in English is right: "swatch" where products say "switch"
SHORT_LETTERS, SHORT = 5, 0.3  # of an unknown word that may well be a name, and how much more
# Of a word that is right as one, though products say it as two: how common, or in how many of them.
COMMON_LEVEL, USUAL_PRODUCTS = 2.0, 5
DIGRAPH = re.compile(r"([aou])e")  # how "\u00f6" is written where there is none
QUOTED = re.compile(r"""(?<!\w)(?:"[^"]*"|\u201c[^\u201d]*\u201d)(?!\w)""")
KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
COLUMN = {letter: (row, at) for row, keys in enumerate(KEYS) for at, letter in enumerate(keys)}
VOWELS = frozenset("aeiouy")


class Lexicon(Protocol):
    """Words that are known, and how many products contain each."""

    @property
    def product_count(self) -> int:
        """How many products there are."""

    def counts(self, words: Sequence[str]) -> list[int]:
        """How many products contain each word, letter for letter."""

    def count_of_both(self, one: str, other: str) -> int:
        """How many products contain both words, in any form."""

    def contains_phrase(self, words: Sequence[str]) -> bool:
        """Whether a product contains the words one behind the other."""

    def says(self, word: str) -> bool:
        """Whether a product contains the word or another form of it."""

    def knows(self, word: str) -> bool:
        """Whether the text encoder has a meaning of its own for the word."""

    def written_apart(self, word: str) -> str:
        """How products write a word that none contains, with signs in it; else empty."""

    def compounds_of(self, word: str) -> Sequence[str]:
        """The words of products that begin or end with one that none contains."""

    def words_like(self, letter: str, shortest: int, longest: int) -> Iterable[tuple[str, int]]:
        """Words of that first letter and of these lengths, with the count of their products."""


@dataclass(frozen=True)
class Correction:
    """What is searched for, and how it differs from what was typed."""

    text: str
    changed: tuple[tuple[str, str], ...] = ()  # typed, corrected
    unknown: tuple[str, ...] = ()  # in no vocabulary, and near to no word of one
    apart: str | None = None  # the text for words alone, where products say a right one as two


def correct_spelling(
    text: str, lexicon: Lexicon, is_right: Callable[[str], bool] | None = None
) -> Correction:
    """The text with mistyped words replaced by the nearest known ones; else as it is.

    Two words are joined where more products contain them as one than both ("sun glasses"), and one
    is two where products contain these one behind the other ("powerbank"); of a common word that
    is right as one ("eyeliner") only `apart` has the two, by which products are found that say
    either. A word
    that no vocabulary holds gets the form that most products contain ("kurtis" or "kurti"), else
    the likeliest word of the same first letter, at most one edit away and from eight letters on
    two, where that is likely enough: it may be a name. What stands in quotes stays, and so does a
    word that `is_right` is true for.
    """
    words = text.split()
    terms = [_plain_word(word) for word in words[:MAX_WORDS]]
    quoted = _quoted(text)
    if is_right is not None:
        quoted |= {at for at, word in enumerate(words[:MAX_WORDS]) if is_right(word)}
    corrected: list[str] = []
    apart: list[str] = []
    changed: list[tuple[str, str]] = []
    unknown: list[str] = []
    position = 0
    has_few_parts = len(words) + text.count("-") <= MAX_WORDS
    while position < len(terms):
        is_limit = terms[position + 1 : position + 3] == ["less", "than"]
        is_kept = is_limit or quoted & {position, position + 1}
        pair = [] if is_kept else terms[position : position + 2]
        if joined := _join(pair, lexicon):
            changed.append((" ".join(words[position : position + 2]), joined))
            corrected.append(joined)
            apart.append(joined)
            position += 2
            continue
        term = "" if position in quoted else terms[position]
        two = _split(term, lexicon)
        is_one = bool(two) and _is_common(term, lexicon)
        found = "" if is_one else two or _spell(term, lexicon)
        if position not in quoted and not term:
            found = _find_code(words[position], lexicon)
            if not found and has_few_parts and "-" in words[position]:
                found = _spell_compound(words[position], lexicon)
        if found:
            changed.append((words[position], found))
        elif found is None:
            unknown.append(words[position])
        corrected.append(found or words[position])
        apart.append(two if is_one else corrected[-1])
        position += 1
    text, words_apart = (" ".join([*each, *words[MAX_WORDS:]]) for each in (corrected, apart))
    different = None if apart == corrected else words_apart
    return Correction(text, tuple(changed), tuple(unknown), different)


def _find_code(word: str, lexicon: Lexicon) -> str:
    """A code as products write it: "gsr 12v-15" of "gsr12v15"; empty where it is no other."""
    code = "".join(filter(str.isalnum, fold(word)))
    return lexicon.written_apart(code) if is_code(code) else ""


def _is_common(term: str, lexicon: Lexicon) -> bool:
    """Whether a word is right as one: a common one, or one that products contain."""
    (count,) = lexicon.counts([term])
    is_common = (level_of(term) or 0.0) >= COMMON_LEVEL
    return is_common or count >= USUAL_PRODUCTS or lexicon.knows(term)


def _quoted(text: str) -> set[int]:
    """The positions of the words that stand in quotes."""
    positions: set[int] = set()
    for found in QUOTED.finditer(text):
        first = len(text[: found.start()].split())
        positions.update(range(first, first + len(found.group().split())))
    return positions


def _plain_word(word: str) -> str:
    """The word's only term, folded; empty for compounds and for what is no word of letters."""
    terms = split_terms(word)
    return terms[0] if len(terms) == 1 and terms[0].isalpha() else ""


def _join(pair: Sequence[str], lexicon: Lexicon) -> str:
    """A pair as one word where more products contain that than both words."""
    if any(len(word) < 2 or word in STOP_WORDS for word in pair) or len(pair) < 2:
        return ""
    joined = "".join(pair)
    (together,) = lexicon.counts([joined])
    return joined if together and together > lexicon.count_of_both(*pair) else ""


def _split(term: str, lexicon: Lexicon) -> str:
    """A word as the two that products contain in its place; empty where they do not."""
    if not is_spelled(term) or len(term) < 2 * LEAST_PART:
        return ""
    pairs = [(term[:at], term[at:]) for at in range(LEAST_PART, len(term) - LEAST_PART + 1)]
    counts = [min(lexicon.counts(pair)) for pair in pairs]
    (count,) = lexicon.counts([term])
    if count == 0 and lexicon.says(term):  # in another form
        return ""
    likely = [pair for number, pair in zip(counts, pairs, strict=True) if number >= MIN_PRODUCTS]
    for pair in sorted(likely, key=lambda pair: -lexicon.count_of_both(*pair)):
        both = lexicon.count_of_both(*pair)
        if both >= max(MIN_PRODUCTS, MUCH_MORE * count) and lexicon.contains_phrase(pair):
            return " ".join(pair)
    return ""


def _spell(term: str, lexicon: Lexicon) -> str | None:
    """Another spelling of the term, empty where its own is right, None where none is known."""
    if not is_spelled(term) or lexicon.knows(term):
        return ""
    level = level_of(term)
    forms = _forms(term)
    count, *others = lexicon.counts([term, *forms])
    if level is None and max(others) >= MUCH_MORE * max(count, 1):
        return forms[others.index(max(others))]
    if count or lexicon.says(term) or (level or 0.0) >= WELL_KNOWN:
        return ""
    if level is None and (found := _plain_vowels(term, lexicon) or lexicon.written_apart(term)):
        return found
    if lexicon.compounds_of(term):
        return ""
    return (level is None and _part(term, lexicon)) or _likeliest(term, level, lexicon)


def _part(term: str, lexicon: Lexicon) -> str:
    """A compound as its words, where a product contains all: "holz tisch"; else empty.

    Of several ways those with the fewest words, and of these what most products contain.
    """
    for count in (2, MOST_PARTS):
        ways = list(_ways(term, count, lexicon))
        both = [min(starmap(lexicon.count_of_both, combinations(way, 2))) for way in ways]
        if max(both, default=0):
            return " ".join(ways[both.index(max(both))])
    return ""


def _ways(term: str, count: int, lexicon: Lexicon) -> Iterator[tuple[str, ...]]:
    """The ways to write a word as so many of the products, whatever links them."""
    if count == 1:
        yield from [(term,)] if lexicon.says(term) else []
        return
    for at in range(LEAST_PARTED, len(term) - LEAST_PARTED * (count - 1) + 1):
        forms = [term[:at], f"{term[:at]}e", *map(term[:at].removesuffix, LINKS)]
        first = next(
            (each for each in forms if len(each) >= LEAST_PARTED and lexicon.says(each)), ""
        )
        if first:
            yield from ((first, *rest) for rest in _ways(term[at:], count - 1, lexicon))


def _plain_vowels(term: str, lexicon: Lexicon) -> str:
    """The word without the "e" that stands for two dots: "kronung" of "kroenung"."""
    plain = DIGRAPH.sub(r"\1", term)
    return plain if plain != term and lexicon.says(plain) else ""


def _spell_compound(word: str, lexicon: Lexicon) -> str:
    """Another spelling of a compound of words of letters, empty where its own is right."""
    parts = word.casefold().split("-")
    if not all(map(str.isalpha, parts)) or lexicon.says("".join(parts)):
        return ""
    spelled = [_spell(part, lexicon) or part for part in parts]
    return "-".join(spelled) if spelled != parts else ""


def _forms(term: str) -> list[str]:
    """Singulars and plurals that the term may have in English; some are no words."""
    forms = [f"{term}s", f"{term}es", f"{term[:-1]}ies"]
    if term.endswith("s"):
        forms += [term[:-1], term.removesuffix("es"), f"{term.removesuffix('ies')}y"]
    return [form for form in forms if form != term]


def _likeliest(term: str, level: float | None, lexicon: Lexicon) -> str | None:
    """The word that was meant: empty where that is the term itself, None where none is known.

    Args:
        term: that no product contains.
        level: how common it is, None if it is no known word.
    """
    most = 2 if level is None and len(term) >= LONG_LETTERS else 1
    found: list[tuple[float, str]] = []
    for word, count in lexicon.words_like(term[0], len(term) - most, len(term) + most):
        edits = within_edits(term, word, most)
        if edits:
            cost = edit_cost(term, word) if edits == 1 else TWO_EDITS
            if term.startswith(word) and cost:
                cost = ENDING  # "campingaz" is a name
            elif term[-1] != word[-1] and cost:
                cost += LAST
            likelihood = math.log10(max(count, UNSAID) + 0.5)
            common = level_of(word) or 0.0
            if level is None:
                length = min(len(term), MOST_LETTERS) - FEW_LETTERS
                likelihood += LETTER * length + COMMON * common - cost
            else:
                likelihood += MORE_COMMON * (common - level) - KNOWN_COST * cost
                is_slip = cost <= SLIP and level < RARE and common - level >= FAR_MORE_COMMON
                if not (is_slip and count and len(word) >= LONG_LETTERS):
                    likelihood -= CATALOGUE * math.log10(lexicon.product_count)
            found.append((likelihood, word))
    likelihood, word = max(found, default=(-math.inf, ""))
    least = LEAST_UNKNOWN + (SHORT if len(term) <= SHORT_LETTERS else 0.0)
    if likelihood >= (least if level is None else LEAST_KNOWN):
        return word
    return None if level is None else ""


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


def edit_cost(typed: str, intended: str) -> float:
    """How unlikely the only edit between two words is as a slip, in powers of ten.

    Letters swapped, doubled or not doubled cost nothing, a letter left out .2, a vowel for a vowel
    .5, a neighbour on the keyboard instead of a letter or next to it .6, any other letter 1.2.
    """
    if len(typed) < len(intended):
        return 0.0 if _undoubled(typed) == _undoubled(intended) else 0.2
    if len(typed) > len(intended):
        return _cost_of_more(typed, intended)
    if sorted(typed) == sorted(intended):
        return 0.0
    letters = next(pair for pair in zip(typed, intended, strict=True) if pair[0] != pair[1])
    if VOWELS.issuperset(letters):
        return 0.5
    return 0.6 if _are_neighbours(*letters) else 1.2


def _cost_of_more(typed: str, intended: str) -> float:
    """The cost of a letter too many: least where it is next to its twin or to its neighbour."""
    if _undoubled(typed) == _undoubled(intended):
        return 0.0
    at = next((n for n, letter in enumerate(intended) if typed[n] != letter), len(intended))
    near = typed[max(at - 1, 0) : at] + typed[at + 1 : at + 2]
    return 0.6 if any(_are_neighbours(typed[at], letter) for letter in near) else 1.2


def _are_neighbours(one: str, other: str) -> bool:
    """Whether the keys of two letters touch each other."""
    if one not in COLUMN or other not in COLUMN:
        return False
    (row, at), (other_row, other_at) = COLUMN[one], COLUMN[other]
    return abs(row - other_row) <= 1 and abs(at - other_at) <= 1


def _undoubled(word: str) -> str:
    return "".join(letter for at, letter in enumerate(word) if word[at - 1 : at] != letter)
