"""Dates that are other ones overnight: day and month exchanged, years that none can mean."""

import re
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.catalogue.column_types import is_text
from prodmatch.embedding.nights.findings import FEWEST, Finding, GateLimits, NightPair, show_changes
from prodmatch.storage.arrow import Numbers
from prodmatch.storage.vectors import Mask

Dates = npt.NDArray[np.int64]  # (n, 3): the numbers as they are written; -1 where there is no date
WRITTEN = re.compile(r"(\d{1,4})[-./](\d{1,2})[-./](\d{1,4})(?:[T ].*)?")
SAMPLE = 20
NEARLY_ALL = 0.9
FIRST_YEAR, LAST_YEAR = 1971, 2200  # an epoch is 1970; milliseconds as seconds are far ahead
MOST = 9999
QUARTER, DAY = 900, 86_400  # seconds


def find_date_changes(pair: NightPair, limits: GateLimits) -> Iterator[Finding]:
    """What has become of columns of dates; read only where more rows changed than may be lost."""
    least = max(FEWEST, int(limits.max_lost * len(pair.after)) + 1)
    last, tonight = pair.last.read_column, pair.tonight.read_column
    if last is None or tonight is None or pair.changed.sum() < least:
        return
    for name, kind in pair.last.types.items():
        found = pair.tonight.types.get(name)
        if found is None or is_text(found) != is_text(kind):
            continue
        if is_text(kind) and not _has_dates(name, last(name)):
            continue
        if not is_text(kind) and not (_is_date(kind) and _is_date(found)):
            continue
        before = _read_dates(name, last(name))[pair.before]
        after = _read_dates(name, tonight(name))[pair.after]
        yield from _compare_dates(name, before, after, pair, least)
        if pa.types.is_timestamp(kind) and pa.types.is_timestamp(found):
            times = _read_seconds(name, last(name))[pair.before]
            yield from _find_hours(name, times, _read_seconds(name, tonight(name))[pair.after])


def _compare_dates(
    name: str, before: Dates, after: Dates, pair: NightPair, least: int
) -> Iterator[Finding]:
    both = (before[:, 1] >= 0) & (after[:, 1] >= 0)
    changed = both & (before != after).any(axis=1)
    swapped = changed & (_exchange(before) == after).all(axis=1)
    if swapped.sum() >= least and swapped.sum() >= NEARLY_ALL * changed.sum():
        text = f"column {name!r} has day and month exchanged for {swapped.sum()} of {both.sum()}"
        yield Finding(True, f"{text} products ({show_changes(swapped, before, after, pair.id_of)})")
    odd = changed & _is_odd(after) & ~_is_odd(before)
    if odd.sum() >= least:
        text = f"column {name!r} has years that no product has for {odd.sum()} of {both.sum()}"
        text += (
            f" products ({show_changes(odd, before, after, pair.id_of)}): seconds for milliseconds?"
        )
        yield Finding(True, text)
    rewritten = changed & (before[:, ::-1] == after).all(axis=1)
    if rewritten.sum() >= NEARLY_ALL * both.sum() and rewritten.sum() >= least:
        text = f"column {name!r} has its dates in another order for {rewritten.sum()} of"
        text += f" {both.sum()} products ({show_changes(rewritten, before, after, pair.id_of)})"
        yield Finding(False, text)
    yield from _find_shift(name, before[both], after[both])


def _find_shift(name: str, before: Dates, after: Dates) -> Iterator[Finding]:
    """A day less for nearly all: a time zone; a day more has what is delivered tomorrow."""
    if len(before) < 2 * FEWEST or (before[:, 0] < FIRST_YEAR).any() or _is_odd(after).any():
        return
    if before[:, 0].max() > LAST_YEAR or len(np.unique(before, axis=0)) < FEWEST:
        return
    shift = _days(after) - _days(before)
    middle = int(np.median(shift))
    if middle < 0 and (shift == middle).mean() >= NEARLY_ALL:
        count = f"{-middle} day{'s' * (middle < -1)}"
        text = f"column {name!r} is {count} earlier for {(shift == middle).sum()} of {len(shift)}"
        yield Finding(False, f"{text} products: another time zone?")


def _find_hours(name: str, before: Numbers, after: Numbers) -> Iterator[Finding]:
    """Nearly all times at midnight, or off by as many quarters of an hour, less than a day."""
    both = np.isfinite(before) & np.isfinite(after)
    if both.sum() < 2 * FEWEST or len(np.unique(before[both])) < FEWEST:
        return
    days_only = [(times[both] % DAY == 0).mean() for times in (before, after)]
    if days_only[0] < 1 - NEARLY_ALL and days_only[1] >= NEARLY_ALL:
        yield Finding(False, f"column {name!r} has days only, and had times of day")
    shift = after[both] - before[both]
    middle = float(np.median(shift))
    if not middle or abs(middle) >= DAY or middle % QUARTER:
        return
    if (shift == middle).mean() >= NEARLY_ALL:
        text = f"column {name!r} is {abs(middle) / 3600:g} h {'earlier' if middle < 0 else 'later'}"
        text += f" for {(shift == middle).sum()} of {len(shift)} products: another time zone?"
        yield Finding(False, text)


def _read_seconds(name: str, batches: Iterable[pa.RecordBatch]) -> Numbers:
    """Times in seconds, NaN where there is none."""
    parts = [np.zeros(0)]
    for batch in batches:
        micros = batch[name].cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        parts.append(micros.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
    return np.concatenate(parts) / 1e6


def _days(dates: Dates) -> npt.NDArray[np.int64]:
    """About the days of dates that begin with the year; the same for the same dates."""
    months = (dates[:, 0] - 1970) * 12 + np.clip(dates[:, 1], 1, 12) - 1
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return np.asarray(first + dates[:, 2], np.int64)


def _exchange(dates: Dates) -> Dates:
    """The dates with day and month in each other's place."""
    year_first = dates[:, :1] > 31
    return np.where(year_first, dates[:, [0, 2, 1]], dates[:, [1, 0, 2]])


def _is_odd(dates: Dates) -> Mask:
    years = dates.max(axis=1)
    return np.asarray((dates[:, 1] >= 0) & ((years < FIRST_YEAR) | (years > LAST_YEAR)), np.bool_)


def _is_date(kind: pa.DataType) -> bool:
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def _has_dates(name: str, batches: Iterable[pa.RecordBatch]) -> bool:
    """Whether the first texts of a column are all dates."""
    texts = (text for batch in batches for text in batch[name].to_pylist() if text)
    sample = list(islice(texts, SAMPLE))
    return bool(sample) and all(WRITTEN.fullmatch(text.strip()) for text in sample)


def _read_dates(name: str, batches: Iterable[pa.RecordBatch]) -> Dates:
    parts = [np.zeros((0, 3), np.int64)]
    for batch in batches:
        split = _split_texts if is_text(batch[name].type) else _split_dates
        parts.append(split(batch[name]))
    return np.concatenate(parts)


def _split_texts(column: pa.Array) -> Dates:
    coded = column.dictionary_encode()
    found = [WRITTEN.fullmatch(text.strip()) for text in coded.dictionary.to_pylist()]
    numbers = [[int(part) for part in each.groups()] if each else [-1] * 3 for each in found]
    codes = coded.indices.fill_null(len(numbers)).to_numpy(zero_copy_only=False)
    dates: Dates = np.array([*numbers, [-1] * 3], np.int64)[codes]
    return dates


def _split_dates(column: pa.Array) -> Dates:
    parts = [pc.year(column), pc.month(column), pc.day(column)]
    columns = [part.fill_null(-1).to_numpy(zero_copy_only=False) for part in parts]
    return np.clip(np.stack(columns, axis=1).astype(np.int64), -1, MOST)
