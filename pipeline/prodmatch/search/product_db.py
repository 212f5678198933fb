"""Products in SQLite: the catalogue's columns, filters over them, and BM25 over the text."""

import functools
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from prodmatch.errors import DamagedError, QueryError
from prodmatch.lexical.bm25 import Matches, PostingsReader
from prodmatch.lexical.low_information import prose_weights
from prodmatch.lexical.terms import query_terms

__all__ = ["Matches", "Products", "quote_name"]

OWN = ("row", "text", "has_text", "has_image")  # columns that are not the catalogue's
MOST_TERMS = 64  # of a query
# That count in full, the twelfth by half, and so on; prose takes up its weight of a place. By BM25
# alone 635 descriptions find their titles among 2,370 with an RR of .894 (.796 where all words
# count alike), from the second sentence on .191 (.174), one sentence .373 (.366), and a shop's
# title another shop's of the same product .555 (.523). With seven, and all words in full places:
# .902, .185, .379, .551. On training texts, as no model is in it; prose of others than these.
FIRST_TERMS = 6
FILTERS = 8  # remembered; a service asks within the same few again and again
SAFE_FUNCTIONS = frozenset(
    [
        "abs",
        "coalesce",
        "date",
        "datetime",
        "glob",
        "ifnull",
        "instr",
        "length",
        "like",
        "lower",
        "ltrim",
        "max",
        "min",
        "nullif",
        "replace",
        "round",
        "rtrim",
        "strftime",
        "substr",
        "substring",
        "trim",
        "typeof",
        "upper",
    ]
)
COUNT = "ifnull(CAST(count AS INTEGER), 0)"  # a number, whatever damage made of it
GO_BACK = "Go back with 'prodmatch rollback'."


class Products:
    """The products of a generation, read only; each thread has a connection of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._own = threading.local()
        self._own.connection = _connect(path)
        #: The rows that an SQL condition holds for; the last few conditions are remembered.
        self.rows_where = functools.lru_cache(FILTERS)(self._rows_where)

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's; queries of several threads would wait for each other on one."""
        if not hasattr(self._own, "connection"):
            self._own.connection = _connect(self.path)
        connection: sqlite3.Connection = self._own.connection
        return connection

    @property
    def _postings(self) -> PostingsReader:
        """This thread's."""
        if not hasattr(self._own, "postings"):
            self._own.postings = PostingsReader(self.connection, self.row_count)
        postings: PostingsReader = self._own.postings
        return postings

    @cached_property
    def row_count(self) -> int:
        """How many products there are."""
        with self._guard():
            (found,) = self.connection.execute("SELECT max(row) FROM products").fetchone()
        return 0 if found is None else int(found) + 1

    @cached_property
    def columns(self) -> list[str]:
        """The names of the catalogue's columns, `product_id` first."""
        with self._guard():
            found = self.connection.execute("SELECT name FROM pragma_table_info('products')")
            return [name for (name,) in found if name not in OWN]

    def match(self, query: str, within: npt.NDArray[np.int64] | None = None) -> Matches:
        """The rows that say a word of the query.

        Of a long query the first words count most: a title or a description names the thing first
        and goes on to what is true of many. Its prose counts less, and takes up less room.

        Args:
            query: what a person asks.
            within: ascending rows; others are left out.
        """
        reader, prose = self._postings, prose_weights()
        weights: dict[str, float] = {}
        place = 1.0
        with self._guard():
            terms = query_terms(query, lambda term: len(reader.rows_of(term)))
            for ways in terms[:MOST_TERMS]:
                told = prose.get(ways[0], 1.0) if len(terms) > FIRST_TERMS else 1.0
                for term in ways:
                    weights.setdefault(term, told * min(1.0, FIRST_TERMS / place))
                place += told
            return reader.match(weights, within)

    def _rows_where(self, condition: str) -> npt.NDArray[np.int64]:
        """The rows that an SQL condition over the catalogue's columns holds for, ascending.

        Only comparisons, arithmetic and harmless functions are let through.

        Raises:
            QueryError: the condition is no such condition, or names an unknown column.
            DamagedError: the file cannot be read.
        """
        columns = ", ".join(self.columns)  # of a file that can be read, before it is asked
        filtering = _connect(self.path)
        filtering.set_authorizer(_AllowReading())
        try:
            rows = filtering.execute(
                f"SELECT row FROM products WHERE (\n{condition}\n) ORDER BY row"
            )
            found = np.fromiter((row for (row,) in rows), np.int64)
            if np.any((found < 0) | (found >= self.row_count)):
                raise DamagedError(f"{self.path}: holds rows beyond its own count. {GO_BACK}")
        except (sqlite3.Error, ValueError) as error:  # ValueError: a NUL in the condition
            if _tells_damage(error):
                raise DamagedError(f"{self.path}: cannot be read ({error}). {GO_BACK}") from error
            said = _say_fault(filtering, condition, error)
            raise QueryError(
                f"--filter {condition[:200]!r}: {said}. Write an SQL condition over "
                f"{columns}, such as \"price < 50 AND colour = 'red'\"."
            ) from error
        finally:
            filtering.close()
        found.flags.writeable = False  # it is shared
        return found

    def metadata(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> list[dict[str, object]]:
        """The catalogue's columns of these rows, in their order."""
        names = ", ".join(quote_name(name) for name in self.columns)
        found: dict[int, dict[str, object]] = {}
        for start in range(0, len(rows), 500):
            asked = [int(row) for row in rows[start : start + 500]]
            marks = ",".join("?" * len(asked))
            with self._guard():
                for row, *values in self.connection.execute(
                    f"SELECT row, {names} FROM products WHERE row IN ({marks})",
                    asked,
                ):
                    found[row] = dict(zip(self.columns, values, strict=True))
        with self._guard():
            return [found[int(row)] for row in rows]

    def row_of(self, product_id: str) -> int | None:
        """The row of a product, None where there is none of this id."""
        if not _is_text(product_id):  # what a shell gives for bytes that are not UTF-8
            return None
        with self._guard():
            found = self.connection.execute(
                "SELECT row FROM products WHERE product_id = ?", (product_id,)
            ).fetchone()
        return None if found is None else int(found[0])

    def counts(self, words: Sequence[str]) -> list[int]:
        """How many products say each word, letter for letter; 0 for what is no word of letters."""
        with self._guard():
            asked = (
                self.connection.execute(f"SELECT {COUNT} FROM vocabulary WHERE word = ?", (word,))
                for word in words
            )
            return [int((found.fetchone() or (0,))[0]) for found in asked]

    def says(self, word: str) -> bool:
        """Whether a product says the word or another of its stem."""
        with self._guard():
            return len(self._postings.rows_of(word)) > 0

    def count_of_both(self, one: str, other: str) -> int:
        """How many products say both words, in any form."""
        with self._guard():
            rows, others = self._postings.rows_of(one), self._postings.rows_of(other)
            return len(np.intersect1d(rows, others, assume_unique=True))

    def words_like(self, letter: str, shortest: int, longest: int) -> list[tuple[str, int]]:
        """The words of the products with that first letter and of these lengths, and counts."""
        with self._guard():
            return self.connection.execute(
                f"SELECT CAST(word AS TEXT), {COUNT} FROM vocabulary WHERE word >= ? AND word < ? "
                "AND length(word) BETWEEN ? AND ?",
                (letter, chr(ord(letter) + 1), shortest, longest),
            ).fetchall()

    def _guard(self) -> "_Guard":
        return _Guard(self.path)


@dataclass(frozen=True)
class _Guard:
    """Turns SQLite's word of damage into ours, and what else damaged bytes lead to.

    `LookupError` is rows that are not there, `ValueError` names and arrays that are cut.
    """

    path: Path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, sqlite3.DatabaseError | LookupError | ValueError):
            raise DamagedError(f"{self.path}: cannot be read ({error}). {GO_BACK}") from error


def _say_fault(connection: sqlite3.Connection, condition: str, error: Exception) -> str:
    """SQLite's word on a condition alone, without the brackets that are ours."""
    connection.set_authorizer(_AllowReading())
    try:
        connection.execute(f"EXPLAIN SELECT row FROM products WHERE {condition}")
    except (sqlite3.Error, ValueError) as alone:
        error = alone
    return str(error).partition("\n")[0].rstrip(".")


def _tells_damage(error: Exception) -> bool:
    """Whether it is the file's fault; a condition's own faults have other codes."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR)


def _connect(path: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise DamagedError(f"{path}: cannot be opened ({error}).") from error


def _is_text(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def quote_name(name: str) -> str:
    """A column's name as SQL has it, whatever is in it."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


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
