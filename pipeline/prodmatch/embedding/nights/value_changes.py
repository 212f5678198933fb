"""Columns whose values are other ones overnight: recoded, another column's, cents for euros."""

import datetime
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.catalogue.naming import NAMED
from prodmatch.columns.amounts import is_price
from prodmatch.embedding.nights.columns.night_columns import CommonValue
from prodmatch.embedding.nights.findings import FEWEST, Finding, show_changes
from prodmatch.storage.arrow import Numbers, as_mask
from prodmatch.storage.vectors import Mask, Rows

NEARLY_ALL = 0.9  # of the values are one: the column has one value
MANY = 0.5  # where the commonest is in no more, there are many
SWAPPED = 0.5  # of the products must have the other column's value
RECODED = 0.9  # of the products must have another value
LABELS = 0.5  # of the products: more different texts are no labels
Values = Mapping[str, pa.Array]
FAR = 4.99  # five times as much, rounded, or as little: no sale, and few currencies' rate
MOST = 0.5  # of the products must have changed
SAME_SIDE = 0.75  # of those that changed must be as far off
NEAR, SIMILAR = 1.25, 0.8  # so near to the median must so many be, where it is no price
POWER_ERROR = 0.01
FEWEST_DISTINCT = 3  # values of a column that is no price: a counter may well jump
ALL_CUT = 0.95  # of the prices with a fraction must have lost it
NOTABLE = 0.1  # of the products: worth a warning


def name_one_value(
    name: str, before: CommonValue, after: CommonValue, *, is_flag: bool
) -> str | None:
    """What to say of a column that has one value for nearly all products, and had many or another.

    Another one is named of flags and of words, such as a currency: times and counts that all
    products have change every night.
    """
    if after.share < NEARLY_ALL or before.value is None:
        return None
    were_one = before.share >= NEARLY_ALL
    digits = any(map(str.isdigit, f"{before.value}{after.value}"))
    is_other = after.value != before.value and (is_flag or (were_one and not digits))
    if before.share > MANY and not is_other:
        return None
    now, then = (
        f"{value}" if isinstance(value, datetime.date) else repr(value)
        for value in (after.value, before.value)
    )
    common = f"the night before, {then} was in {before.share:.0%}"
    return f"column {name!r} is {now} in {after.share:.0%} of its values; {common}"


def take_rows(columns: Mapping[str, object], rows: Rows) -> dict[str, pa.Array]:
    """Rows of columns of numbers, null for NaN, or of labels; these become texts."""
    arrays = {name: pa.array(column, from_pandas=True) for name, column in columns.items()}
    chosen = {name: column.take(pa.array(rows)) for name, column in arrays.items()}
    return {
        name: column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        for name, column in chosen.items()
    }


def find_swaps(before: Values, after: Values) -> Iterator[Finding]:
    """Columns of one kind that have changed places.

    Args:
        before: the columns of the night before, `(n,)` each.
        after: tonight's of the same products.
    """
    names = [name for name in before if name in after and len(before[name]) >= FEWEST]
    moved = [name for name in names if _differ(before[name], after[name]).mean() > SWAPPED]
    for one, other in combinations(moved, 2):
        if all(
            (as_mask(pc.equal(before[old], after[new])) & _differ(before[old], before[new])).mean()
            > SWAPPED
            for old, new in ((one, other), (other, one))
        ):
            text = f"columns {one!r} and {other!r} have changed places: each has the other's values"
            yield Finding(True, text)


def find_recoded(before: Values, after: Values, id_of: Callable[[int], str]) -> Iterator[Finding]:
    """Columns of labels that have another value for nearly all products.

    Args:
        before: the columns of the night before, `(n,)` texts each.
        after: tonight's of the same products.
    """
    for name in before:
        if name not in after:
            continue
        both = as_mask(pc.and_(before[name].is_valid(), after[name].is_valid()))
        changed = _differ(before[name], after[name])
        if both.sum() < FEWEST or changed.sum() < RECODED * both.sum():
            continue
        labels = len(pc.unique(before[name].filter(pa.array(both))))
        if not 2 <= labels <= LABELS * both.sum():
            continue  # a state that all are in, or texts of their own
        examples = show_changes(changed, before[name], after[name], id_of)
        text = f"column {name!r} has other values for {changed.sum()} of {both.sum()} products"
        advice = "other codes, another language? Filters by the old ones find nothing"
        yield Finding(False, f"{text} ({examples}): {advice}")


def _differ(one: pa.Array, other: pa.Array) -> Mask:
    """Which rows have a value in both, and another one."""
    return as_mask(pc.not_equal(one, other))


@dataclass(frozen=True)
class _Ratios:
    """Of the products with a number before and after that is not zero before."""

    rows: Rows
    values: Numbers  # after / before
    changed: Mask

    @property
    def far(self) -> Mask:
        """Which are far off, to the side of most."""
        up, down = self.values >= FAR, self.values <= 1 / FAR
        return up if up.sum() > down.sum() else down


def compare_numbers(
    name: str, before: Numbers, after: Numbers, id_of: Callable[[int], str]
) -> Finding | None:
    """Whether a column's numbers are another kind of numbers tonight; None where they are not.

    Args:
        before: `(n,)` numbers of the night before, NaN where a product has none.
        after: `(n,)` tonight's of the same products.
    """
    rows = np.flatnonzero(np.isfinite(before) & np.isfinite(after) & (before != 0))
    if len(rows) < FEWEST:
        return None
    values = after[rows] / before[rows]
    ratios = _Ratios(rows, values, values != 1)
    count, total = int(ratios.far.sum()), len(rows)
    refused = count >= FEWEST and _is_other_kind(name, before[rows], ratios)
    share = count / total if is_price(name) else _share_of_a_power(values)
    if not refused and share <= NOTABLE:
        return None
    far = np.zeros(len(before), np.bool_)
    far[ratios.rows[ratios.far]] = True
    examples = show_changes(far, before, after, id_of, NAMED)
    cause = likely_cause(float(np.median(ratios.values[ratios.far])))
    text = f"column {name!r} is {cause} for {count} of {total} products ({examples})"
    return Finding(refused, text)


def find_truncated(name: str, before: Numbers, after: Numbers) -> Finding | None:
    """Whether prices have lost their fractions, which no shop rounds down alike."""
    if not is_price(name):
        return None
    both = np.isfinite(before) & np.isfinite(after)
    fractions = both & (before != np.floor(before))
    rounded = np.abs(after - before) <= 0.5
    floored = fractions & (after == np.floor(before))
    if floored.sum() < FEWEST or floored.sum() < ALL_CUT * fractions.sum():
        return None
    if fractions.sum() <= MOST * both.sum() or (floored & ~rounded).sum() < FEWEST:
        return None
    text = f"column {name!r} has lost the fractions of {floored.sum()} of {both.sum()} prices"
    return Finding(True, f"{text}: were they read as whole numbers?")


def _is_other_kind(name: str, before: Numbers, ratios: _Ratios) -> bool:
    """Whether so many numbers are so far off that no sale or restocking explains it."""
    changed, total = ratios.values[ratios.changed], len(ratios.values)
    if len(changed) <= MOST * total:
        return False
    middle = float(np.median(changed))
    if 1 / FAR < middle < FAR:
        return False
    same_power = _share_of_a_power(ratios.values) > MOST
    if is_price(name):
        return bool(same_power or ratios.far.sum() >= SAME_SIDE * len(changed))
    if len(np.unique(before[ratios.changed])) < FEWEST_DISTINCT or middle <= 0:
        return False
    near = (changed >= middle / NEAR) & (changed <= middle * NEAR)
    return bool(same_power or near.sum() >= SIMILAR * len(changed))


def _share_of_a_power(values: Numbers) -> float:
    """The greatest share of values that are the same power of ten: 100 times, a thousandth."""
    positive = values[values > 0]
    powers = np.rint(np.log10(positive))
    exact = (np.abs(positive / 10.0**powers - 1) < POWER_ERROR) & (powers != 0)
    counts = np.unique(powers[exact], return_counts=True)[1]
    return float(counts.max(initial=0)) / len(values)


def likely_cause(ratio: float) -> str:
    """How numbers differ that are so many times what they were, and why that may be."""
    if ratio == 0:
        return "0 (is that unknown?)"
    if ratio < 0:
        return "negative"
    power = round(np.log10(ratio))
    times = f"{ratio:.3g} times" if ratio > 1 else f"1/{1 / ratio:.3g} of"
    if abs(ratio / 10.0**power - 1) > 0.1 or not power:
        return f"{times} what it was (another currency, another unit?)"
    why = {
        2: "cents for whole units?", -2: "whole units for cents?",
        3: "a decimal point read as one of thousands, or another unit?",
        -3: "a point of thousands read as a decimal point, or another unit?",
    }.get(power, "a decimal point lost or moved?")  # fmt: skip
    return f"{times} what it was ({why})"
