"""Checks of columns of metadata: values lost, one value for all, other codes, numbers that jump."""

from collections.abc import Iterator

import numpy as np

from prodmatch.columns.amounts import is_price
from prodmatch.embedding.nights.value_changes import FAR, POWER_ERROR
from prodmatch.morning.pair import (
    TEXT,
    Pair,
    Signal,
    Values,
    counts_of,
    most_common,
    most_in_excess,
)
from prodmatch.morning.snapshot import Snapshot
from prodmatch.storage.arrow import Numbers
from prodmatch.storage.vectors import Mask, Rows, draw_among

NEIGHBOURS = 10
LIKELY = 0.3  # of the neighbours have the old label, and none the new one
SMALLEST = 5  # products of a label that may vanish
VANISHED = 0.9  # of a label's products
SALE = 0.5  # of the prices' spread: those that a sale makes equal are nearer
ABOUT = 0.2  # of the logarithm of a power of ten: stock that sold meanwhile
MOST_NEIGHBOURS = 4000  # products whose neighbours are looked at
NAMES = 3  # of values or columns, in a message
FEWEST_AMOUNTS = 10  # different numbers above 0, of a column whose zeros are looked at
FEWEST_FALLS = 100  # numbers that fell, for the largest usual fall to be known
LARGE_FALL, FAR_FALL = 0.99, 2.0  # the share of the falls that are smaller; times that one


def check_columns(pair: Pair) -> Iterator[Signal]:
    """What is suspicious of columns; a signal for each check and column, with or without rows."""
    for name in pair.columns:
        yield from _lost(pair, name)
    swapped, explained = _swapped(pair)
    yield swapped
    for name in pair.labels:
        yield from _labels(pair, name, explained.get(name, pair.after[:0]))
    for name in pair.columns:
        before, after = (numbers_of(each, name) for each in (pair.last, pair.tonight))
        if before is not None and after is not None:
            yield from _numbers(pair, name, before[pair.before], after[pair.after])


def numbers_of(snapshot: Snapshot, name: str) -> Numbers | None:
    """A column as numbers, NaN where there is none; None where it holds no numbers."""
    night = snapshot.night
    if name in night.numbers:
        return night.numbers[name]
    if name in night.amounts and night.amounts[name].styles:
        amounts = night.amounts[name]
        return amounts.numbers[amounts.styles[0]]
    return None


def _lost(pair: Pair, name: str) -> Iterator[Signal]:
    had = pair.last.night.filled[name][pair.before]
    lost = had & ~pair.tonight.night.filled[name][pair.after]
    yield Signal("lost", name, "have none any more", pair.after[lost])


def _labels(pair: Pair, name: str, swapped: Rows) -> Iterator[Signal]:
    """What is suspicious of labels; each product under the check that explains it best."""
    values = pair.values(name)
    changed = np.flatnonzero(values.changed & ~np.isin(pair.after, swapped))
    text, replaced = _replaced(values, changed)
    yield Signal("renamed_value", name, text, pair.after[replaced])
    changed = np.setdiff1d(changed, replaced, assume_unique=True)
    yield Signal("one_value", name, *_one_value(pair, values, changed))
    known = counts_of(values.last, len(values.texts)) > 0
    new = changed[~known[values.after[changed]]]
    yield Signal("new_values", name, "have a value that no product had", pair.after[new])
    yield _vanished(pair, values)
    if pair.same_model:
        text = "have a value that products like them have not"
        yield Signal("unlikely", name, text, pair.after[_unlikely(pair, values, changed)])


def _replaced(values: Values, changed: Rows) -> tuple[str, Rows]:
    """The products of labels that nearly all their products exchanged for one other label."""
    size = len(values.texts)
    had = counts_of(values.before, size)
    exchanges, counts = np.unique(
        np.stack([values.before[changed], values.after[changed]]), axis=1, return_counts=True
    )
    old, new = exchanges
    whole = (had[old] >= SMALLEST) & (counts >= VANISHED * had[old])
    after = np.full(size, -1)
    after[old[whole]] = new[whole]
    names = [
        f"{values.texts[one][:40]!r} is {values.texts[other][:40]!r} now"
        for one, other in zip(old[whole][:NAMES].tolist(), new[whole][:NAMES].tolist(), strict=True)
    ]
    text = f"have another name for the value that they had ({', '.join(names)})"
    return text, changed[after[values.before[changed]] == values.after[changed]]


def _vanished(pair: Pair, values: Values) -> Signal:
    """The products that are gone with a label; those that have another id now are not gone."""
    size = len(values.texts)
    had = counts_of(values.last, size)
    left = counts_of(values.before, size) + counts_of(values.last[pair.renumbered], size)
    vanished = np.flatnonzero((had >= SMALLEST) & (had - left >= VANISHED * had))
    rows = pair.removed[np.isin(values.last[pair.removed], vanished)]
    names = ", ".join(repr(values.texts[code]) for code in vanished[:NAMES].tolist())
    return Signal("vanished", values.name, f"are gone with nearly all of {names}", rows, gone=True)


def _one_value(pair: Pair, values: Values, changed: Rows) -> tuple[str, Rows]:
    """The products that had different values and have the same one now."""
    value = most_in_excess(values.last, values.after[changed])
    chosen = changed[values.after[changed] == value]
    if value < 0 or len(np.unique(values.before[chosen])) < 2:
        return "have one value", pair.after[:0]
    return f"have {values.texts[value][:40]!r} now", pair.after[chosen]


def _unlikely(pair: Pair, values: Values, changed: Rows) -> Rows:
    """Changed labels that none of a product's neighbours has, while many have the old one."""
    chosen = draw_among(changed, MOST_NEIGHBOURS)
    vectors = pair.tonight.vectors.take(pair.after[chosen])
    found = []
    for row, (near, _) in zip(
        chosen.tolist(), pair.last.vectors.nearest(vectors, NEIGHBOURS + 1), strict=True
    ):
        labels = values.last[near[near != pair.before[row]]]
        old, new = (
            np.mean(labels == each[row]) if len(labels) else 0.0
            for each in (values.before, values.after)
        )
        if old >= LIKELY and new == 0:
            found.append(row)
    return np.array(found, np.int64)


def _swapped(pair: Pair) -> tuple[Signal, dict[str, Rows]]:
    """Products whose values of two columns have changed places, and those rows by column."""
    names = [name for name in (*pair.labels, *pair.texts) if name != TEXT]
    coded = {name: pair.values(name) for name in names}
    moved = [name for name in names if coded[name].changed.any()]
    found: dict[tuple[str, str], Rows] = {}
    for number, one in enumerate(moved):
        for other in moved[number + 1 :]:
            rows = pair.after[_has_changed_places(coded[one], coded[other])]
            if len(rows):
                found[one, other] = rows
    by_column = {name: _union([found[pair] for pair in found if name in pair]) for name in moved}
    columns = ", ".join(f"{one!r} and {other!r}" for one, other in [*found][:NAMES])
    text = f"have the values of two columns in each other's place ({columns})"
    shown = tuple(name for name in by_column if len(by_column[name]))
    return Signal("swapped", "", text, _union([*found.values()]), shown=shown), by_column


def _union(rows: list[Rows]) -> Rows:
    return np.unique(np.concatenate([np.zeros(0, np.int64), *rows]))


def _has_changed_places(one: Values, other: Values) -> Mask:
    numbers = {text: code for code, text in enumerate(one.texts)}
    translated = np.array([*(numbers.get(text, -2) for text in other.texts), -1])
    before, after = translated[other.before], translated[other.after]
    swapped = (one.after == before) & (after == one.before) & one.changed & other.changed
    return np.asarray(swapped & (one.before != before), np.bool_)


def _numbers(pair: Pair, name: str, before: Numbers, after: Numbers) -> Iterator[Signal]:
    both = np.isfinite(before) & np.isfinite(after)
    changed = both & (before != after)
    below = changed & (before > 0) & (after <= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(changed & (before > 0) & (after > 0), after / before, 1.0)
    if is_price(name):
        yield Signal("below", name, "have 0 or less", pair.after[below])
        far = (ratios >= FAR) | (ratios <= 1 / FAR)
        text = "have five times what it was or more, or a fifth or less"
        yield Signal("jumped", name, text, pair.after[far])
        yield Signal("one_value", name, *_one_number(pair, before, after))
    if not is_price(name):
        yield Signal(
            "scaled", name, "have a power of ten times what it was", pair.after[_scaled(ratios)]
        )
        negative = changed & (before >= 0) & (after < 0)
        yield Signal("negative", name, "are below 0 and were not", pair.after[negative])
        text = "have 0 now, and had the median of the column, or far more than others fell by"
        yield Signal("zeroed", name, text, pair.after[_zeroed(before, after)])


def _one_number(pair: Pair, before: Numbers, after: Numbers) -> tuple[str, Rows]:
    """The products that had different numbers and have the same one now."""
    changed = np.flatnonzero(np.isfinite(before) & np.isfinite(after) & (before != after))
    known = before[np.isfinite(before)]
    found = np.concatenate([known, after[changed]])
    numbers, codes = np.unique(found, return_inverse=True)
    new = codes[len(codes) - len(changed) :]
    value = most_in_excess(codes[: len(codes) - len(changed)], new)
    chosen = changed[new == value]
    if value < 0 or _deviation(before[chosen]) <= SALE * _deviation(known):
        return "have one value", pair.after[:0]  # or a sale took similar prices to one
    return f"have {numbers[value]:.10g} now", pair.after[chosen]


def _zeroed(before: Numbers, after: Numbers) -> Mask:
    """Numbers that are 0 now and were far above what others fell by, or above the median."""
    amounts = before[np.isfinite(before) & (before > 0)]
    if len(np.unique(amounts)) < FEWEST_AMOUNTS:
        return np.zeros(len(before), np.bool_)
    falls = (before - after)[(after < before) & (after > 0)]
    least = float(np.median(amounts))
    if len(falls) >= FEWEST_FALLS:
        least = min(least, FAR_FALL * float(np.quantile(falls, LARGE_FALL)))
    return np.asarray((before >= least) & (after == 0), np.bool_)


def _deviation(prices: Numbers) -> float:
    """The standard deviation of the logarithms of what is above 0."""
    return float(np.log(prices[prices > 0]).std()) if (prices > 0).any() else 0.0


def _scaled(ratios: Numbers) -> Mask:
    """Which ratios are about the power of ten that is the commonest; ten times may be restocked."""
    logs = np.log10(ratios)
    powers = np.rint(logs).astype(np.int64)
    exact = np.abs(ratios / 10.0**powers - 1) < POWER_ERROR
    far = (np.abs(powers) >= 2) & (np.abs(logs - powers) <= ABOUT)
    scaled = (exact | far) & (powers != 0)
    return np.asarray(scaled & (powers == most_common(powers[scaled])), np.bool_)
