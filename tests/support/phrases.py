"""The phrases that the products of tests of understanding contain."""

from collections.abc import Sequence

from prodmatch.lexical.prices.limits import Contains
from prodmatch.lexical.understanding import Phrases

PHRASES = [
    "non stick",
    "nonslip",
    "no show",
    "max 90",
    "max 97",
    "under 14",
    "over 9000",
    "not rated",
    "long sleeves",
    "less than",
    "nothing tee",
    "no added",
    "2rs",
]


def contains(words: Sequence[str]) -> bool:
    return " ".join(words) in PHRASES


def nothing(words: Sequence[str]) -> bool:
    return False


def known(contains: Contains) -> Phrases:
    return Phrases(contains, contains, nothing)


KNOWN = known(contains)
