"""Brands, by whatever name shops write them."""

import re
from difflib import SequenceMatcher

from prodmatch.lexical.folding import fold

LEAST_RATIO = 0.8  # of the letters of two ways to spell one brand
LEAST_LETTERS = 3  # of a name that may stand inside of another
WORD = re.compile(r"[^\W_]+")
# They name no brand, or stand next to one.
NO_BRAND = frozenset(
    "na none null generic unbranded noname nobrand unknown various other ohne markenlos".split()  # noqa: SIM905
)
FORMS = frozenset(
    "gmbh inc ltd limited llc co corp corporation company companies group ag sa spa srl bv kg the "  # noqa: SIM905
    "and no name brand international global official store shop products".split()
)


def is_other_brand(one: str, other: str) -> bool:
    """Whether two brands are others, and not one in other words.

    One that shares a word with the other, stands inside of it, is its initials or is spelt nearly
    so, is the same: "Hewlett-Packard" is "HP", "Bosch Professional" is "Robert Bosch GmbH".
    """
    words = [_words(each) for each in (one, other)]
    if not all(words) or {*words[0]} & {*words[1]}:
        return False
    short, long = sorted(map("".join, words), key=len)
    if (len(short) >= LEAST_LETTERS and short in long) or _abbreviates(short, long):
        return False
    return SequenceMatcher(None, short, long, autojunk=False).ratio() < LEAST_RATIO


def names_brand(title: str, brand: str) -> bool:
    """Whether a title, of letters and digits alone, has a brand in it."""
    name = "".join(_words(brand))
    return len(name) >= LEAST_LETTERS and name in title


def _words(brand: str) -> list[str]:
    """The words of a brand; none where it is no brand."""
    words = WORD.findall(fold(brand))
    if "".join(words) in NO_BRAND:
        return []
    return [word for word in words if word not in FORMS]


def _abbreviates(short: str, long: str) -> bool:
    """Whether two or three letters stand in another name in order, the first of them first."""
    letters = iter(long)
    return (
        len(short) <= LEAST_LETTERS
        and short[:1] == long[:1]
        and all(letter in letters for letter in short)
    )
