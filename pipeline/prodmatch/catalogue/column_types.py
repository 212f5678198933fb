"""Types of columns: which are kept as metadata, how two are united, and how values are brought."""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# What Python's dates can hold, from the first second on and before the last; time zones are UTC.
FIRST_SECOND, END_SECOND = -62135596800, 253402300800
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
DIGITS = {8: 3, 16: 5, 32: 10, 64: 20}  # of an integer of so many bits, signed or not
VIEWS = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
MOST_DIGITS = {pa.decimal128: 38, pa.decimal256: 76}
INTEGER = re.compile(r"-?[1-9][0-9]{0,17}|0")
NUMBER = re.compile(r"-?[0-9]{1,15}\.[0-9]{1,15}")


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds text, coded as a dictionary or not."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def is_uuid(kind: pa.DataType) -> bool:
    """Whether a column of this type holds UUIDs, by their 16 bytes."""
    return bool(kind == pa.binary(16) or getattr(kind, "extension_name", "") == "arrow.uuid")


def metadata_type(kind: pa.DataType) -> pa.DataType | None:
    """The type that a column is kept in as metadata; None for what is not simple.

    Of a number in half or single precision the shortest decimal is kept, as a double: 19.99 of 32
    bits is 19.99, not 19.989999771118164.
    """
    if isinstance(kind, pa.BaseExtensionType):
        return pa.string() if is_uuid(kind) else metadata_type(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return metadata_type(kind.value_type)
    if is_text(kind):
        return pa.string()
    if pa.types.is_floating(kind):
        return pa.float64()
    if pa.types.is_decimal(kind):
        return _decimal(kind.precision, kind.scale)
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    simple = (
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_date(kind)
        or pa.types.is_null(kind)
    )
    return kind if simple else None


def unite_types(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The type of metadata that holds the values of both; None where there is none."""
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    kinds = (one, other)
    if all(map(pa.types.is_integer, kinds)):
        return _unite_integers(one, other)
    if all(map(is_number, kinds)):
        if any(map(pa.types.is_floating, kinds)):
            return pa.float64()
        scale = max(map(_scale, kinds))
        return _decimal(max(_digits(kind) - _scale(kind) for kind in kinds) + scale, scale)
    if all(map(pa.types.is_date, kinds)):
        return pa.date32()
    dates = [kind for kind in kinds if pa.types.is_date(kind)]
    times = [kind for kind in kinds if pa.types.is_timestamp(kind) and kind.tz is None]
    return times[0] if len(dates) == len(times) == 1 else None


def is_number(kind: pa.DataType) -> bool:
    """Whether a column of this type holds numbers."""
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def _scale(kind: pa.DataType) -> int:
    return int(kind.scale) if pa.types.is_decimal(kind) else 0


def _digits(kind: pa.DataType) -> int:
    return int(kind.precision) if pa.types.is_decimal(kind) else DIGITS[kind.bit_width]


def _decimal(digits: int, scale: int) -> pa.DataType | None:
    makes = (make for make, most in MOST_DIGITS.items() if digits <= most)
    make = next(makes, None)
    return None if make is None else make(digits, scale)


def _unite_integers(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    signed = [kind.bit_width for kind in (one, other) if pa.types.is_signed_integer(kind)]
    bits = max(one.bit_width, other.bit_width)
    if not signed:
        return {16: pa.uint16(), 32: pa.uint32(), 64: pa.uint64()}[bits]
    unsigned = [kind.bit_width for kind in (one, other) if pa.types.is_unsigned_integer(kind)]
    bits = max([*signed, *(2 * width for width in unsigned)])
    return {16: pa.int16(), 32: pa.int32(), 64: pa.int64()}.get(bits, _decimal(20, 0))


def convert_column(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column as metadata of a type that `metadata_type` and `unite_types` gave.

    Dates before the year 1 or after 9999 become null, times lose what is below a microsecond.

    Raises:
        pa.ArrowInvalid: a value has no exact place in the type, such as 2**53 + 1 in a double.
    """
    if isinstance(column.type, pa.BaseExtensionType):
        if is_uuid(column.type):
            return pa.array([None if cell is None else str(cell) for cell in column.to_pylist()])
        column = column.storage
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if column.type == kind and not pa.types.is_temporal(kind):
        return column
    if pa.types.is_temporal(column.type):
        return _within_calendar(column).cast(kind, safe=False)
    if kind == pa.float64():
        return _to_double(column)
    return column.cast(kind)


def _to_double(column: pa.Array) -> pa.Array:
    """The doubles nearest to the shortest decimals of a column's numbers."""
    if pa.types.is_float16(column.type):
        shortest = column.to_numpy(zero_copy_only=False).astype(str).astype(np.float64)
        return pa.array(shortest, mask=column.is_null().to_numpy(zero_copy_only=False))
    if pa.types.is_float32(column.type):
        return column.cast(pa.string()).cast(pa.float64())
    if not pa.types.is_decimal(column.type):
        return column.cast(pa.float64())
    cells = column.to_pylist()
    doubles = [None if cell is None else float(cell) for cell in cells]
    for cell, double in zip(cells, doubles, strict=True):
        if cell is not None and type(cell)(repr(double)) != cell:
            raise pa.ArrowInvalid(f"{cell} has more digits than a double")
    return pa.array(doubles, pa.float64())


def _within_calendar(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_timestamp(kind):
        per_second, numbers = PER_SECOND[kind.unit], column.cast(pa.int64())
    elif pa.types.is_date64(kind):
        per_second, numbers = PER_SECOND["ms"], column.cast(pa.int64())
    else:
        days = column.cast(pa.int32()).cast(pa.int64())
        per_second, numbers = 1, pc.multiply(days, 86400)
    first = max(FIRST_SECOND * per_second, -(2**63))
    last = min(END_SECOND * per_second, 2**63) - 1
    inside = pc.and_(pc.greater_equal(numbers, first), pc.less_equal(numbers, last))
    return pc.if_else(inside, column, pa.scalar(None, kind))


def type_texts(texts: Sequence[str | None]) -> list[str | int | float | None]:
    """Numbers for texts that are all written as numbers, else the texts: "007" stays as it is."""
    given = [text for text in texts if text is not None]
    if all(map(INTEGER.fullmatch, given)):
        return [None if text is None else int(text) for text in texts]
    if all(
        INTEGER.fullmatch(text) or (NUMBER.fullmatch(text) and repr(float(text)) == text)
        for text in given
    ):
        return [None if text is None else float(text) for text in texts]
    return list(texts)


def replace_bad_utf8(record: pa.RecordBatch) -> pa.RecordBatch:
    """The record with text that is not UTF-8 replaced: Parquet does not promise that it is."""
    try:
        record.validate(full=True)
    except pa.ArrowInvalid:
        columns = [
            _decode(column)
            if column.type in (pa.string(), pa.large_string())
            else column.cast(pa.list_(pa.binary()))
            if column.type == pa.list_(pa.string())
            else column
            for column in record.columns
        ]
        return pa.RecordBatch.from_arrays(columns, names=record.schema.names)
    return record


def without_views(record: pa.RecordBatch) -> pa.RecordBatch:
    """The record with texts and bytes as Arrow's other types, as views cannot be taken from."""
    kinds = list(map(_without_view, record.schema.types))
    if kinds == record.schema.types:
        return record
    columns = [column.cast(kind) for column, kind in zip(record.columns, kinds, strict=True)]
    return pa.RecordBatch.from_arrays(columns, names=record.schema.names)


def _without_view(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_list(kind) and kind.value_type in VIEWS:
        return pa.list_(VIEWS[kind.value_type])
    return VIEWS.get(kind, kind)


def _decode(column: pa.Array) -> pa.Array:
    cells = column.cast(pa.large_binary()).to_pylist()
    decoded = [None if cell is None else cell.decode("utf-8", "replace") for cell in cells]
    return pa.array(decoded, column.type)
