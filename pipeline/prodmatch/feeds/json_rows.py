"""JSON lines, arrays, and objects that hold one array, streamed object by object."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TextIO

from prodmatch.errors import CatalogueError
from prodmatch.feeds.columns import plain_name
from prodmatch.feeds.rows import MOST_COLUMNS, Cell, Feed, Number, Row, number_name
from prodmatch.feeds.source import Source

BLOCK_CHARACTERS = 1 << 20
MOST_CHARACTERS = 256 << 20  # of one object
DEEPEST = 3  # where the array of products is looked for
BETWEEN = re.compile(r"[\s,\ufeff]*")
LINES = (".jsonl", ".ndjson")
ACTIONS = {"index", "create", "update", "delete"}
OWN_IDS = {"product_id", "productid", "sku", "gtin", "gtin13", "ean", "asin", "mpn"}
SURROGATE = re.compile("[\ud800-\udfff]")
SHORT_EXPONENT = re.compile(r"(?<=\d)[eE](?=\d)")


@dataclass(frozen=True)
class _Json:
    """Where the objects are.

    One after the other, in an array, in an array of one object, as an object's values by product,
    or apart by column, as pandas writes a frame.
    """

    shape: str  # "lines", "array", "object", "keyed", "columns", "split"
    key: tuple[str, ...] = ()


def open_json(source: Source) -> Feed:
    """A JSON file as rows: nested objects become columns `price_amount`, lists of texts stay.

    Raises:
        CatalogueError: it is no JSON, holds no object, or more than one array of objects.
    """
    shape = _find_shape(source)
    shown = {
        "lines": "JSON lines",
        "array": "a JSON array",
        "object": f"the JSON array {'.'.join(shape.key)!r} of an object",
        "keyed": "a JSON object of products by key",
        "columns": "a JSON object of columns",
        "split": "a JSON object of columns and rows",
    }[shape.shape]
    return Feed(form="json", read_as=shown, rows=partial(_read_rows, source, shape))


def _find_shape(source: Source) -> _Json:
    start = source.head.lstrip("\ufeff \t\r\n")
    if start.startswith("["):
        return _Json("array")
    if any(suffix.lower() in LINES for suffix in source.path.suffixes):
        return _Json("lines")
    with source.open_text() as text:
        values = _read_values(text, source, in_array=False)
        first = next(values, None)
        if not isinstance(first, dict) or next(values, None) is not None:
            return _Json("lines")
    if _is_split(first):
        return _Json("split")
    if _is_product(first):
        return _Json("lines")
    is_table = first.keys() == {"schema", "data"}  # as pandas writes one with its types
    arrays = [("data",)] if is_table else list(_find_arrays(first, ()))
    if len(arrays) > 1:
        named = ", ".join(".".join(key) for key in arrays)
        raise CatalogueError(
            f"{source.path}: holds {len(arrays)} arrays of objects: {named}. "
            "Write the one of the products to a file of its own."
        )
    if arrays:
        return _Json("object", arrays[0])
    inner = list(first.values())
    if len(inner) > 1 and all(isinstance(value, dict) and value for value in inner):
        keys = {tuple(value) for value in inner}
        return _Json("columns" if len(keys) == 1 and all(map(str.isdecimal, *keys)) else "keyed")
    if not any(isinstance(value, str | bool) for value in inner):
        raise CatalogueError(
            f"{source.path}: holds an object without an array of objects. Write an array of "
            "products, or an object a line."
        )
    return _Json("lines")


def _is_split(value: dict[str, object]) -> bool:
    """Whether an object holds the names of columns, and rows as lists, as pandas writes them."""
    names, rows = value.get("columns"), value.get("data")
    return (
        isinstance(names, list)
        and isinstance(rows, list)
        and all(isinstance(name, str) for name in names)
        and all(isinstance(row, list) and len(row) == len(names) for row in rows)
    )


def _is_product(value: dict[str, object]) -> bool:
    """Whether an object is itself a product, so that arrays in it are its variants or pictures."""
    return any(
        isinstance(inner, str) and inner and plain_name(name) in OWN_IDS
        for name, inner in value.items()
    )


def _find_arrays(value: dict[str, object], key: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, inner in value.items():
        if isinstance(inner, list) and inner and all(isinstance(item, dict) for item in inner):
            yield (*key, name)
        elif isinstance(inner, dict) and len(key) + 1 < DEEPEST:
            yield from _find_arrays(inner, (*key, name))


def _read_rows(source: Source, shape: _Json) -> Iterator[Row]:
    with source.open_text() as text:
        values = _read_values(text, source, in_array=shape.shape == "array")
        if shape.shape not in ("lines", "array"):
            values = iter(_take_apart(next(values), shape))
        for number, value in enumerate(values, 1):
            if not isinstance(value, dict):
                raise CatalogueError(
                    f"{source.path}: value {number} is no object but a {type(value).__name__}. "
                    'Each product is an object: {"product_id": ..., "title": ...}.'
                )
            if number == 1 and len(value) == 1 and ACTIONS & value.keys():
                raise CatalogueError(
                    f"{source.path}: value 1 is an action of Elasticsearch's bulk format and no "
                    "product. Write the documents alone, their '_id' among the keys."
                )
            row: Row = {}
            for name, inner in value.items():
                _flatten(name.strip() or "column", inner, row)
            yield row


def _take_apart(value: object, shape: _Json) -> list[object]:
    """The products of an object that holds all of them."""
    if shape.shape == "object":
        for name in shape.key:
            value = value[name] if isinstance(value, dict) else None
        return value if isinstance(value, list) else []
    if shape.shape == "split" and isinstance(value, dict):
        return [dict(zip(value["columns"], row, strict=True)) for row in value["data"]]
    found = value.items() if isinstance(value, dict) else ()
    if shape.shape == "keyed":
        return [{"product_id": key, **inner} for key, inner in found]
    columns = {name: list(cells.values()) for name, cells in found}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _flatten(name: str, value: object, row: Row) -> None:
    """Adds a value under its name; what an object holds under `name_key`."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            _flatten(f"{name}_{key}", inner, row)
        return
    cell: Cell
    if isinstance(value, list):
        simple = all(isinstance(item, str) for item in value)
        cell = [SURROGATE.sub("\ufffd", str(v)) for v in value] if simple else _dump(value)
    elif isinstance(value, dict):
        cell = None
    else:
        cell = value if isinstance(value, str | bool) else None
        if isinstance(cell, str) and not cell.isascii() and SURROGATE.search(cell):
            cell = SURROGATE.sub("\ufffd", cell)  # half a character, which no UTF-8 holds
    row[name if row.get(name) is None else number_name(name, row)] = cell
    if len(row) > MOST_COLUMNS:
        raise CatalogueError(
            f"an object has more than {MOST_COLUMNS} keys, so it is no product. "
            "Write an array of products."
        )


def _dump(value: object) -> str:
    """JSON of a value, its numbers as they were written."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_dump, value))}]"
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key)}: {_dump(inner)}" for key, inner in value.items())
        return f"{{{', '.join(pairs)}}}"
    has_half = isinstance(value, str) and SURROGATE.search(value) is not None
    return json.dumps(value, ensure_ascii=has_half)


def _keep_all(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object's pairs, of equal keys too."""
    found = dict(pairs)
    if len(found) < len(pairs):
        found = {}
        for key, value in pairs:
            found[number_name(key, found) if key in found else key] = value
    return found


def _number(digits: str) -> Number:
    """A number's digits; 1e5 is none of a text, so its exponent gets the sign that tells."""
    return Number(SHORT_EXPONENT.sub("e+", digits))


def _read_values(text: TextIO, source: Source, *, in_array: bool) -> Iterator[object]:
    """The values of a file, one after the other or in one array."""
    reader = _ValueReader(text, source)
    if in_array and reader.peek():
        reader.position += 1
    while start := reader.peek():
        if in_array and start == "]":
            _check_end(reader.buffer[reader.position + 1 :] + text.read(BLOCK_CHARACTERS), source)
            return
        yield reader.decode()
    if in_array:
        raise reader.fail("the array is not closed; the file is cut off")


class _ValueReader:
    """Decodes values from a text of any length, of which it holds one block or one value."""

    def __init__(self, text: TextIO, source: Source) -> None:
        self.text, self.source = text, source
        self.buffer, self.position, self.ended = "", 0, False
        self.lines = 1
        self.decoder = json.JSONDecoder(
            parse_float=_number,
            parse_int=_number,
            parse_constant=lambda name: None if name == "NaN" else Number(name),
            object_pairs_hook=_keep_all,
        )

    def peek(self) -> str:
        """The first character of the next value; "" at the end."""
        while True:
            found = BETWEEN.match(self.buffer, self.position)
            self.position = found.end() if found else self.position
            if self.position < len(self.buffer) or self.ended:
                return self.buffer[self.position : self.position + 1]
            self._fill()

    def decode(self) -> object:
        """The next value."""
        while True:
            try:
                value, end = self.decoder.raw_decode(self.buffer, self.position)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated") or error.pos >= len(self.buffer) - 16
                if self.ended or not cut:
                    raise self.fail(error.msg, error.pos) from error
            except RecursionError as error:
                raise self.fail("nested too deeply") from error
            else:
                if end < len(self.buffer) or self.ended:
                    self.position = end
                    return value
            self._fill()

    def fail(self, reason: str, position: int | None = None) -> CatalogueError:
        """The error for a reason, with the line that it is on."""
        at = self.position if position is None else position
        first, line = (self.lines + self.buffer.count("\n", 0, p) for p in (self.position, at))
        of = f", in the value that begins on line {first}" if first < line else ""
        return CatalogueError(
            f"{self.source.path}: line {line} is no JSON ({reason}){of}. Correct the file and "
            "convert it again."
        )

    def _fill(self) -> None:
        kept = len(self.buffer) - self.position
        if kept > MOST_CHARACTERS:
            raise self.fail("an object is too long")
        more = self.text.read(max(BLOCK_CHARACTERS, kept))  # doubles where a value is long
        self.ended = not more
        self.lines += self.buffer.count("\n", 0, self.position)
        self.buffer = self.buffer[self.position :] + self.source.repair(more)
        self.position = 0


def _check_end(rest: str, source: Source) -> None:
    if rest.strip():
        raise CatalogueError(
            f"{source.path}: goes on after its array ({rest.strip()[:40]!r}). "
            "Write one array, or an object a line."
        )
