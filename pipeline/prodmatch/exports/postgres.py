"""A table of PostgreSQL with a column of pgvector: a script that makes it, and its rows."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.errors import StoreError
from prodmatch.exports.table import VectorTable, vector_texts
from prodmatch.products.column_storage import quote_name
from prodmatch.storage.atomic import new_file, write_file

ROWS = "products.tsv"
MOST_DIMENSIONS = 16_000  # of a vector of pgvector
MOST_INDEXED, MOST_HALF_INDEXED = 2_000, 4_000  # of one in an index, and of one of half precision
MOST_NAME_BYTES = 63  # of a column
MOST_COLUMNS = 1_600
SYSTEM_COLUMNS = frozenset({"tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"})  # of every table
ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\ufffd"}
INTEGERS = {8: "smallint", 16: "smallint", 32: "integer", 64: "bigint"}
LOAD = """\\set ON_ERROR_STOP on
BEGIN;
CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE products (
{columns}
);
\\copy products FROM '{rows}' WITH (FORMAT text, ENCODING 'UTF8')
{index}
COMMIT;
ANALYZE products;
"""


def write_postgres(table: VectorTable, folder: Path) -> list[str]:
    """Writes `load.sql`, a script of psql, and `products.tsv`, the rows that it copies.

    A character U+0000, which PostgreSQL cannot hold, becomes U+FFFD; a warning counts the values.

    Raises:
        StoreError: the vectors, or the columns or their names, are too many or too long for it.
    """
    dim, names = table.index.dim, table.columns.names
    long = [name for name in names if len(name.encode()) > MOST_NAME_BYTES]
    if "" in names:
        raise StoreError(
            "`form=pgvector`: a column has no name, which PostgreSQL does not take. Rename it in "
            "the catalogue, or leave it out."
        )
    if taken := sorted(SYSTEM_COLUMNS & set(names)):
        raise StoreError(
            f"`form=pgvector`: PostgreSQL has columns of its own named {', '.join(taken)}. "
            "Rename these columns of the catalogue with `columns`, or leave them out."
        )
    if dim > MOST_DIMENSIONS or len(names) >= MOST_COLUMNS or long:
        found = f"the name {long[0]!r}" if long else f"{len(names)} columns, {dim} dimensions"
        raise StoreError(
            f"`form=pgvector`: {found} are too long or too many; it takes {MOST_DIMENSIONS} "
            f"dimensions, {MOST_COLUMNS} columns, and names of {MOST_NAME_BYTES} bytes. "
            "Rename columns of the catalogue with `columns`, or leave them out."
        )
    columns = [f"    {quote_name(field.name)} {_type(field)}" for field in table.columns]
    script = LOAD.format(
        columns=",\n".join([*columns, f'    "vector" vector({dim}) NOT NULL']),
        rows=ROWS,
        index=_index(dim),
    )
    write_file(folder / "load.sql", script)
    replaced: Counter[str] = Counter()  # values by column
    with new_file(folder / ROWS) as file:
        for batch, vectors in table.batches_and_vectors():
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                if pa.types.is_string(column.type):
                    replaced[name] += pc.sum(pc.match_substring(column, "\0")).as_py() or 0
            columns = [_escape(column) for column in batch.columns]
            columns.append(pa.array(vector_texts(vectors)))
            for line in pc.binary_join_element_wise(*columns, "\t").to_pylist():
                file.write(line.encode() + b"\n")
    return [
        f"{name}: U+0000, which PostgreSQL cannot hold, is U+FFFD in {count} values"
        for name, count in replaced.items()
        if count
    ]


def _index(dim: int) -> str:
    """An index by inner product, as far as pgvector has one for so many dimensions."""
    if dim <= MOST_INDEXED:
        return 'CREATE INDEX ON products USING hnsw ("vector" vector_ip_ops);'
    if dim <= MOST_HALF_INDEXED:
        half = f'("vector"::halfvec({dim}))'
        return f"CREATE INDEX ON products USING hnsw ({half} halfvec_ip_ops);"
    return f"-- no index: pgvector has none for {dim} dimensions, so all rows are compared"


def _type(field: pa.Field) -> str:
    kind = field.type
    if field.name == "product_id":
        return "text PRIMARY KEY"
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind):
        bits = kind.bit_width * (1 if pa.types.is_signed_integer(kind) else 2)
        return INTEGERS.get(bits, "numeric(20)")
    if pa.types.is_decimal(kind):
        return "numeric"
    if pa.types.is_floating(kind):
        return "double precision"
    if pa.types.is_timestamp(kind):
        return "timestamp with time zone" if kind.tz else "timestamp"
    return "date" if pa.types.is_date(kind) else "text"


def _escape(column: pa.Array) -> pa.Array:
    r"""Values as COPY reads them: `\N` for null, and no tab or end of a line inside."""
    texts = column.cast(pa.string())
    if pa.types.is_string(column.type):
        for found, written in ESCAPES.items():
            texts = pc.replace_substring(texts, found, written)
    return pc.fill_null(texts, "\\N")
