"""Products to SQLite: the catalogue's columns, the words of each product, and their counts.

Apart from the reading of them, which needs no Arrow: a query in a shell does not wait for it.
"""

import datetime
import sqlite3
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from prodmatch.errors import StoreError
from prodmatch.lexical.postings import PostingsBuilder
from prodmatch.lexical.synonyms import PhraseFinder, Synonyms
from prodmatch.lexical.terms import split_terms
from prodmatch.products.codes import write_codes
from prodmatch.products.column_storage import (
    BIG_INTEGER,
    BOOLEAN,
    declare_decimal,
    exact_text,
    fits_sqlite,
    quote_name,
)


def write_products(
    path: Path,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    synonyms: Synonyms | None = None,
) -> int:
    """Writes products with their search index to a new SQLite file; gives their count.

    Args:
        path: the file to make, in a directory that is published whole.
        schema: `product_id`, `text` (what is searched) and the columns kept for display.
        batches: the products; the row of a product is its position.
        synonyms: whose phrases are counted like words, and whose language the words are of.

    Raises:
        StoreError: the disk is full or the file cannot be written.
    """
    columns = [name for name in schema.names if name != "text"]
    synonyms = Synonyms([]) if synonyms is None else synonyms
    postings, finder = PostingsBuilder(synonyms.language), PhraseFinder(synonyms)
    count = 0
    try:
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = off")
            connection.execute("PRAGMA synchronous = off")  # the whole directory is synced later
            connection.execute("BEGIN")
            _create_tables(connection, schema, columns)
            for batch in batches:
                _insert(connection, batch, columns, count)
                for text in batch["text"].to_pylist():
                    postings.add(split_terms(text or ""), finder.find(text or ""))
                count += len(batch)
            connection.execute("CREATE INDEX ids ON products (product_id)")
            connection.execute(
                "CREATE INDEX spaced_ids ON products (trim(product_id)) "
                "WHERE trim(product_id) <> product_id"
            )
            write_codes(connection, [name for name in columns if name != "product_id"])
            postings.write(connection)
            connection.execute("COMMIT")
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        raise StoreError(
            f"{path}: cannot be written ({error}). Make room and run again."
        ) from error
    return count


def _create_tables(
    connection: sqlite3.Connection, schema: pa.Schema, columns: Sequence[str]
) -> None:
    declared = ", ".join(
        f"{quote_name(name)} {_sql_type(schema.field(name).type)}" for name in columns
    )
    connection.execute(f"CREATE TABLE products (row INTEGER PRIMARY KEY, {declared})")
    connection.execute(
        "CREATE TABLE exact (row INTEGER, name TEXT, value TEXT, PRIMARY KEY (row, name)) "
        "WITHOUT ROWID"
    )
    connection.execute(
        "CREATE TABLE vocabulary (word TEXT PRIMARY KEY, count INTEGER) WITHOUT ROWID"
    )


def _insert(
    connection: sqlite3.Connection,
    batch: pa.RecordBatch,
    columns: Sequence[str],
    first: int,
) -> None:
    rows = range(first, first + len(batch))
    values = {name: batch[name].to_pylist() for name in columns}
    exact = (
        (row, name, text)
        for name in columns
        if _is_exact(batch[name].type)
        for row, value in zip(rows, values[name], strict=True)
        if (text := exact_text(value)) is not None
    )
    connection.executemany("INSERT INTO exact VALUES (?, ?, ?)", exact)
    cells = [
        map(_plain, values[name]) if _is_converted(batch[name].type) else values[name]
        for name in columns
    ]
    marks = ",".join("?" * (len(columns) + 1))
    connection.executemany(
        f"INSERT INTO products VALUES ({marks})",
        zip(rows, *cells, strict=True),
    )


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return BOOLEAN
    if pa.types.is_uint64(kind):
        return BIG_INTEGER
    if pa.types.is_decimal(kind):
        return declare_decimal(kind.scale)
    if pa.types.is_integer(kind):
        return "INTEGER"
    return "REAL" if pa.types.is_floating(kind) else "TEXT"


def _is_exact(kind: pa.DataType) -> bool:
    """Whether values of the type can have more digits than SQLite's numbers."""
    return bool(pa.types.is_uint64(kind) or pa.types.is_decimal(kind))


def _is_converted(kind: pa.DataType) -> bool:
    """Whether SQLite keeps values of the type as something else."""
    return bool(pa.types.is_temporal(kind) or _is_exact(kind))


def _plain(value: object) -> object:
    """A value as SQLite keeps it."""
    if isinstance(value, datetime.date | datetime.time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else format(value, "f")
    if isinstance(value, int) and not fits_sqlite(value):
        return float(value)
    return value
