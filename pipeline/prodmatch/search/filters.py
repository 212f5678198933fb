"""Filters: SQL conditions over the catalogue's columns, and what is wrong with those that fail."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from prodmatch.errors import DamagedError, QueryError

# Beyond comparisons and arithmetic, which every condition may use.
SAFE_FUNCTIONS = frozenset(
    [
        *("abs", "coalesce", "date", "datetime", "glob", "ifnull", "instr", "length", "like"),
        *("lower", "ltrim", "max", "min", "nullif", "replace", "round", "rtrim", "strftime"),
        *("substr", "substring", "trim", "typeof", "upper"),
    ]
)
GO_BACK = "Go back with 'prodmatch rollback'."


def find_rows(path: Path, columns: Sequence[str], condition: str) -> npt.NDArray[np.int64]:
    """The rows of a product file that an SQL condition holds for, ascending.

    Only comparisons, arithmetic and harmless functions are let through.

    Raises:
        QueryError: the condition is no such condition, or names an unknown column.
        DamagedError: the file cannot be read.
    """
    connection = connect(path)
    connection.set_authorizer(_AllowReading())
    try:
        rows = connection.execute(f"SELECT row FROM products WHERE (\n{condition}\n) ORDER BY row")
        return np.fromiter((row for (row,) in rows), np.int64)
    except (sqlite3.Error, ValueError) as error:  # ValueError: a NUL in the condition
        if _is_damage(error):
            raise DamagedError(f"{path}: cannot be read ({error}). {GO_BACK}") from error
        reason = _describe(connection, condition, error)
        raise QueryError(
            f"--filter {condition[:200]!r}: {reason}. Write an SQL condition over "
            f"{', '.join(columns)}, such as \"price < 50 AND colour = 'red'\"."
        ) from error
    finally:
        connection.close()


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


def _describe(connection: sqlite3.Connection, condition: str, error: Exception) -> str:
    """SQLite's word on a condition alone, without the brackets that are ours."""
    connection.set_authorizer(_AllowReading())
    try:
        connection.execute(f"EXPLAIN SELECT row FROM products WHERE {condition}")
    except (sqlite3.Error, ValueError) as alone:
        error = alone
    return str(error).partition("\n")[0].rstrip(".")


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
