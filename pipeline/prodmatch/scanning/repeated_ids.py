"""Rows whose id an earlier row has, found with sixteen bytes a row."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prodmatch.storage.vectors import Rows

BLOCK_ROWS = 1 << 16
WEIGHTS = np.random.default_rng(0).integers(1, 1 << 63, 4096, dtype=np.uint64) * 2 + 1


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
