"""The content-addressed store of features: one vector per distinct text, per distinct picture."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.errors import DamagedError
from prodmatch.storage.arrow import find_rows
from prodmatch.storage.atomic import publish_file, write_file
from prodmatch.storage.locks import first_shard_number
from prodmatch.storage.vectors import Vectors

KEY = pa.binary(16)
SHARD_ROWS = 4096  # what a kill can cost
NAME = re.compile(r"part-(\d{6,})-([0-9a-f]{32})\.parquet")


def content_key(content: bytes) -> bytes:
    """The key of a text's or picture's bytes: 16 bytes of BLAKE2b."""
    return hashlib.blake2b(content, digest_size=16).digest()


@dataclass(frozen=True)
class FeatureShard:
    """Keys with their vectors; where a content cannot be encoded, why, and a zero vector."""

    keys: pa.FixedSizeBinaryArray
    vectors: npt.NDArray[np.float16]  # (n, dim)
    errors: Sequence[str | None]


@dataclass(frozen=True)
class FeatureStore:
    """Shards of features of one encoder, in `folder`.

    A shard's name ends in the SHA-256 of its bytes, so it is known to be intact by its name
    and content alone, and what a dead run left unfinished was never named.
    """

    folder: Path
    shard_rows: int = SHARD_ROWS  # that are gathered for a shard

    def names(self) -> list[str]:
        """The shards, oldest first; files of other names are not ours."""
        found = (path.name for path in self.folder.glob("part-*.parquet"))
        return sorted((name for name in found if NAME.fullmatch(name)), key=_place)

    def read(self, name: str) -> FeatureShard:
        """One shard.

        Raises:
            DamagedError: its bytes are not those its name tells.
        """
        try:
            content = (self.folder / name).read_bytes()
        except OSError as error:
            raise self._damaged(name, str(error.strerror)) from error
        if hashlib.sha256(content).hexdigest()[:32] != name.removesuffix(".parquet")[-32:]:
            raise self._damaged(name, "its bytes changed since it was written")
        table = pq.read_table(pa.BufferReader(content)).combine_chunks()
        vectors = (
            table["vector"].chunk(0) if len(table) else pa.array([], pa.list_(pa.float16(), 1))
        )
        flat = vectors.flatten().to_numpy(zero_copy_only=False).astype(np.float16, copy=False)
        return FeatureShard(
            keys=table["key"].combine_chunks(),
            vectors=flat.reshape(len(table), -1),
            errors=table["fault"].to_pylist(),
        )

    def shards(self) -> Iterator[FeatureShard]:
        """All shards, oldest first, one in memory at a time."""
        for name in self.names():
            yield self.read(name)

    def keys(self) -> pa.FixedSizeBinaryArray:
        """The keys of all features, in the order in which `shards` gives them.

        Raises:
            DamagedError: a shard cannot be read; `read` alone compares every byte.
        """
        columns = [self.shard_keys(name) for name in self.names()]
        return pa.concat_arrays(columns) if columns else pa.array([], KEY)

    def shard_keys(self, name: str) -> pa.FixedSizeBinaryArray:
        """The keys of one shard.

        Raises:
            DamagedError: it cannot be read; `read` alone compares every byte.
        """
        try:
            table = pq.read_table(
                self.folder / name, columns=["key"], page_checksum_verification=True
            )
        except (OSError, pa.ArrowException, KeyError) as error:
            raise self._damaged(name, str(error)) from error
        return table["key"].combine_chunks()

    def _damaged(self, name: str, found: str) -> DamagedError:
        return DamagedError(
            f"{self.folder / name}: is damaged ({found}). "
            "Remove the file and run `embed()`: its features are made again."
        )

    def take(self, keys: pa.FixedSizeBinaryArray) -> tuple[Vectors, npt.NDArray[np.bool_]]:
        """The vectors of these keys, `(n, dim)`, and which of them are usable.

        A key may stand more than once. A key that the store lacks is not usable.
        """
        parts: list[Vectors] = []
        indices = np.full(len(keys), -1, dtype=np.int64)
        start = 0
        for shard in self.shards():
            fine = np.array([error is None for error in shard.errors])
            inside = find_rows(keys, shard.keys)
            hit = (inside >= 0) & fine[np.maximum(inside, 0)] & (indices < 0)  # of equals the first
            needed, back = np.unique(inside[hit], return_inverse=True)
            parts.append(shard.vectors[needed].astype(np.float32))
            indices[hit] = start + back
            start += len(needed)
        usable = indices >= 0
        stacked = np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
        if not usable.any():
            return np.zeros((len(keys), stacked.shape[1]), np.float32), usable
        return stacked[np.maximum(indices, 0)], usable

    def append(self, keys: Sequence[bytes], vectors: Vectors, errors: Sequence[str | None]) -> str:
        """Adds a shard, complete or not at all, and gives its name.

        Args:
            keys: one key a row; none may be in the store.
            vectors: `(n, dim)`; kept as float16.
            errors: why a content could not be encoded, or None.
        """
        content = _shard_bytes(keys, vectors, errors)
        name = _shard_name(self.next_number(), content)
        write_file(self.folder / name, content)
        return name

    def publish(
        self, number: int, keys: Sequence[bytes], vectors: Vectors, errors: Sequence[str | None]
    ) -> str:
        """As `append`, under a number that a plan gave; another process may do the same.

        A name that is taken is that of the same bytes, and is left as it is.
        """
        content = _shard_bytes(keys, vectors, errors)
        name = _shard_name(number, content)
        publish_file(self.folder / name, content)
        return name

    def next_number(self) -> int:
        """Of the next shard; in a shared store one that no run before has given."""
        last = max((_place(name)[0] for name in self.names()), default=-1)
        return max(last + 1, first_shard_number(self.folder.parent.parent))


def _place(name: str) -> tuple[int, str]:
    return int(name.split("-")[1]), name


def _shard_bytes(keys: Sequence[bytes], vectors: Vectors, errors: Sequence[str | None]) -> bytes:
    rows = np.ascontiguousarray(vectors, dtype=np.float16)
    table = pa.table(
        {
            "key": pa.array(keys, KEY),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1]),
            "fault": pa.array(errors, pa.string()),
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _shard_name(number: int, content: bytes) -> str:
    return f"part-{number:06d}-{hashlib.sha256(content).hexdigest()[:32]}.parquet"
