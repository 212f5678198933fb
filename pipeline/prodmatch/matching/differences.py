"""What tells two variants of a product apart, by name: colour, size, pack, quantity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prodmatch.matching.listings.attributes import read_attributes
from prodmatch.matching.listings.parsed_text import COLOURS, ParsedText, split_quantity

SHARED = 0.65  # of the words of two variants, shared: twice over both counts
# They name what differs, or stand in any title.
SAY_LITTLE = frozenset(
    "blk wht pack size set colour color free shipping buy online new original best price".split()  # noqa: SIM905
)
NO_EDITION = "plain"
CONTAINED = 0.75  # of the words of the shorter one, shared
SHARED_WITH_OTHER_CODES = 0.8  # likewise, where their model numbers differ

UNIT_KINDS = {
    **dict.fromkeys(("gb", "mb", "kb"), "capacity"),
    **dict.fromkeys(("ml",), "volume"),
    **dict.fromkeys(("g", "mg"), "weight"),
    **dict.fromkeys(("cm",), "length"),
    **dict.fromkeys(("w", "kw"), "power"),
    "v": "voltage",
    "amp": "current",
    "mah": "charge",
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
) -> list[Difference]:
    """The attributes in which two listings conflict, each by both values.

    A listing that does not say an attribute conflicts with none; but without a number of pieces
    it is one piece, and without an edition the plain one.

    Args:
        left: the text of the one.
        right: the text of the other.
        columns: the other columns of the two, which say more than texts.
    """
    texts = (left, right)
    named = {value for text in texts for value in (*text.sizes, *text.packs)}
    found = {
        "colour": _conflict(left.colours, right.colours),
        "size": _conflict(left.sizes, right.sizes),
        "pack": _compare_packs(left.packs, right.packs),
        "edition": _compare_editions(left.editions, right.editions),
        **_quantities(left, right),
        "number": _conflict(*([n for n in text.numbers if n not in named] for text in texts)),
    }
    own, other = map(read_attributes, columns)
    for name in sorted(own.keys() & other.keys()):
        if not set(own[name]) & set(other[name]):
            found[name] = (" ".join(own[name]), " ".join(other[name]))
    return [Difference(name, *values) for name, values in found.items() if values is not None]


def _quantities(left: ParsedText, right: ParsedText) -> dict[str, tuple[str, str] | None]:
    """Conflicts of the quantities of one unit, by what they measure."""
    found: dict[str, tuple[str, str] | None] = {}
    for unit in left.units:
        if unit not in right.units:
            continue
        sides = [
            tuple(each for each in text.quantities if split_quantity(each)[1] == unit)
            for text in (left, right)
        ]
        conflict = _conflict(*sides)
        if conflict is not None:
            values = [" + ".join(map(_spaced, side.split(" + "))) for side in conflict]
            found.setdefault(UNIT_KINDS.get(unit, unit), (values[0], values[1]))
    return found


def _spaced(quantity: str) -> str:
    return " ".join(split_quantity(quantity))


def _conflict(left: Sequence[str], right: Sequence[str]) -> tuple[str, str] | None:
    """What each has alone, where both have something alone."""
    own = [each for each in left if each not in right]
    other = [each for each in right if each not in left]
    return (" + ".join(own), " + ".join(other)) if own and other else None


def _compare_packs(left: Sequence[str], right: Sequence[str]) -> tuple[str, str] | None:
    return (" + ".join(left), " + ".join(right)) if set(left) != set(right) else None


def _compare_editions(left: Sequence[str], right: Sequence[str]) -> tuple[str, str] | None:
    if set(left) == set(right):
        return None
    return " ".join(left) or NO_EDITION, " ".join(right) or NO_EDITION


def share_words(left: ParsedText, right: ParsedText) -> bool:
    """Whether two listings say much the same besides what variants differ in."""
    own, other = (
        {word.rstrip("s") for word in text.words if word not in COLOURS | SAY_LITTLE}
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
