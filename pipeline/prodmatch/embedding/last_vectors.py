"""Vectors of last night's embeddings, read in bounded memory."""

import functools
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.errors import DamagedError
from prodmatch.storage.embeddings import READ_ROWS, Embeddings, vectors_of
from prodmatch.storage.vectors import Mask, Rows, Vectors

SHARDS = 2  # in memory at once
MOST_READS = 3  # of a shard, on average; in another order all features are projected again


@dataclass(frozen=True)
class LastVectors:
    """Vectors of last night's embeddings."""

    embeddings: Embeddings  # that hold them
    # `(products of tonight,)`, where the vector of each lies in them; -1 where there is none of
    # which a part can be kept.
    rows: Rows
    texts: Mask  # `(products of tonight,)`, whose text parts are kept
    images: Mask  # `(products of tonight,)`, whose image parts are
    _shards: OrderedDict[int, Vectors] = field(default_factory=OrderedDict)

    @property
    def dim(self) -> int:
        """Of a vector."""
        return int(str(self.embeddings.manifest["dim"]))

    @functools.cached_property
    def starts(self) -> Rows:
        """`(shards + 1,)`: the first row of each shard, and the end."""
        counts = [pq.read_metadata(path).num_rows for path in self.embeddings.paths()]
        return np.cumsum([0, *counts])

    @property
    def is_near(self) -> bool:
        """Whether the products stand nearly in last night's order: no shard is read often."""
        held: list[int] = []
        reads = 0
        for start in range(0, len(self.rows), READ_ROWS):
            rows = self.rows[start : start + READ_ROWS]
            for shard in self._shards_of(rows[rows >= 0]):
                reads += shard not in held
                held = [*[each for each in held if each != shard][1 - SHARDS :], shard]
        return reads <= MOST_READS * (len(self.starts) - 1)

    def _shards_of(self, rows: Rows) -> list[int]:
        found: list[int] = np.unique(np.searchsorted(self.starts, rows, "right") - 1).tolist()
        return found

    def take(self, rows: Rows) -> Vectors:
        """`(n, dim)` vectors of some rows of last night's embeddings."""
        found = np.zeros((len(rows), self.dim), np.float32)
        for shard in self._shards_of(rows):
            first, end = self.starts[shard : shard + 2]
            inside = (rows >= first) & (rows < end)
            found[inside] = self._read(shard)[rows[inside] - first]
        return found

    def _read(self, shard: int) -> Vectors:
        if shard not in self._shards:
            while len(self._shards) >= SHARDS:
                self._shards.popitem(last=False)
            path = self.embeddings.paths()[shard]
            try:
                table = pq.read_table(path, columns=["vector"], page_checksum_verification=True)
            except (OSError, pa.ArrowException) as error:
                raise DamagedError(f"{path}: cannot be read ({error}). Run again.") from error
            self._shards[shard] = vectors_of(table["vector"].combine_chunks())
        self._shards.move_to_end(shard)
        return self._shards[shard]
