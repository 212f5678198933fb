"""What tells two variants of a product apart, by name: colour, size, pack, quantity."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prodmatch.matching.listings.attributes import read_attributes
from prodmatch.matching.listings.named_values import DEFAULTS, KIND_OF
from prodmatch.matching.listings.parsed_text import LETTER_SIZES, ParsedText, split_quantity
from prodmatch.matching.listings.variant_columns import find_conflicts, list_columns, read_columns

SHARED = 0.65  # of the words of two variants, shared: twice over both counts
# They name what differs, or stand in any title.
SAY_LITTLE = frozenset(
    "pack size set colour color free shipping buy online new original best price".split()  # noqa: SIM905
)
ALWAYS_NAMED = frozenset(["condition"])  # in any shop
CONVERSION_TOLERANCE = 0.025  # of an amount, between two that are written in other units
SHORT_CODE = 3  # letters and digits
DIGITS = re.compile(r"\d+(?:\.\d+)?")
CONTAINED = 0.75  # of the words of the shorter one, shared
SHARED_WITH_OTHER_CODES = 0.8  # likewise, where their model numbers differ

Values = tuple[str, str]

UNIT_KINDS = {
    **dict.fromkeys(("gb", "mb", "kb"), "capacity"),
    **dict.fromkeys(("g", "mg"), "weight"),
    **dict.fromkeys(("w", "kw"), "power"),
    **{"ml": "volume", "cm": "length", "v": "voltage", "amp": "current", "mah": "charge"},
    "mp": "resolution",
}


@dataclass(frozen=True)
class Difference:
    """An attribute with the value that each listing has."""

    name: str
    left: str
    right: str

    def __str__(self) -> str:
        return f"{self.name} {self.left} / {self.right}"


IN_PICTURE = Difference("picture", "one colour", "another")


def find_differences(
    left: ParsedText,
    right: ParsedText,
    columns: Sequence[Mapping[str, object]] = ({}, {}),
    *,
    is_one: bool = True,
) -> list[Difference]:
    """The attributes in which two listings conflict, each by both values.

    A listing that does not say an attribute conflicts with none; but without a number of pieces
    it is one piece, and without an edition the plain one, and so on.

    `columns` are the other columns of the two, which say more than texts; `is_one`: whether they
    are of one catalogue.
    """
    found = {
        "colour": _conflict(*_each_time(left, right, left.colours, right.colours)),
        **{kind: _compare_named(kind, left, right) for kind in {**left.named, **right.named}},
        "size": _conflict(*((*text.sizes, *text.named.get("size", ())) for text in (left, right))),
        "pack": _compare_all(left.packs, right.packs),
        **_quantities(left, right),
        "number": _compare_numbers(_numbers_of(left), _numbers_of(right)),
    }
    found |= compare_columns(*columns, is_one=is_one)
    return [Difference(name, *values) for name, values in found.items() if values is not None]


def compare_columns(
    left: Mapping[str, object], right: Mapping[str, object], *, is_one: bool
) -> dict[str, Values]:
    """The attributes of which the columns of two listings, or their descriptions, conflict."""
    columns = [list_columns(each) for each in (left, right)]
    found = {}
    own, other = map(read_attributes, columns)
    for name in sorted(own.keys() & other.keys()):
        if own[name].denies(other[name]):
            found[name] = (own[name].text, other[name].text)
    sides = [read_columns(each) for each in columns]
    return {**found, **find_conflicts(*sides, is_one=is_one)}


def _quantities(left: ParsedText, right: ParsedText) -> dict[str, Values | None]:
    """Conflicts of the quantities of one unit, by what they measure."""
    found: dict[str, Values | None] = {}
    for unit in left.units:
        sides = ([each for each in text.quantities if split_quantity(each)[1] == unit]
                 for text in (left, right))  # fmt: skip
        own, other = _alone(*_each_time(left, right, *sides))
        if own and other and not _is_converted(left, right, own, other):
            values = (
                " + ".join(" ".join(split_quantity(q)) for q in side) for side in (own, other)
            )
            found.setdefault(UNIT_KINDS.get(unit, unit), (next(values), next(values)))
    return found


def _each_time(
    left: ParsedText, right: ParsedText, own: Sequence[str], other: Sequence[str]
) -> tuple[Sequence[str], Sequence[str]]:
    """Values of both, each as often as it is there; once where one names more than the other."""
    found = [
        [*values, *(each for each in values if each in text.twice)]
        for text, values in ((left, own), (right, other))
    ]
    return (found[0], found[1]) if len(found[0]) == len(found[1]) else (own, other)


def _alone(left: Iterable[str], right: Iterable[str]) -> tuple[list[str], list[str]]:
    """What each has that the other lacks, or has less often."""
    own, other = Counter(left), Counter(right)
    return [*(own - other)], [*(other - own)]


def _conflict(left: Iterable[str], right: Iterable[str]) -> Values | None:
    """What each has alone, where both have something."""
    own, other = _alone(left, right)
    return (" + ".join(own), " + ".join(other)) if own and other else None


def _compare_all(left: Sequence[str], right: Sequence[str], mark: str = " + ") -> Values | None:
    return (mark.join(left), mark.join(right)) if set(left) != set(right) else None


def _compare_named(kind: str, left: ParsedText, right: ParsedText) -> Values | None:
    own, other = (text.named.get(kind, ()) for text in (left, right))
    if kind not in DEFAULTS:
        return _conflict(own, other)
    return _compare_all(own or (DEFAULTS[kind],), other or (DEFAULTS[kind],), " ")


def _compare_numbers(own: set[str], other: set[str]) -> Values | None:
    """Other numbers, or other ones in the same letters: "i5" and "i7"."""
    alone = own - other, other - own
    shapes = [{DIGITS.sub("0", each) for each in numbers} for numbers in alone]
    shared = {"0"} | (shapes[0] & shapes[1])
    return _conflict(
        *(sorted(n for n in numbers if DIGITS.sub("0", n) in shared) for numbers in alone)
    )


def _numbers_of(text: ParsedText) -> set[str]:
    """The terms with digits that are no quantity, size or number of pieces."""
    named = {*text.quantities, *text.sizes, *(text.packs if text.says_pack else ())}
    return {
        term
        for term in text.terms
        if DIGITS.search(term) and f"{term}l" not in LETTER_SIZES and term not in named
    }


def _short_codes(text: ParsedText) -> set[str]:
    """Letters with a digit or two, such as a processor or the waist of jeans."""
    return {term for term in _numbers_of(text) if len(term) <= SHORT_CODE and term.isalnum()} - {
        *text.numbers
    }


def _is_converted(
    left: ParsedText, right: ParsedText, own: Sequence[str], other: Sequence[str]
) -> bool:
    """Whether two amounts are one in other units, which is rounded: "6 ft" and "1.8 m"."""
    if len(own) != 1 or len(other) != 1:
        return False
    if left.units_written[own[0]] == right.units_written[other[0]]:
        return False
    amounts = [float(split_quantity(each)[0]) for each in (own[0], other[0])]
    return max(amounts) - min(amounts) <= CONVERSION_TOLERANCE * max(amounts)


def names_another(left: ParsedText, right: ParsedText, *, is_one: bool) -> bool:
    """Whether two texts name other values of an attribute, such as left and right, i5 and i7.

    `is_one`: whether they are of one catalogue, where "12 Pro" is no "12"; another shop may leave
    it out.
    """
    if _compare_numbers(_short_codes(left), _short_codes(right)):
        return True
    return any(
        _conflict(left.named.get(kind, ()), right.named.get(kind, ()))
        or ((is_one or kind in ALWAYS_NAMED) and _compare_named(kind, left, right))
        for kind in {**left.named, **right.named}
    )


def share_words(left: ParsedText, right: ParsedText) -> bool:
    """Whether two listings say much the same besides what variants differ in."""
    differ = {"colour", *(left.named.keys() & right.named.keys())}
    own, other = (
        {
            word.rstrip("s")
            for word in text.words
            if word not in SAY_LITTLE and KIND_OF.get(word) not in differ
        }
        for text in (left, right)
    )
    shared = len(own & other)
    if not shared:
        return False
    share = 2 * shared / (len(own) + len(other))
    apart = bool(left.codes and right.codes) and not set(left.codes) & set(right.codes)
    if apart:
        return share >= SHARED_WITH_OTHER_CODES
    return share >= SHARED or (shared > 1 and shared >= CONTAINED * min(len(own), len(other)))
