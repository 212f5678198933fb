"""A table of Lance, which LanceDB reads as well."""

from pathlib import Path

import pyarrow as pa

from prodmatch.errors import StoreError
from prodmatch.exports.table import VectorTable

RESERVED = frozenset({"_rowid", "_rowaddr"})  # columns of its own


def write_lance(table: VectorTable, path: Path) -> None:
    """Writes the products' columns and their `vector` as a table.

    Raises:
        StoreError: a column has a name that Lance cannot hold.
    """
    names = table.columns.names
    unfit = [name for name in names if not name or name in RESERVED or {".", "`"} & set(name)]
    if unfit:
        raise StoreError(
            f"`form=lance`: it takes no column named {', '.join(map(repr, unfit))}, nor any "
            "without a name or with a dot or a backtick in it. "
            "Rename these columns of the catalogue with `columns`, or leave them out."
        )
    import lance  # of an extra, and only this form needs it

    rows = pa.RecordBatchReader.from_batches(table.schema, table.batches_with_vectors())
    lance.write_dataset(rows, path)
