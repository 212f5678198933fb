"""Users, products and kinds of events of a log, in the forms that logs have, as text."""

import math

import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.errors import QueryError

LARGEST_WHOLE = 2.0**63  # numbers from here on, which no integer has, are as they are written


def read_texts(column: pa.ChunkedArray, name: str) -> pa.Array:
    """A column as strings, empty ones null; `7.0`, as of integers among nulls, is `7`.

    Args:
        name: of the column, for messages.

    Raises:
        QueryError: it holds what is no text.
    """
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    try:
        column = column.cast(kind)
        if pa.types.is_floating(kind):
            texts = _write_numbers(column.combine_chunks())
        else:
            texts = column.cast(pa.string()).combine_chunks()
        texts.validate(full=True)
    except pa.ArrowException as error:
        found = str(kind) if isinstance(error, pa.ArrowNotImplementedError) else "no UTF-8"
        raise QueryError(
            f"`histories`: the column {name!r} is {found}. Write it as text or whole numbers."
        ) from error
    if pa.types.is_decimal(kind):
        texts = pc.replace_substring_regex(texts, r"\.0+$", "")
    return pc.if_else(pc.equal(pc.utf8_trim_whitespace(texts), ""), None, texts)


def _write_numbers(numbers: pa.Array) -> pa.Array:
    """Numbers as text, whole ones as such; null where they are none or infinite."""
    if pa.types.is_float16(numbers.type):
        numbers = numbers.cast(pa.float32())
    numbers = pc.if_else(pc.is_finite(numbers), numbers, None)
    small = pc.less(pc.abs(numbers), LARGEST_WHOLE)
    whole = pc.and_(pc.equal(numbers, pc.trunc(numbers)), small)
    integers = pc.if_else(whole, numbers, None).cast(pa.int64())
    return pc.if_else(whole, integers.cast(pa.string()), numbers.cast(pa.string()))


def cell_text(value: object) -> str | None:
    """A value of JSON as text, as `read_texts` has it; None where it is none."""
    if value is None or isinstance(value, list | dict):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        if value.is_integer() and abs(value) < LARGEST_WHOLE:
            return str(int(value))
    return str(value)
