"""Filters: SQL conditions over the catalogue's columns, and what is wrong with those that fail."""

import functools
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from prodmatch.errors import DamagedError, QueryError
from prodmatch.products.column_storage import quote_name
from prodmatch.products.conditions import (
    Column,
    compared_texts,
    explain_error,
    find_mistake,
    nearest_values,
)
from prodmatch.products.exact_numbers import InexactError, exact_condition
from prodmatch.products.operands import (
    columns_as_numbers,
    explain_amount,
    explain_lone,
    find_lone,
    find_null,
)
from prodmatch.products.ordering import (
    NumberComparison,
    WrongDateError,
    explain_letters,
    find_number_texts,
    find_wrong_order,
    write_dates,
)
from prodmatch.storage.generations import advise_instead_of

# Beyond comparisons and arithmetic, which every condition may use.
SAFE_FUNCTIONS = frozenset(
    [
        *("abs", "coalesce", "date", "datetime", "glob", "ifnull", "instr", "length", "like"),
        *("lower", "ltrim", "max", "min", "nullif", "replace", "round", "rtrim", "strftime"),
        *("substr", "substring", "trim", "typeof", "upper"),
    ]
)
OWN = ("row", "text", "has_text", "has_image")  # columns that are not the catalogue's
MOST_VALUES = 10_000  # of a column, to look for the one that is meant
MOST_MISSING = 5  # of a condition's values that no product has, that are named
WRITE_IN = "Write product_id IN ('a', 'b') for values of one column joined by OR"


def find_rows(path: Path, condition: str) -> npt.NDArray[np.int64]:
    """The rows of a product file that an SQL condition holds for, ascending.

    Only comparisons, arithmetic and harmless functions are let through.

    Raises:
        QueryError: the condition is no such condition, names an unknown column, or compares a
            column with what it does not hold.
        DamagedError: the file cannot be read.
    """
    connection = connect(path)
    columns: dict[str, Column] = {}
    try:
        columns = read_columns(connection)
        _check(condition, columns, connection)
        exact = exact_condition(connection, write_dates(condition, columns), columns)
        if not condition.isascii():
            _know_letters(connection)
        connection.set_authorizer(_AllowReading())
        rows = connection.execute(f"SELECT row FROM products WHERE (\n{exact}\n) ORDER BY row")
        return np.fromiter((row for (row,) in rows), np.int64)
    except (InexactError, WrongDateError) as error:
        raise QueryError(_message(condition, str(error), columns)) from None
    except (sqlite3.Error, ValueError) as error:  # ValueError: a NUL in the condition
        if _is_damage(error) or not columns:
            raise DamagedError(
                f"{path}: cannot be read ({error}). {advise_instead_of(path.parent)}"
            ) from error
        reason = explain_error(condition, _describe(connection, condition, error), columns)
        raise QueryError(_message(condition, reason, columns)) from error
    finally:
        connection.close()


def _check(condition: str, columns: Mapping[str, Column], connection: sqlite3.Connection) -> None:
    """Raise where SQLite would take a condition for another one than is meant."""
    for find in (find_mistake, find_null, find_wrong_order):
        if (mistake := find(condition, columns)) is not None:
            raise QueryError(_message(condition, mistake, columns))
    for token in find_lone(condition, columns):
        if token.kind != "column" or not _is_flag(connection, columns[token.value.lower()]):
            raise QueryError(_message(condition, explain_lone(token, columns), columns))
    for column in columns_as_numbers(condition, columns):
        if (value := _find_amount(connection, column)) is not None:
            raise QueryError(_message(condition, explain_amount(column, value), columns))
    for compared in find_number_texts(condition, columns):
        if (value := _find_other_length(connection, compared)) is not None:
            raise QueryError(_message(condition, explain_letters(compared, value), columns))


def suggest_values(path: Path, condition: str) -> list[str]:
    """For each text that a condition wants and no product has, the values that may be meant."""
    connection = connect(path)
    try:
        wanted: dict[str, list[str]] = {}
        for compared in compared_texts(condition, read_columns(connection)):
            wanted.setdefault(compared.column, []).append(compared.value)
        hints = []
        for column, values in wanted.items():
            known = _distinct(connection, quote_name(column))
            if len(known) <= MOST_VALUES:
                held = set(known)
                missing = [value for value in dict.fromkeys(values) if value not in held]
                hints += [_hint_values(column, each, known) for each in missing[:MOST_MISSING]]
                if more := len(missing[MOST_MISSING:]):
                    hints.append(f"no product has {more} more of the values given for {column}")
        return hints
    finally:
        connection.close()


def _hint_values(column: str, value: str, known: Sequence[str]) -> str:
    """That no product has a value of a column, and which ones it may be."""
    near = " or ".join(map(repr, nearest_values(value, known)))
    return f"no product has {column} = {value!r}" + (f"; there is {near}" if near else "")


def _is_flag(connection: sqlite3.Connection, column: Column) -> bool:
    """Whether a column is a condition by itself: it has no values but 0 and 1."""
    name = quote_name(column.name)
    found = connection.execute(f"SELECT 1 FROM products WHERE {name} NOT IN (0, 1) LIMIT 1")
    return column.kind != "text" and found.fetchone() is None


def _find_amount(connection: sqlite3.Connection, column: Column) -> str | None:
    """A value of a column that SQLite reads as another number: '2,001.87' as 2, '$5' as 0.

    Any, where none begins with a digit.
    """
    name = quote_name(column.name)
    first = f"SELECT {name} FROM products WHERE {name}"
    found = connection.execute(
        f"{first} GLOB '*[0-9],[0-9]*' OR {name} GLOB '[$€£¥₹]*[0-9]*' OR {name} GLOB "
        "'[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*' LIMIT 1"
    ).fetchone()
    if found is None and not connection.execute(f"{first} GLOB '[-+. 0-9]*' LIMIT 1").fetchone():
        found = connection.execute(f"{first} <> '' LIMIT 1").fetchone()
    return None if found is None else str(found[0])[:40]


def _find_other_length(connection: sqlite3.Connection, compared: NumberComparison) -> str | None:
    """A value of a column of text that begins with a number of more or fewer digits."""
    name = quote_name(compared.column.name)
    found = connection.execute(
        f"SELECT {name} FROM products WHERE {name} GLOB '[0-9]*' "
        f"AND length({name}) - length(ltrim({name}, '0123456789')) <> ? LIMIT 1",
        (len(compared.number.partition(".")[0]),),
    ).fetchone()
    return None if found is None else str(found[0])[:40]


def _distinct(connection: sqlite3.Connection, name: str) -> list[str]:
    """The values of a column, up to one more than are compared, commonest first."""
    found = connection.execute(
        f"SELECT {name} FROM products WHERE {name} IS NOT NULL GROUP BY {name} "
        f"ORDER BY count(*) DESC, {name} LIMIT {MOST_VALUES + 1}"
    )
    return [str(value) for (value,) in found]


def read_columns(connection: sqlite3.Connection) -> dict[str, Column]:
    """The columns of the catalogue by their names in small letters."""
    declared = connection.execute("SELECT name, type FROM pragma_table_info('products')").fetchall()
    columns = {}
    for name, kind in declared:
        if name in OWN:
            continue
        sample = ""
        if kind == "TEXT":
            quoted = quote_name(name)
            found = connection.execute(
                f"SELECT {quoted} FROM products WHERE {quoted} IS NOT NULL LIMIT 1"
            ).fetchone()
            sample = str(found[0])[:40] if found else ""
        kinds = {"TEXT": "text", "BOOLEAN": "boolean"}
        columns[name.lower()] = Column(name, kinds.get(kind, "number"), sample, kind)
    return columns


def _message(condition: str, reason: str, columns: Mapping[str, Column]) -> str:
    names = ", ".join(column.name for column in columns.values())
    return (
        f"`where` {condition[:200]!r}: {reason}. Write an SQL condition over {names}, such as "
        "\"price < 50 AND colour = 'red'\"."
    )


def connect(path: Path) -> sqlite3.Connection:
    """A connection that reads a published file, which nobody changes, from any thread.

    Raises:
        DamagedError: the file cannot be opened.
    """
    try:
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise DamagedError(f"{path}: cannot be opened ({error}).") from error


def _know_letters(connection: sqlite3.Connection) -> None:
    """Makes LIKE, lower and upper know the case of letters beyond ASCII, as SQLite does not."""
    for name, change in (("lower", str.lower), ("upper", str.upper)):

        def apply(value: object, change: Callable[[str], str] = change) -> str | None:
            return None if value is None else change(str(value))

        connection.create_function(name, 1, apply, deterministic=True)
    for count in (2, 3):
        connection.create_function("like", count, _is_like, deterministic=True)


def _is_like(pattern: object, value: object, escape: str = "") -> bool | None:
    if pattern is None or value is None:
        return None
    return _read_pattern(str(pattern), escape).fullmatch(str(value)) is not None


@functools.lru_cache
def _read_pattern(pattern: str, escape: str) -> re.Pattern[str]:
    """The pattern of a LIKE as a regular expression, whatever the case of its letters.

    What stands between two % is looked for once, where it comes first, so that no pattern takes
    more than its length times the value's.
    """
    found = re.findall(rf"{re.escape(escape)}(.)|(.)" if escape else "()(.)", pattern, re.DOTALL)
    parts = [""]
    for escaped, sign in found:
        if sign == "%":
            parts.append("")
        else:
            parts[-1] += "." if sign == "_" else re.escape(escaped or sign)
    first, *between = parts
    last = f".*{between.pop()}" if between else ""
    firsts = "".join(f"(?>.*?{part})" for part in between)
    return re.compile(first + firsts + last, re.IGNORECASE | re.DOTALL)


def _describe(connection: sqlite3.Connection, condition: str, error: Exception) -> str:
    """SQLite's word on a condition alone, without the brackets that are ours."""
    connection.set_authorizer(_AllowReading())
    try:
        connection.execute(f"EXPLAIN SELECT row FROM products WHERE {condition}")
    except (sqlite3.Error, ValueError) as alone:
        error = alone
    reason = str(error).partition("\n")[0].rstrip(".")
    return f"{reason}. {WRITE_IN}" if "too large" in reason else reason


def _is_damage(error: Exception) -> bool:
    """Whether it is the file's error; a condition's own errors have other codes."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR)


class _AllowReading:
    """Lets one SELECT over `products` through, with harmless functions, and nothing else."""

    def __init__(self) -> None:
        self.selects = 0

    def __call__(
        self, action: int, first: str | None, second: str | None, place: str | None, by: str | None
    ) -> int:
        if action == sqlite3.SQLITE_SELECT:
            self.selects += 1
            return sqlite3.SQLITE_OK if self.selects == 1 else sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_READ and first == "products":
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in SAFE_FUNCTIONS:
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY
