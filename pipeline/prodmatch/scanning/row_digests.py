"""What tells rows apart: digests of all that is known of each, and ids that are there twice."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.storage.features import content_key
from prodmatch.storage.vectors import Rows

NO_VALUE = "-"  # in place of a length
BLOCK_ROWS = 1 << 16
WEIGHTS = np.random.default_rng(0).integers(1, 1 << 63, 4096, dtype=np.uint64) * 2 + 1


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


def find_repeated(ids: pa.StringArray, rows: Rows) -> Rows:
    """The indices of the ids that stand in an earlier row as well, in no order.

    Args:
        ids: without nulls.
        rows: `(len(ids),)`, in any order, none twice.
    """
    hashes = np.concatenate(
        [np.zeros(0, np.uint64)]
        + [_hash(ids.slice(start, BLOCK_ROWS)) for start in range(0, len(ids), BLOCK_ROWS)]
    )
    order = np.argsort(hashes, kind="stable")
    same = hashes[order[1:]] == hashes[order[:-1]]
    suspects = np.union1d(order[1:][same], order[:-1][same])  # a hash may be of several ids
    suspects = suspects[np.argsort(rows[suspects], kind="stable")]
    earlier: set[str] = set()
    found = []
    for index, name in zip(
        suspects.tolist(), ids.take(pa.array(suspects, pa.int64())).to_pylist(), strict=True
    ):
        if name in earlier:
            found.append(index)
        earlier.add(name)
    return np.array(found, np.int64)


def _hash(ids: pa.StringArray) -> npt.NDArray[np.uint64]:
    """Sums of the bytes of each id, each with the weight of its position."""
    column = ids.cast(pa.large_binary())
    ends = np.frombuffer(column.buffers()[1], np.int64)[column.offset :][: len(ids) + 1]
    content = np.frombuffer(column.buffers()[2] or b"", np.uint8)[ends[0] : ends[-1]]
    lengths = np.diff(ends)
    positions = np.arange(len(content)) - np.repeat(ends[:-1] - ends[0], lengths)
    weighted = (content.astype(np.uint64) + np.uint64(1)) * WEIGHTS[positions % len(WEIGHTS)]
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(weighted, dtype=np.uint64)])
    hashes: npt.NDArray[np.uint64] = sums[ends[1:] - ends[0]] - sums[ends[:-1] - ends[0]]
    return hashes
