"""Times of a log, in the forms that logs have, as seconds since 1970."""

import contextlib
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Seconds = npt.NDArray[np.float64]
NO_TIME = float("-inf")
# Numbers from here on are parts of seconds: as seconds they would be of the year 5138 or later.
MILLISECONDS, MICROSECONDS, NANOSECONDS = 1e11, 1e14, 1e17
TEXT_TYPES = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
DAY_NUMBERS = (19_700_101, 21_001_231)  # 20260131 is a day; as seconds all are of 1970


def read_times(column: pa.ChunkedArray) -> tuple[Seconds, list[str]]:
    """Seconds since 1970, minus infinity where there are none, and the texts that are no time.

    Raises:
        pyarrow.ArrowException: the column is of another type.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    array = column.combine_chunks()
    if any(is_text(array.type) for is_text in TEXT_TYPES):
        return _read_texts(array.cast(pa.string()))
    if pa.types.is_date(array.type):
        array = array.cast(pa.timestamp("us"))
    if pa.types.is_timestamp(array.type):
        return _read_timestamps(array), []
    return _read_numbers(array.cast(pa.float64(), safe=False)), []


def _read_texts(texts: pa.Array) -> tuple[Seconds, list[str]]:
    """Texts as numbers or timestamps; where they are of several forms, one by one."""
    zoned = pc.replace_substring_regex(texts, r"\s(UTC|GMT)\s*$", "Z")
    with contextlib.suppress(pa.ArrowInvalid):
        return _read_numbers(zoned.cast(pa.float64())), []
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        with contextlib.suppress(pa.ArrowInvalid):
            return _read_timestamps(zoned.cast(kind)), []
    found = [None if text is None else _read_text(text.strip()) for text in zoned.to_pylist()]
    unread = [
        text
        for text, time in zip(texts.to_pylist(), found, strict=True)
        if time is None and text is not None and text.strip()
    ]
    return np.array([NO_TIME if time is None else time for time in found], np.float64), unread


def _read_text(text: str) -> float | None:
    with contextlib.suppress(ValueError):
        return float(_read_numbers(pa.array([float(text)]))[0])
    with contextlib.suppress(ValueError):
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    return None


def _read_timestamps(array: pa.Array) -> Seconds:
    micros = array.cast(pa.timestamp("us", array.type.tz), safe=False).cast(pa.int64())
    return _fill(micros.cast(pa.float64(), safe=False)) / 1e6


def _read_numbers(array: pa.Array) -> Seconds:
    """Seconds, milliseconds, microseconds or nanoseconds, told by their size, or 20260131."""
    numbers = _fill(array)
    units = [numbers >= NANOSECONDS, numbers >= MICROSECONDS, numbers >= MILLISECONDS]
    seconds = np.select(units, [numbers / 1e9, numbers / 1e6, numbers / 1e3], numbers)
    days = (numbers >= DAY_NUMBERS[0]) & (numbers <= DAY_NUMBERS[1])
    whole = numbers[days].astype(np.int64)
    months = (whole // 10_000 - 1970) * 12 + whole // 100 % 100 - 1
    dates = months.astype("M8[M]").astype("M8[D]") + (whole % 100 - 1)
    seconds[days] = dates.astype("M8[s]").astype(np.float64)
    return seconds


def _fill(array: pa.Array) -> Seconds:
    filled = array.fill_null(NO_TIME).to_numpy(zero_copy_only=False)
    return np.where(np.isfinite(filled), filled, NO_TIME)
