"""What puts two listings in doubt, or denies that they are one, whatever else they share.

Scores are of sets of words; here the words count in their order, and what one listing alone says.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import product
from math import isnan
from typing import TypeVar

from prodmatch.lexical.languages import STOP_WORDS
from prodmatch.matching.differences import (
    SAY_LITTLE,
    compare_columns,
    find_differences,
    names_another,
)
from prodmatch.matching.listings.brands import is_other_brand, names_brand
from prodmatch.matching.listings.indexed_listings import find_brand
from prodmatch.matching.listings.named_values import KIND_OF
from prodmatch.matching.listings.parsed_text import ParsedText, parse_text, split_words

LEAST_SPELLING_RATIO = 0.75  # of two words, from which on one may be the other, inflected
LONGEST_EXCHANGE = 2  # words; more of them are another way to say it
LEAST_PRICE_RATIO = 0.5
ANOTHER_ORDER = 0.25  # of prices, in two shops: an accessory, a part or a pack
T = TypeVar("T")
# In titles of one catalogue, of all products that have one: whom it is for, and so on.
NAMED_BY_BOTH = "gender", "side", "format", "fragrance", "flavour"
# Shops name these or not, and others in the place of them.
OFTEN_LEFT_OUT = frozenset(
    ["platform", "format", "edition", "bundle", "extras", "condition", "language"]
)
NAME_NOTHING = frozenset(["edition", "software", "version"])  # next to the name of another thing
NUMBERS_OF_A_MAKER = frozenset(["mpn", "model"])  # of one product there may be several
# At the end of a title: a part of what stands before it.
PARTS = frozenset(
    "case cover sleeve battery charger adapter strap bag lid cap bulb blade seal gasket brush "  # noqa: SIM905
    "stand mount holder remote protector cable replacement hulle tasche akku ladegerat netzteil "
    "kabel dichtung deckel burste halterung schutzfolie ersatz".split()
)
MOST_ADDED = 4  # words, of what comes with a thing
WITH = re.compile(r"\s(?:with|w/|and|incl\.?|including|mit|und|avec|con)\s+|\s*[+&]\s*", re.I)


@dataclass(frozen=True)
class ListingText:
    """What a listing says.

    Attributes:
        title: as it stands there.
        brand: empty where there is none.
        description: empty where there is none, or nothing besides it.
        price: None where it is not known.
        rate: what its price is multiplied by, for the prices of another shop.
        columns: all that is known of it.
    """

    title: str
    brand: str = ""
    description: str = ""
    price: float | None = None
    rate: float = 1.0
    columns: Mapping[str, object] = field(default_factory=dict)
    parsed: ParsedText = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parsed", parse_text(self.title))


def is_doubtful_text(one: ListingText, other: ListingText) -> bool:
    """Whether what two listings say leaves open, or denies, that they are one product.

    The first name of either title is not the other's; one says a number, a code or a
    quantity, or whom it is for, and the other does not, or names another code first; they differ as
    variants do; in one place of the titles stands another word; all that one adds is what it is
    for, or a part; one title has two descriptions; or the prices are far apart.
    """
    left, right = one.parsed, other.parsed
    return (
        any(_starts_with_another(text, its) for text, its in _both_ways(one, other))
        or any(set(left.named.get(k, ())) != set(right.named.get(k, ())) for k in NAMED_BY_BOTH)
        or bool(find_differences(left, right))
        or _says_other_numbers(left, right)
        or _first_shared(left, right) != _first_shared(right, left)
        or bool(find_exchanges(one.title, other.title))
        or any(
            adds(title, its)
            for adds in (_adds_purpose, _adds_part)
            for title, its in _both_ways(one.title, other.title)
        )
        or _describes_another(one, other)
        or _costs_another(one, other, LEAST_PRICE_RATIO)
    )


def is_doubtful_between(one: ListingText, other: ListingText) -> bool:
    """Whether what listings of two shops say leaves open that they are one product.

    Without a code that both have: all that differs in their titles is one word, or two, in one
    place ("vanilla", "chocolate"), or numbers, or one adds a part ("case") or what comes with it
    ("with lid").
    """
    titles = one.title, other.title
    return _differs_in_numbers(one, other) or (
        not {*one.parsed.codes} & {*other.parsed.codes}
        and (
            _exchanges_alone(one, other)
            or any(_adds_part(title, its) for title, its in _both_ways(*titles))
        )
    )


def denies(one: ListingText, other: ListingText, *, is_one: bool) -> bool:
    """Whether two listings name other values of an attribute, or one is a part for the other.

    In their titles, columns or what their descriptions list; or they are of other brands, or their
    prices of another order. `is_one`: whether they are of one catalogue.
    """
    return (
        names_another(one.parsed, other.parsed, is_one=is_one)
        or any(_is_part_for(title, its) for title, its in _both_ways(one.title, other.title))
        or _is_of_another_brand(one, other)
        or bool(compare_columns(one.columns, other.columns, is_one=is_one))
        or _costs_another(one, other, ANOTHER_ORDER)
    )


def tells_apart(one: ListingText, other: ListingText, *, is_one: bool) -> bool:
    """Whether two listings are other products though they have one GTIN: what they say, or cost.

    Sellers give packs of several, or used ones, the number of one.
    """
    columns = compare_columns(one.columns, other.columns, is_one=is_one)
    return (
        names_another(one.parsed, other.parsed, is_one=is_one)
        or any(_is_part_for(title, its) for title, its in _both_ways(one.title, other.title))
        or bool(columns.keys() - NUMBERS_OF_A_MAKER)
        or bool(find_differences(one.parsed, other.parsed))
        or _costs_another(one, other, LEAST_PRICE_RATIO)
    )


def _starts_with_another(one: ListingText, other: ListingText) -> bool:
    """Whether the first name of a title is neither in the other's nor its brand."""
    first = next((word for word in one.parsed.words if word not in SAY_LITTLE), None)  # "NEW ..."
    known = {*other.parsed.words, *split_words(other.brand)}
    return first is not None and first not in known


def _is_of_another_brand(one: ListingText, other: ListingText) -> bool:
    """Whether both have a brand, and neither has the other's, in its title neither."""
    return is_other_brand(one.brand, other.brand) and not any(
        names_brand(text.parsed.compact, its.brand) for text, its in _both_ways(one, other)
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
    left, right = map(_telling_words, (one, other))
    found = []
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    for _, start, end, first, last in matcher.get_opcodes():
        own = [word for word in left[start:end] if word not in right]
        its = [word for word in right[first:last] if word not in left]
        short = own and its and max(len(own), len(its)) <= LONGEST_EXCHANGE
        if short and not any(map(_has_digit, own + its)) and not _is_misspelt(own, its):
            found.append((" ".join(own), " ".join(its)))
    return found


def _telling_words(title: str) -> list[str]:
    return [word for word in split_words(title) if word not in STOP_WORDS | SAY_LITTLE]


def _exchanges_alone(one: ListingText, other: ListingText) -> bool:
    """Whether all that tells two titles apart are words in one place, which name one thing each."""
    exchanges = find_exchanges(one.title, other.title)
    if len(exchanges) != 1:
        return False
    words = [each.split() for each in exchanges[0]]
    left, right = ({*_telling_words(each.title)} for each in (one, other))
    alone = left - right <= {*words[0]} and right - left <= {*words[1]}
    say_little = {*split_words(one.brand), *split_words(other.brand), *NAME_NOTHING}
    return alone and not any(
        word in say_little or OFTEN_LEFT_OUT & {KIND_OF.get(word), KIND_OF.get(f"{word}s")}
        for side in words
        for word in side
    )


def _differs_in_numbers(one: ListingText, other: ListingText) -> bool:
    """Whether two titles say the same but for numbers; of one code, for the number of pieces."""
    words = {*_telling_words(one.title)} ^ {*_telling_words(other.title)}
    found = {each.name for each in find_differences(one.parsed, other.parsed)}
    if {*one.parsed.codes} & {*other.parsed.codes}:
        found &= {"pack"}
    return bool(words and found) and all(map(_has_digit, words))


def _adds_part(one: str, other: str) -> bool:
    """Whether a title says what the other does, and then a part of it, or what comes with it."""
    words, its = _telling_words(one), _telling_words(other)
    added = [word for word in words if word not in its]
    if not added or len(added) > MOST_ADDED or {*its} - {*words}:
        return False
    if words[-1] in PARTS and added[-1] == words[-1]:
        return True
    return any(
        _telling_words(one[found.end() :])[: len(added)] == added
        for found in WITH.finditer(one)
        if "for" not in split_words(one[: found.start()])
    )


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


def _costs_another(one: ListingText, other: ListingText, least: float) -> bool:
    """Whether the lower price is less than this share of the higher one, at any rate."""
    if not (one.price and other.price):
        return False
    rated = one.price * one.rate, other.price * other.rate
    return all(min(prices) < least * max(prices) for prices in ((one.price, other.price), rated))


def read_text(columns: Mapping[str, object], price: float, rate: float = 1.0) -> ListingText:
    """What the columns of a product, and its price (NaN: not known), say."""
    title, text, description = (str(columns.get(k) or "") for k in ("title", "text", "description"))
    return ListingText(
        title or text or description,
        find_brand(columns),
        description if title else "",
        None if isnan(price) else price,
        rate,
        columns,
    )
