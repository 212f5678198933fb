"""Embeddings on disk: Parquet shards with a manifest, one row a product."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.errors import DamagedError, StoreError
from prodmatch.storage.atomic import (
    check_files,
    list_files,
    new_directory,
    new_file,
    read_json,
    remove_path,
    verify_or_remove,
    write_json,
)
from prodmatch.storage.manifests import Named, Pointer, read_manifest
from prodmatch.storage.vectors import Vectors

logger = logging.getLogger(__name__)

FORMAT = 1  # of the manifest
SHAPE = {
    "rows": int,
    "embedded": int,
    "rejected": int,
    "dim": int,
    "model": str,
    "model_fingerprint": str,
    "catalogue": str,
    "features": list,
    "images_unusable": dict,
    "files": dict,
}
REMEDY = "Run `embed()` again; it encodes nothing twice."
READ_ROWS = 8192  # in memory at a time, with their texts


@dataclass(frozen=True)
class Embeddings:
    """One complete set of embeddings.

    A row holds `product_id`, `vector` (unit, `[text part ; image part]`), `has_text`,
    `has_image`, `text` (what is searched), `text_key`, `image_key`, `row_digest`, and the
    catalogue's other columns.
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
    def files(self) -> dict[str, object]:
        """The files with their sizes and digests."""
        return cast(dict[str, object], self.manifest["files"])

    @property
    def features(self) -> list[str]:
        """The names of the feature stores that it was made from: of the texts, of the pictures."""
        return cast(list[str], self.manifest["features"])

    @property
    def images_unusable(self) -> dict[str, int]:
        """How many products named a picture that could not be used, by reason."""
        return cast(dict[str, int], self.manifest["images_unusable"])

    @property
    def schema(self) -> pa.Schema:
        """Names and types of a row."""
        return pq.read_schema(self.paths()[0])

    def paths(self) -> list[Path]:
        """The shards in the order of their rows."""
        return [self.folder / name for name in sorted(self.files) if name.endswith(".parquet")]

    def shard_rows(self) -> list[int]:
        """The rows of each shard."""
        return [pq.read_metadata(path).num_rows for path in self.paths()]

    def batches(
        self, columns: Sequence[str] | None = None, shards: slice = slice(None)
    ) -> Iterator[pa.RecordBatch]:
        """The rows in order, some thousands at a time; those of some shards alone if named.

        Raises:
            DamagedError: a shard's bytes changed since the set was opened.
        """
        for path in self.paths()[shards]:
            try:
                with pq.ParquetFile(path, page_checksum_verification=True) as reader:
                    yield from reader.iter_batches(READ_ROWS, columns=columns)
            except (OSError, pa.ArrowException) as error:
                raise DamagedError(f"{path}: cannot be read ({error}). {REMEDY}") from error


def vector_array(vectors: Vectors) -> pa.FixedSizeListArray:
    """`(n, dim)` as an Arrow column of fixed-size lists of float32."""
    flat = np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), vectors.shape[1])


def vectors_of(column: pa.FixedSizeListArray) -> Vectors:
    """`(n, dim)` of an Arrow column of fixed-size lists of float32."""
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, dtype=np.float32).reshape(-1, column.type.list_size)


def write_embeddings(
    root: Path, digest: str, tables: Iterable[pa.Table], manifest: Mapping[str, object]
) -> Embeddings:
    """Writes a set and makes it the current one; an intact set of that digest is kept.

    Args:
        root: the store's `embeddings` directory.
        tables: one table a shard; consumed only where the set is new.
    """
    folder = root / digest
    if verify_or_remove(folder) and read_json(folder / "manifest.json").get("format") != FORMAT:
        remove_path(folder)  # of another version, so no reader takes it
    if not folder.exists():
        logger.info("writing the embeddings", extra={"phase": "write"})
        with new_directory(folder) as temporary:
            for number, table in enumerate(tables):
                with new_file(temporary / f"part-{number:05d}.parquet") as file:
                    _write_shard(table, file)
            files = list_files(temporary)
            content = {"format": FORMAT, **manifest, "files": files}
            write_json(temporary / "manifest.json", content)
    _pointer(root).write(digest, folder)
    return _open(folder)


def _write_shard(table: pa.Table, file: BinaryIO) -> None:
    """Writes a shard; its vectors as they are, for they can hardly be compressed."""
    others = [name for name in table.column_names if name != "vector"]
    leaf = "vector.list.element"
    packing = {name: "zstd" for name in others} | {leaf: "none"}
    pq.write_table(
        table, file, compression=packing, use_dictionary=others, write_page_checksum=True
    )


def open_embeddings(root: Path) -> Embeddings | None:
    """The newest set below a store's `embeddings` directory, sizes checked; None before the first.

    Raises:
        DamagedError: `CURRENT` or a file of the set is not what it should be.
        MismatchError: another version of prodmatch wrote it.
    """
    named = _read_pointer(root)
    if named is None:
        return None
    folder = root / named.name
    _pointer(root).check(named, folder, REMEDY)
    return _open(folder)


def open_set(root: Path, digest: str) -> Embeddings | None:
    """The set of that name below a store's `embeddings` directory; None where it is gone.

    Raises:
        DamagedError: a file of it is not what it should be.
        MismatchError: another version of prodmatch wrote it.
    """
    folder = root / digest
    return _open(folder) if digest.isalnum() and folder.is_dir() else None


def current_digest(root: Path) -> str | None:
    """The name of the newest set below `root`, intact or not; None before the first.

    Raises:
        DamagedError: `CURRENT` names no embeddings.
    """
    named = _read_pointer(root)
    return None if named is None else named.name


def require_embeddings(store: Path) -> Embeddings:
    """The newest set of a store, every digest checked.

    Raises:
        StoreError: nothing has been embedded into this store.
        DamagedError: a shard's bytes changed.
        MismatchError: another version of prodmatch wrote them.
    """
    embeddings = open_embeddings(store / "embeddings")
    if embeddings is None:
        raise StoreError(f"{store}: holds no embeddings yet. Run `embed(catalogue)` first.")
    check_files(embeddings.folder, embeddings.files, digests=True, remedy=REMEDY)
    return embeddings


def _pointer(root: Path) -> Pointer:
    return Pointer(root, "embeddings", str)


def _read_pointer(root: Path) -> Named | None:
    named = _pointer(root).read(REMEDY)
    if named is not None and not named.name.isalnum():
        raise DamagedError(f"{root / 'CURRENT'}: names no embeddings. {REMEDY}")
    return named


def _open(folder: Path) -> Embeddings:
    path = folder / "manifest.json"
    embeddings = Embeddings(folder, read_manifest(path, FORMAT, SHAPE, REMEDY))
    if not embeddings.paths():
        raise DamagedError(f"{path}: lists no shards. {REMEDY}")
    check_files(folder, embeddings.files, digests=False, remedy=REMEDY)
    return embeddings
