"""Features to parts, parts to embeddings: every product of a catalogue, in bounded memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from prodmatch.embedding.plan import Scan, read_rows
from prodmatch.storage.atomic import new_array
from prodmatch.storage.embeddings import vector_array
from prodmatch.storage.features import FeatureStore
from prodmatch.storage.vectors import Vectors, check_unit, join_parts

__all__ = ["ModalityVectors", "fused_tables", "project_modality"]

SHARD_ROWS = 16384


@dataclass(frozen=True)
class ModalityVectors:
    """One half of every usable row: unit vectors on disk, and which row has which."""

    vectors: Vectors  # (features, dim), a memory map; zeros where a feature is unusable
    places: npt.NDArray[np.int64]  # (rows,) into `vectors`; -1 where a row has no such half
    faults: dict[int, str]  # why the feature at a place is unusable

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """`(rows,)`: whether the row has this half."""
        unusable = np.fromiter(self.faults, dtype=np.int64, count=len(self.faults))
        return (self.places >= 0) & ~np.isin(self.places, unusable)

    def fault(self, row: int) -> str | None:
        """Why the row's content could not be used, or None."""
        return self.faults.get(int(self.places[row]))

    def take(self, rows: npt.NDArray[np.int64]) -> Vectors:
        """`(n, dim)` unit vectors of these rows, zeros where the half is missing."""
        places = self.places[rows]
        found = np.asarray(self.vectors[np.maximum(places, 0)])
        return np.where((places >= 0)[:, None], found, np.float32(0.0))


def project_modality(
    store: FeatureStore,
    project: Callable[[Vectors], Vectors],
    dim: int,
    row_keys: pa.FixedSizeBinaryArray,
    path: Path,
) -> ModalityVectors:
    """Projects the features that the rows need, shard by shard, into a memory map at `path`.

    Args:
        store: the features of one encoder.
        project: features to unit parts `(n, dim)`, as the heads of a model do.
        dim: of a half.
        row_keys: the content key of every row, null where there is none.
        path: a file to make; the map lives as long as the result.
    """
    keys = store.keys()
    vectors = new_array(path, (max(1, len(keys)), dim))
    faults: dict[int, str] = {}
    start = 0
    for shard in store.shards():
        if pc.any(pc.is_in(shard.keys, value_set=row_keys)).as_py():
            projected = project(shard.vectors.astype(np.float32))
            reasons = _unusable(projected, shard.faults)
            projected[list(reasons)] = 0.0
            vectors[start : start + len(projected)] = projected
            faults.update({start + place: reason for place, reason in reasons.items()})
        start += len(shard.keys)
    found = pc.index_in(row_keys, value_set=keys) if len(keys) else pa.nulls(len(row_keys))
    found = pc.if_else(pc.is_valid(row_keys), found, None)
    places = pc.fill_null(found.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    return ModalityVectors(vectors, places, faults)


def _unusable(projected: Vectors, faults: Sequence[str | None]) -> dict[int, str]:
    lengths = np.linalg.norm(projected, axis=1)
    fine = np.abs(lengths - 1.0) <= 1e-3  # false for NaN too
    return {
        place: fault or "nonfinite"
        for place, (fault, good) in enumerate(zip(faults, fine, strict=True))
        if fault or not good
    }


def fused_tables(
    scan: Scan, text: ModalityVectors, image: ModalityVectors, kept: npt.NDArray[np.bool_]
) -> Iterator[pa.Table]:
    """The embeddings of the kept rows, one table a shard, in the catalogue's order.

    The last one may be smaller; of a catalogue without rows, it has none, but the columns.
    """
    nothing = pa.RecordBatch.from_pylist([], pq.read_schema(scan.rows_path))
    waiting = [_fuse(nothing, np.arange(0), np.arange(0), text, image)]
    start = 0
    for batch in read_rows(scan):
        rows = np.arange(start, start + len(batch))
        start += len(batch)
        rows = rows[kept[rows]]
        waiting.append(_fuse(batch, rows, rows - (start - len(batch)), text, image))
        while sum(map(len, waiting)) >= SHARD_ROWS:
            table = pa.concat_tables(waiting)
            yield table.slice(0, SHARD_ROWS)
            waiting = [table.slice(SHARD_ROWS)]
    if sum(map(len, waiting)) or not start:
        yield pa.concat_tables(waiting)


def _fuse(
    batch: pa.RecordBatch,
    rows: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    text: ModalityVectors,
    image: ModalityVectors,
) -> pa.Table:
    vectors = join_parts(text.take(rows), image.take(rows))
    check_unit(vectors, "embeddings")
    chosen = batch.take(pa.array(places))
    table = pa.Table.from_batches([chosen]).drop_columns(["text_key", "image_key", "row"])
    parts = {"has_text": text.present[rows], "has_image": image.present[rows]}
    own = {
        "product_id": table["product_id"],
        "vector": vector_array(vectors),
        **{name: pa.array(present) for name, present in parts.items()},
    }
    rest = {name: table[name] for name in table.column_names if name != "product_id"}
    return pa.table({**own, **rest})
