"""Cells as Arrow columns of the types that were inferred for them."""

import json
from collections.abc import Iterator, Sequence

import pyarrow as pa

from prodmatch.columns.amounts import NO_VALUE, read_amount
from prodmatch.columns.inferred_types import ColumnType
from prodmatch.columns.several_pictures import split_pictures
from prodmatch.feeds.rows import Cell, Row


def make_schema(columns: Sequence[ColumnType]) -> pa.Schema:
    """The columns' schema; a column of amounts is followed by that of their currencies."""
    names = {column.name for column in columns}
    fields: list[tuple[str, pa.DataType]] = []
    for column in columns:
        fields.append((column.name, column.type))
        if column.has_currency:
            fields.append((_free_name(f"{column.name}_currency", names), pa.string()))
    return pa.schema(fields)


def _free_name(name: str, names: set[str]) -> str:
    base, count = name, 1
    while name in names:
        count += 1
        name = f"{base}_{count}"
    return name


def make_batch(
    rows: Sequence[Row], columns: Sequence[ColumnType], schema: pa.Schema
) -> pa.RecordBatch:
    """Some rows under that schema."""
    arrays: list[pa.Array] = []
    for column in columns:
        arrays += _make_arrays(column, [row.get(column.name) for row in rows])
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _make_arrays(column: ColumnType, cells: list[Cell]) -> Iterator[pa.Array]:
    if column.kind == "list":
        yield pa.array([_as_list(cell, column.separator) for cell in cells], column.type)
    elif column.kind in ("text", "joined"):
        texts = [_as_text(cell, column.separator) for cell in cells]
        if (artefact := column.artefact) is not None:
            texts = [artefact.sub(r"\1", text) if text else text for text in texts]
        yield pa.array(texts, column.type)
    elif column.kind == "amount":
        amounts = [
            read_amount(cell) if (cell := _as_value(raw)) is not None else None for raw in cells
        ]
        numbers = [float(amount.values[column.style]) if amount else None for amount in amounts]
        yield pa.array(numbers, column.type)
        if column.has_currency:
            yield pa.array([amount.currency if amount else None for amount in amounts], pa.string())
    else:
        yield pa.array([_as_value(cell) for cell in cells], pa.string()).cast(column.type)


def _as_value(cell: Cell) -> str | None:
    """A cell of a column that is not text; None where it stands for no value."""
    if isinstance(cell, bool):
        return str(cell).lower()
    text = cell.strip() if isinstance(cell, str) else ""
    return None if text.lower() in NO_VALUE else text or None


def _as_text(cell: Cell, separator: str | None) -> str | None:
    if isinstance(cell, list):
        if separator is None:
            return json.dumps(cell, ensure_ascii=False)
        return separator.join(cell) or None
    if isinstance(cell, bool):
        return str(cell).lower()
    return cell or None


def _as_list(cell: Cell, mark: str | None) -> list[str] | None:
    if isinstance(cell, list):
        return cell or None
    text = _as_text(cell, None)
    return (split_pictures(text, mark) or None) if text else None
