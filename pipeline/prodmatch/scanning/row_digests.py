"""Digests of everything that is known about each product, a batch at a time."""

import hashlib
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.storage.features import content_key

NO_VALUE = "-"  # in place of a length


def digest_rows(
    product_ids: Sequence[str],
    metadata: pa.RecordBatch,
    text_keys: Sequence[bytes | None],
    pictures: Sequence[bytes],
) -> list[bytes]:
    """16 bytes a row: of its id, its text, its pictures, and its metadata with names and types.

    Args:
        metadata: the other columns; of any length where there are none.
        text_keys: of the text of each row.
        pictures: the keys of the pictures of each row, one after the other.
    """
    described = b"\0".join(str(field).encode() for field in metadata.schema)
    start = hashlib.blake2b(described, digest_size=16).digest()
    cells = _join_cells([pa.array(product_ids, pa.large_string()), *metadata.columns])
    return [
        content_key(b"".join((start, known, b"+" if key else b"-", key or b"", keys)))
        for known, key, keys in zip(cells, text_keys, pictures, strict=True)
    ]


def _join_cells(columns: Sequence[pa.Array]) -> list[bytes]:
    """The cells of each row as text after their lengths, so that no two rows are written alike."""
    texts = [_as_text(column) for column in columns]
    lengths = [
        pc.fill_null(pc.binary_length(text).cast(pa.large_string()), NO_VALUE) for text in texts
    ]
    comma, end, nothing = (pa.scalar(sign, pa.large_string()) for sign in (",", ";", ""))
    head = pc.binary_join_element_wise(*lengths, comma)
    filled = [pc.fill_null(text, "") for text in texts]
    joined = pc.binary_join_element_wise(head, end, *filled, nothing)
    cells: list[bytes] = joined.cast(pa.large_binary()).to_pylist()
    return cells


def _as_text(column: pa.Array) -> pa.Array:
    """Metadata as text; equal where the values are, and only there."""
    kind = column.type
    if pa.types.is_date32(kind):
        column = column.cast(pa.int32())
    elif pa.types.is_temporal(kind):
        column = column.cast(pa.int64())
    return column.cast(pa.large_string())
