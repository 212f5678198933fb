"""What puts two listings of one catalogue in doubt, whatever else they share, by their texts.

Scores are of sets of words; here the words count in their order, and what one listing alone says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import product
from math import isnan
from typing import TypeVar

from prodmatch.lexical.terms import STOP_WORDS
from prodmatch.matching.differences import SAY_LITTLE, find_differences, names_another
from prodmatch.matching.listings.indexed_listings import read_brand
from prodmatch.matching.listings.named_values import KIND_OF
from prodmatch.matching.listings.parsed_text import ParsedText, parse_text, split_words

LEAST_SPELLING_RATIO = 0.75  # of two words, from which on one may be the other, inflected
LONGEST_EXCHANGE = 2  # words; more of them are another way to say it
LEAST_PRICE_RATIO = 0.5
T = TypeVar("T")
# In titles of one catalogue, of all products that have one: whom it is for, and so on.
NAMED_BY_BOTH = "gender", "side", "format", "fragrance"


@dataclass(frozen=True)
class ListingText:
    """What a listing says.

    Attributes:
        title: as it stands there.
        brand: letters and digits of its brand; empty where there is none.
        description: empty where there is none, or nothing besides it.
        price: None where it is not known.
        columns: all that is known of it.
    """

    title: str
    brand: str = ""
    description: str = ""
    price: float | None = None
    columns: Mapping[str, object] = field(default_factory=dict)
    parsed: ParsedText = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parsed", parse_text(self.title))


def is_doubtful_text(one: ListingText, other: ListingText) -> bool:
    """Whether what two listings say leaves open, or denies, that they are one product.

    The first name of either title, or the brand, is not the other's; one says a number, a code or a
    quantity, or whom it is for, and the other does not, or names another code first; they differ as
    variants do; in one place of the titles stands another word; all that one adds is what it is
    for; one title has two descriptions; or the prices are far apart.
    """
    left, right = one.parsed, other.parsed
    return (
        bool(one.brand and other.brand and one.brand != other.brand)
        or any(
            text.words and text.words[0] not in its.words for text, its in _both_ways(left, right)
        )
        or any(set(left.named.get(k, ())) != set(right.named.get(k, ())) for k in NAMED_BY_BOTH)
        or bool(find_differences(left, right))
        or _says_other_numbers(left, right)
        or _first_shared(left, right) != _first_shared(right, left)
        or bool(find_exchanges(one.title, other.title))
        or any(_adds_purpose(title, its) for title, its in _both_ways(one.title, other.title))
        or _describes_another(one, other)
        or _costs_another(one.price or 0, other.price or 0)
    )


def denies(one: ListingText, other: ListingText, *, is_one: bool) -> bool:
    """Whether two listings name other values of an attribute, or one is a part for the other.

    `is_one`: whether they are of one catalogue.
    """
    return names_another(one.parsed, other.parsed, is_one=is_one) or any(
        _is_part_for(title, its) for title, its in _both_ways(one.title, other.title)
    )


def tells_apart(one: ListingText, other: ListingText, *, is_one: bool) -> bool:
    """Whether two listings are other products though they have one GTIN: what they say, or cost.

    Sellers give packs of several, or used ones, the number of one.
    """
    return (
        denies(one, other, is_one=is_one)
        or bool(find_differences(one.parsed, other.parsed))
        or _costs_another(one.price or 0, other.price or 0)
    )


def _both_ways(one: T, other: T) -> tuple[tuple[T, T], tuple[T, T]]:
    return (one, other), (other, one)


def _is_part_for(one: str, other: str) -> bool:
    """Whether a title is of something for what the other is: nothing before "for" is in both."""
    words, its = split_words(one), split_words(other)
    if "for" not in words or "for" in its:
        return False
    head, tail = words[: words.index("for")], words[words.index("for") + 1 :]
    return bool(head and set(tail) & set(its)) and not set(head) & set(its)


def find_exchanges(one: str, other: str) -> list[tuple[str, str]]:
    """The words without a digit that stand in one place of two titles, and in neither elsewhere."""
    left, right = (
        [word for word in split_words(title) if word not in STOP_WORDS | SAY_LITTLE]
        for title in (one, other)
    )
    found = []
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    for _, start, end, first, last in matcher.get_opcodes():
        own = [word for word in left[start:end] if word not in right]
        its = [word for word in right[first:last] if word not in left]
        short = own and its and max(len(own), len(its)) <= LONGEST_EXCHANGE
        if short and not any(map(_has_digit, own + its)) and not _is_misspelt(own, its):
            found.append((" ".join(own), " ".join(its)))
    return found


def _is_misspelt(left: Sequence[str], right: Sequence[str]) -> bool:
    return "".join(left) == "".join(right) or any(
        one.startswith(other) or other.startswith(one) or _is_other_spelling(one, other)
        for one, other in product(left, right)
    )


def _is_other_spelling(one: str, other: str) -> bool:
    ratio = SequenceMatcher(None, one, other).ratio()
    return one[0] == other[0] and ratio >= LEAST_SPELLING_RATIO


def _says_other_numbers(one: ParsedText, other: ParsedText) -> bool:
    own, its = ({term for term in text.terms if _has_digit(term)} for text in (one, other))
    alone = set(one.quantities) ^ set(other.quantities) or set(one.numbers) ^ set(other.numbers)
    return bool(alone) or not (_writes(one, its - own) and _writes(other, own - its))


def _first_shared(one: ParsedText, other: ParsedText) -> str | None:
    """The first code of a text that the other has, too: what a title that names two is of."""
    return next((code for code in one.codes if code in other.codes), None)


def _writes(text: ParsedText, terms: set[str]) -> bool:
    """Whether a text has the letters and digits of all these, in a word or over several."""
    return all("".join(filter(str.isalnum, term)) in text.compact for term in terms)


def _has_digit(term: str) -> bool:
    return any(map(str.isdigit, term))


def _adds_purpose(one: str, other: str) -> bool:
    """Whether all that a title says besides the other, but whom it is for, is behind "for"."""
    words, its = split_words(one), split_words(other)
    if "for" not in words:
        return False
    purpose, added = (
        {word for word in part if word not in STOP_WORDS and KIND_OF.get(word) != "gender"}
        for part in (words[words.index("for") :], set(words) - set(its))
    )
    return bool(added) and added == purpose


def _describes_another(one: ListingText, other: ListingText) -> bool:
    """Whether titles of the same words have descriptions of which each says something else."""
    if not (one.description and other.description):
        return False
    if set(one.parsed.terms) != set(other.parsed.terms):
        return False
    own, its = (set(split_words(each.description)) - STOP_WORDS for each in (one, other))
    return bool(own - its) and bool(its - own)


def _costs_another(one: float, other: float) -> bool:
    return 0 < min(one, other) < LEAST_PRICE_RATIO * max(one, other)


def read_text(columns: Mapping[str, object], price: float) -> ListingText:
    """What the columns of a product, and its price (NaN: not known), say."""
    title, text, description = (str(columns.get(k) or "") for k in ("title", "text", "description"))
    return ListingText(
        title or text or description,
        read_brand(columns) or "",
        description if title else "",
        None if isnan(price) else price,
        columns,
    )
