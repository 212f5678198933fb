"""Values that are another product's overnight, scaled by one factor, or one value for none."""

import collections
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.columns.amounts import is_price
from prodmatch.embedding.nights.findings import FEWEST, Finding, show_changes, show_value
from prodmatch.embedding.nights.value_changes import FEWEST_DISTINCT, likely_cause
from prodmatch.storage.arrow import Numbers, as_codes, as_mask, as_rows, find_rows
from prodmatch.storage.vectors import Mask, Rows

Columns = Mapping[str, pa.Array]
MOVED = 0.5  # of the products must have another value, all values together being the same
OTHERS = 0.001  # so many of the values, or two, may be others nevertheless
OTHERS_CHANGED = 0.02  # the same of what has changed, where a part has moved
FEWEST_MOVED = 5  # different values of that part
SCALED = 0.9  # of the products must be as many times what they were
NEAR = 0.01  # so near to one ratio
NOTABLE = 0.1  # of the products: worth a warning
ONE = 0.9  # of the values that are new must be one
RARE = 0.01  # of the products may have had it, where they had others
FEWEST_OTHERS = 20  # different values of these: a label or a flag may well change
WHOLE = r"^[0-9]{1,9}$"  # a number in a column of text


def moved_contents(last: pa.Array, before: Rows, new: pa.Array) -> Mask:
    """Products whose content is that which one other product alone had, the night before.

    Args:
        last: keys of all contents of the night before.
        before: `(n,)` rows of `last`: the products that stay.
        new: `(n,)` tonight's keys of the same products.
    """
    coded = last.dictionary_encode()
    codes = as_rows(coded.indices)
    counts = np.bincount(codes[codes >= 0], minlength=len(coded.dictionary) + 1)
    now = np.where(as_mask(new.is_valid()), find_rows(new, coded.dictionary), -1)
    return np.asarray((now >= 0) & (now != codes[before]) & (counts[now] == 1), np.bool_)


def new_duplicates(old: pa.Array, new: pa.Array) -> Mask:
    """Rows whose content is another one now, which rows of other contents have got as well."""
    before, after = as_codes(old), as_codes(new)
    both = (before >= 0) & (after >= 0)
    pairs = np.unique(np.stack([after[both], before[both]]), axis=1)  # (2, distinct)
    sources = np.bincount(pairs[0], minlength=len(new) + 1)  # of each content of tonight
    changed = as_mask(pc.not_equal(old, new))
    duplicates: Mask = both & changed & (sources[after] > 1)
    return duplicates


def find_moved(before: Columns, after: Columns, id_of: Callable[[int], str]) -> list[Finding]:
    """Columns that have the values of the night before, but on other products.

    That of a price is refused, one of texts that are mostly different too, and where there are
    several all of them: rows and ids do not go together any more.

    Args:
        before: the columns of the night before, `(n,)` numbers or labels each.
        after: tonight's of the same products.
    """
    moved = [
        name
        for name in _of_one_type(before, after)
        if _has_moved(before[name], after[name], MOVED, 0.0)
    ]
    found = []
    for name in moved:
        text = _describe_moved(name, before[name], after[name], id_of)
        is_text = not pa.types.is_floating(before[name].type)
        are_own = is_text and len(before[name].unique()) > MOVED * len(before[name])
        found.append(Finding(is_price(name) or are_own or len(moved) > 1, text))
    return found


def find_partly_moved(
    before: Columns, after: Columns, id_of: Callable[[int], str]
) -> Iterator[Finding]:
    """Columns of prices and texts of which a part has values of other products.

    Most of what has changed must be there as often as before, on other products.
    """
    for name in _of_one_type(before, after):
        if pa.types.is_floating(before[name].type) and not is_price(name):
            continue  # stock and places in a list have the same few values every night
        differ = pc.not_equal(before[name], after[name])
        if (
            len(pc.unique(before[name].filter(differ))) >= FEWEST_MOVED
            and _has_moved(before[name], after[name], NOTABLE, OTHERS_CHANGED)
            and not _has_moved(before[name], after[name], MOVED, 0.0)
        ):
            yield Finding(False, _describe_moved(name, before[name], after[name], id_of))


def _describe_moved(
    name: str, before: pa.Array, after: pa.Array, id_of: Callable[[int], str]
) -> str:
    differ = as_mask(pc.not_equal(before, after))
    examples = show_changes(differ, before, after, id_of)
    return (
        f"column {name!r} has the values of the night before on other products, for "
        f"{differ.sum()} of {len(differ)} ({examples}): was it sorted apart from the ids?"
    )


def _of_one_type(before: Columns, after: Columns) -> list[str]:
    return [name for name in before if name in after and before[name].type == after[name].type]


def _has_moved(before: pa.Array, after: pa.Array, least: float, others: float) -> bool:
    """Whether more than so great a part is another one, and all values together are the same.

    Args:
        least: that part.
        others: the part of what has changed that may be new values nevertheless.
    """
    differ = as_mask(pc.not_equal(before, after))
    total = len(differ)
    if total < 2 * FEWEST or differ.mean() <= least:
        return False
    counts, now = (
        dict(zip(*(part.to_pylist() for part in pc.value_counts(column).flatten()), strict=True))
        for column in (before.drop_null(), after.drop_null())
    )
    same = sum(min(count, now.get(value, 0)) for value, count in counts.items())
    filled = max(len(before) - before.null_count, len(after) - after.null_count)
    return (
        len(counts) >= FEWEST_DISTINCT
        and filled - same <= max(2, OTHERS * filled, others * differ.sum())
        and not _are_places(before)
    )


def _are_places(column: pa.Array) -> bool:
    """Whether numbers are all different and without gaps: a rank, which moves every night."""
    numbers = column.drop_null()
    if not pa.types.is_floating(numbers.type):
        if len(numbers) and not pc.all(pc.match_substring_regex(numbers, WHOLE)).as_py():
            return False
        numbers = numbers.cast(pa.float64())
    values = np.unique(numbers.to_numpy())
    values = values[np.isfinite(values)]
    dense = len(values) == len(column) and values[-1] - values[0] < 1.5 * len(values)
    return bool(dense and (values == np.rint(values)).all())


def find_scaled(name: str, before: Numbers, after: Numbers) -> Finding | None:
    """Whether a column's numbers are nearly all as many times what they were."""
    both = np.isfinite(before) & np.isfinite(after) & (before != 0)
    if both.sum() < 2 * FEWEST or len(np.unique(before[both])) < FEWEST_DISTINCT:
        return None
    ratios = after[both] / before[both]
    middle = float(np.median(ratios))
    if not middle or abs(middle - 1) < NEAR or (middle < 0 and abs(middle + 1) >= NEAR):
        return None
    near = np.abs(ratios / middle - 1) < NEAR
    if near.mean() < SCALED:
        return None
    cause = likely_cause(middle) if middle > 0 else "the negative of what it was"
    return Finding(False, f"column {name!r} is {cause} for {near.sum()} of {len(ratios)} products")


def find_filled(before: Columns, after: Columns) -> Iterator[Finding]:
    """Columns with one value for many products that had none, or that had others: 0, 9999.

    Of products that had others it must be a value that hardly any had; a common one is honest.
    """
    for name in _of_one_type(before, after):
        old, new = before[name], after[name]
        had_others = pc.fill_null(pc.not_equal(old, new), False)
        for products, had in ((old.is_null(), "no value"), (had_others, "other values")):
            values = new.filter(pc.and_(products, new.is_valid()))
            if len(values) < FEWEST or len(values) <= NOTABLE * len(new):
                continue
            value, count = collections.Counter(values.to_pylist()).most_common(1)[0]
            usual = pc.sum(pc.equal(old, value)).as_py() or 0
            is_usual = usual > RARE * len(old) or len(old.unique()) < FEWEST_OTHERS
            if count < ONE * len(values) or (products is had_others and is_usual):
                continue
            text = f"column {name!r} is {show_value(value)} for {count} of {len(values)} products"
            yield Finding(False, f"{text} that had {had}: does it stand for none?")
