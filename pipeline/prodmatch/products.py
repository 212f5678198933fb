"""Products in SQLite: the catalogue's columns, filters over them, and BM25 over the text."""

import datetime
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prodmatch.errors import DamagedError, QueryError, StoreError
from prodmatch.words import is_spelled, query_terms, split_terms, within_edits

__all__ = ["Matches", "Products", "write_products"]

OWN = ("row", "text", "has_text", "has_image")  # columns that are not the catalogue's
MOST_TERMS = 64  # of a query
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
LARGEST = 2**63 - 1
# Terms come split already, so the tokenizer keeps every letter and mark, and only stems.
TOKENIZER = "porter unicode61 remove_diacritics 0 categories 'L* N* Co Mn Mc'"


@dataclass(frozen=True)
class Matches:
    """Rows with at least one of a query's words, ascending, and their BM25 scores above 0."""

    rows: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]

    def best(self, count: int) -> npt.NDArray[np.int64]:
        """The `count` rows of the highest scores, in no order; of equal ones the first rows."""
        return self.rows[np.argsort(-self.scores, kind="stable")[:count]]

    def of(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """The scores of these rows, 0 where no word matches."""
        if not len(self.rows):
            return np.zeros(len(rows), np.float32)
        places = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        return np.where(self.rows[places] == rows, self.scores[places], np.float32(0.0))


def write_products(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """Writes products with their search index to a new SQLite file; gives their count.

    Args:
        path: the file to make, in a directory that is published whole.
        schema: `product_id`, `text` (what is searched) and the columns kept for display.
        batches: the products; the row of a product is its place.

    Raises:
        StoreError: the disk is full or the file cannot be written.
    """
    columns = [name for name in schema.names if name != "text"]
    vocabulary: Counter[str] = Counter()
    count = 0
    try:
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = off")
            connection.execute("PRAGMA synchronous = off")  # the whole directory is synced later
            connection.execute("BEGIN")
            _create_tables(connection, schema, columns)
            for batch in batches:
                _insert(connection, batch, columns, count, vocabulary)
                count += len(batch)
            connection.execute("CREATE INDEX ids ON products (product_id)")
            spelled = ((w, n) for w, n in sorted(vocabulary.items()) if is_spelled(w))
            connection.executemany("INSERT INTO vocabulary VALUES (?, ?)", spelled)
            connection.execute("INSERT INTO words(words) VALUES ('optimize')")
            connection.execute("COMMIT")
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        raise StoreError(
            f"{path}: cannot be written ({error}). Make room and run again."
        ) from error
    return count


class Products:
    """The products of a generation, read only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = _connect(path)

    @cached_property
    def columns(self) -> list[str]:
        """The names of the catalogue's columns, `product_id` first."""
        found = self.connection.execute("SELECT name FROM pragma_table_info('products')")
        return [name for (name,) in found if name not in OWN]

    def match(self, query: str, within: npt.NDArray[np.int64] | None = None) -> Matches:
        """The rows that say a word of the query, or one near a word that nobody says.

        Args:
            query: what a person typed.
            within: ascending rows; others are left out.
        """
        groups = [self._mend(group) for group in query_terms(query)[:MOST_TERMS]]
        terms = list(dict.fromkeys(term for group in groups for term in group))
        if not terms:
            return Matches(np.zeros(0, np.int64), np.zeros(0, np.float32))
        condition = " OR ".join(f'"{term}"' for term in terms)
        with self._guard():
            found = self.connection.execute(
                "SELECT rowid, -bm25(words) FROM words WHERE words MATCH ? ORDER BY rowid",
                (condition,),
            ).fetchall()
        pairs = np.array(found, dtype=np.float64).reshape(-1, 2)
        matches = Matches(pairs[:, 0].astype(np.int64), pairs[:, 1].astype(np.float32))
        if within is None:
            return matches
        kept = np.isin(matches.rows, within, assume_unique=True)
        return Matches(matches.rows[kept], matches.scores[kept])

    def rows_where(self, condition: str) -> npt.NDArray[np.int64]:
        """The rows that an SQL condition over the catalogue's columns holds for, ascending.

        Only comparisons, arithmetic and harmless functions are let through.

        Raises:
            QueryError: the condition is no such condition, or names an unknown column.
        """
        filtering = _connect(self.path)
        filtering.set_authorizer(_AllowReading())
        try:
            rows = filtering.execute(
                f"SELECT row FROM products WHERE (\n{condition}\n) ORDER BY row"
            ).fetchall()
        except (sqlite3.Error, ValueError) as error:  # ValueError: a NUL in the condition
            raise QueryError(
                f"--filter {condition!r}: {error}. Write an SQL condition over "
                f"{', '.join(self.columns)}, such as \"price < 50 AND colour = 'red'\"."
            ) from error
        finally:
            filtering.close()
        return np.array([row for (row,) in rows], dtype=np.int64)

    def metadata(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> list[dict[str, object]]:
        """The catalogue's columns of these rows, in their order."""
        names = ", ".join(_quote(name) for name in self.columns)
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

    def _mend(self, group: Sequence[str]) -> list[str]:
        """The ways to say a term that occur, else the nearest words that do."""
        said = [term for term in group if self._occurs(term)]
        return said or [word for term in group[:1] for word in self._near(term)]

    def _occurs(self, term: str) -> bool:
        with self._guard():
            found = self.connection.execute(
                "SELECT 1 FROM words WHERE words MATCH ? LIMIT 1", (f'"{term}"',)
            )
            return found.fetchone() is not None

    def _near(self, term: str) -> list[str]:
        """Up to three words of the catalogue at the fewest edits, the most said first."""
        if not is_spelled(term):
            return []
        most = 1 if len(term) < 8 else 2
        found = []
        for word, count in self._words_like(term[0], len(term) - most, len(term) + most):
            edits = within_edits(term, word, most)
            if edits is not None:
                found.append((edits, -count, word))
        found.sort()
        return [word for edits, _, word in found[:3] if edits == found[0][0]]

    def _words_like(self, letter: str, shortest: int, longest: int) -> Iterator[tuple[str, int]]:
        with self._guard():
            yield from self.connection.execute(
                "SELECT word, count FROM vocabulary WHERE word >= ? AND word < ? "
                "AND length(word) BETWEEN ? AND ?",
                (letter, chr(ord(letter) + 1), shortest, longest),
            )

    def _guard(self) -> "_Guard":
        return _Guard(self.path)


@dataclass(frozen=True)
class _Guard:
    """Turns SQLite's word of damage into ours."""

    path: Path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, sqlite3.DatabaseError):
            raise DamagedError(
                f"{self.path}: cannot be read ({error}). Go back with 'prodmatch rollback'."
            ) from error


def _connect(path: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise DamagedError(f"{path}: cannot be opened ({error}).") from error


def _create_tables(
    connection: sqlite3.Connection, schema: pa.Schema, columns: Sequence[str]
) -> None:
    declared = ", ".join(f"{_quote(name)} {_sql_type(schema.field(name).type)}" for name in columns)
    connection.execute(f"CREATE TABLE products (row INTEGER PRIMARY KEY, {declared})")
    connection.execute(
        f"CREATE VIRTUAL TABLE words USING fts5 (terms, content='', tokenize=\"{TOKENIZER}\")"
    )
    connection.execute(
        "CREATE TABLE vocabulary (word TEXT PRIMARY KEY, count INTEGER) WITHOUT ROWID"
    )


def _insert(
    connection: sqlite3.Connection,
    batch: pa.RecordBatch,
    columns: Sequence[str],
    first: int,
    vocabulary: Counter[str],
) -> None:
    rows = range(first, first + len(batch))
    cells = [map(_plain, batch[name].to_pylist()) for name in columns]
    marks = ",".join("?" * (len(columns) + 1))
    connection.executemany(
        f"INSERT INTO products VALUES ({marks})",
        zip(rows, *cells, strict=True),
    )
    terms = [split_terms(text or "") for text in batch["text"].to_pylist()]
    for found in terms:
        vocabulary.update(set(found))
    said = ((row, " ".join(found)) for row, found in zip(rows, terms, strict=True))
    connection.executemany("INSERT INTO words (rowid, terms) VALUES (?, ?)", said)


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_uint64(kind):
        return ""  # beyond SQLite's integers a number is text
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return "INTEGER"
    return "REAL" if pa.types.is_floating(kind) else "TEXT"


def _plain(value: object) -> object:
    """A value as SQLite keeps it."""
    if isinstance(value, datetime.date | datetime.time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, int) and abs(value) > LARGEST:
        return str(value)
    return value


def _is_text(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _quote(name: str) -> str:
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
