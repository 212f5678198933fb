"""Embeddings on disk: Parquet shards with a manifest, one row a product."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.errors import DamagedError, StoreError
from prodmatch.storage.atomic import (
    check_files,
    digest_file,
    keep_whole,
    list_files,
    new_directory,
    new_file,
    read_json,
    write_json,
)
from prodmatch.storage.vectors import Vectors

__all__ = ["Embeddings", "open_embeddings", "vector_array", "vectors_of", "write_embeddings"]

CURRENT = "CURRENT"
READ_ROWS = 8192  # in memory at a time, with their texts


@dataclass(frozen=True)
class Embeddings:
    """One whole set of embeddings.

    A row holds `product_id`, `vector` (unit, `[text half ; image half]`), `has_text`,
    `has_image`, `text` (what is searched), `row_digest`, and the catalogue's other columns.
    """

    folder: Path
    manifest: Mapping[str, object]

    @property
    def digest(self) -> str:
        """The name of this set: what it was made from, as 32 hexadecimal digits."""
        return self.folder.name

    @property
    def row_count(self) -> int:
        """Products in the set."""
        return int(str(self.manifest["embedded"]))

    @property
    def schema(self) -> pa.Schema:
        """Names and types of a row."""
        return pq.read_schema(self.paths()[0])

    def paths(self) -> list[Path]:
        """The shards in the order of their rows."""
        files = self.manifest["files"]
        names = files if isinstance(files, dict) else {}
        return [self.folder / name for name in sorted(names) if name.endswith(".parquet")]

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows in order, some thousands at a time.

        Raises:
            DamagedError: a shard's bytes changed since the set was opened.
        """
        for path in self.paths():
            try:
                with pq.ParquetFile(path, page_checksum_verification=True) as reader:
                    yield from reader.iter_batches(READ_ROWS, columns=columns)
            except (OSError, pa.ArrowException) as error:
                raise DamagedError(
                    f"{path}: cannot be read ({error}). Run 'prodmatch embed' again."
                ) from error


def vector_array(vectors: Vectors) -> pa.FixedSizeListArray:
    """`(n, dim)` as an Arrow column of fixed-size lists of float32."""
    flat = np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), vectors.shape[1])


def vectors_of(column: pa.FixedSizeListArray) -> Vectors:
    """`(n, dim)` of an Arrow column of fixed-size lists of float32."""
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, dtype=np.float32).reshape(len(column), -1)


def write_embeddings(
    root: Path, digest: str, tables: Iterable[pa.Table], manifest: Mapping[str, object]
) -> Embeddings:
    """Writes a set whole and makes it the current one; a whole set of that digest is kept.

    Args:
        root: the store's `embeddings` directory.
        digest: the name of the set.
        tables: one table a shard; consumed only where the set is new.
        manifest: what the set was made from; looked at after the tables are consumed, so
            counts made on the way may be in it.
    """
    folder = root / digest
    if not keep_whole(folder):
        with new_directory(folder) as temporary:
            for number, table in enumerate(tables):
                with new_file(temporary / f"part-{number:05d}.parquet") as file:
                    pq.write_table(table, file, compression="zstd", write_page_checksum=True)
            files = list_files(temporary)
            write_json(temporary / "manifest.json", {**manifest, "files": files})
    named = {"embeddings": digest, "manifest_sha256": digest_file(folder / "manifest.json")}
    write_json(root / CURRENT, named)
    return _open(folder)


def open_embeddings(root: Path) -> Embeddings | None:
    """The newest set below a store's `embeddings` directory, sizes checked; None before the first.

    Raises:
        DamagedError: `CURRENT` or a file of the set is not what it should be.
    """
    pointer = root / CURRENT
    if not pointer.exists():
        return None
    content = read_json(pointer)
    name = str(content.get("embeddings"))
    if not name.isalnum():
        raise DamagedError(f"{pointer}: names no embeddings. Run 'prodmatch embed' again.")
    embeddings, manifest = _open(root / name), root / name / "manifest.json"
    if digest_file(manifest) != content.get("manifest_sha256"):
        raise DamagedError(
            f"{manifest}: is not the one that {pointer} names. Run 'prodmatch embed' again."
        )
    return embeddings


def require_embeddings(store: Path) -> Embeddings:
    """The newest set of a store, every digest checked.

    Raises:
        StoreError: nothing has been embedded into this store.
        DamagedError: a shard's bytes changed.
    """
    embeddings = open_embeddings(store / "embeddings")
    if embeddings is None:
        raise StoreError(
            f"{store}: holds no embeddings yet. Run 'prodmatch embed CATALOGUE' first."
        )
    files = embeddings.manifest["files"]
    check_files(embeddings.folder, files if isinstance(files, dict) else {}, digests=True)
    return embeddings


def _open(folder: Path) -> Embeddings:
    manifest = read_json(folder / "manifest.json")
    files = manifest.get("files")
    if not isinstance(files, dict) or not files:
        raise DamagedError(f"{folder / 'manifest.json'}: lists no files. Run 'prodmatch embed'.")
    check_files(folder, files, digests=False)
    return Embeddings(folder, manifest)
