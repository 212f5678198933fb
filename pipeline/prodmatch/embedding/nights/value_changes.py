"""Columns whose values are other ones overnight: recoded, or those of another column."""

import datetime
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations

import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.embedding.nights.columns.night_columns import CommonValue
from prodmatch.embedding.nights.findings import FEWEST, Finding, show_changes
from prodmatch.storage.arrow import as_mask
from prodmatch.storage.vectors import Mask, Rows

NEARLY_ALL = 0.9  # of the values are one: the column has one value
MANY = 0.5  # where the commonest is in no more, there are many
SWAPPED = 0.5  # of the products must have the other column's value
RECODED = 0.9  # of the products must have another value
LABELS = 0.5  # of the products: more different texts are no labels
Values = Mapping[str, pa.Array]


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
