"""Features to embeddings: every product of a catalogue, in bounded memory."""

import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.catalogue.rows import Reject
from prodmatch.embedding.last_vectors import LastVectors
from prodmatch.embedding.plan import FeaturePlan
from prodmatch.errors import StoreError
from prodmatch.model.heads import Heads
from prodmatch.scanning.picture_lists import BLOCK_ROWS, average_pictures
from prodmatch.scanning.scan import NOT_EMBEDDED, Scan, read_rows
from prodmatch.storage.arrow import as_mask, find_rows
from prodmatch.storage.embeddings import vector_array
from prodmatch.storage.features import FeatureStore
from prodmatch.storage.temporary import new_array
from prodmatch.storage.vectors import Vectors, check_unit, join_parts, normalise, split_parts

logger = logging.getLogger(__name__)

SHARD_ROWS = 16384


@dataclass(frozen=True)
class ModalityVectors:
    """One part of every usable row: unit vectors on disk, and which row has which."""

    vectors: Vectors  # (features in use, dim), a memory map; zeros where one is unusable
    indices: npt.NDArray[np.int64]  # (rows,) into `vectors`; -1 where a row has no such part
    errors: dict[int, str]  # why the feature of an index is unusable
    kept: npt.NDArray[np.bool_] | None = None  # (rows,) which have it in last night's vector

    @cached_property
    def present(self) -> npt.NDArray[np.bool_]:
        """`(rows,)`: whether the row has this part."""
        unusable = np.fromiter(self.errors, dtype=np.int64, count=len(self.errors))
        made = (self.indices >= 0) & ~np.isin(self.indices, unusable)
        return made if self.kept is None else made | self.kept

    def take(self, rows: npt.NDArray[np.int64]) -> Vectors:
        """`(n, dim)` unit vectors of these rows, zeros where the part is missing."""
        indices = self.indices[rows]
        found = np.asarray(self.vectors[np.maximum(indices, 0)])
        return np.where((indices >= 0)[:, None], found, np.float32(0.0))


@dataclass(frozen=True)
class FuseResult:
    """What became of every usable row: which parts it has, and whether it is embedded."""

    scan: Scan
    text: ModalityVectors
    image: ModalityVectors
    features: list[str]  # the names of the feature stores, of the texts and of the pictures
    listed_errors: list[Reject]  # pictures of lists that the encoder cannot use; others serve
    last: LastVectors | None = None  # of products that have changed in nothing that counts here

    @cached_property
    def embedded(self) -> npt.NDArray[np.bool_]:
        """`(rows,)`: whether the row has a part at least."""
        return self.text.present | self.image.present

    @property
    def errors(self) -> bool:
        """Whether a text or a picture turned out unusable in its encoder."""
        return bool(self.text.errors or self.image.errors or self.listed_errors)

    @cached_property
    def rejects(self) -> list[Reject]:
        """Every row that is not embedded, and why."""
        return [*self.scan.rejects, *self._errors(~self.embedded)]

    @cached_property
    def images_unusable(self) -> list[Reject]:
        """The pictures, and texts, that embedded rows do without, and why."""
        return [*self.scan.image_rejects, *self._errors(self.embedded)]

    @cached_property
    def listed_unusable(self) -> list[Reject]:
        """The pictures of lists that products do without, for they have others, and why."""
        with_others = set(self.scan.rows[self.image.present].tolist())
        unread = [reject for reject in self.scan.listed_rejects if reject.row in with_others]
        return sorted([*unread, *self.listed_errors], key=lambda reject: reject.row)

    def tables(self) -> Iterator[pa.Table]:
        """The embedded rows, one table a shard, in the catalogue's order.

        The last one may be smaller; of a catalogue without rows, it has none, but the columns.
        """
        nothing = pa.RecordBatch.from_pylist([], self.scan.schema)
        embedded = self.embedded
        waiting = [self._fuse(nothing, np.arange(0), 0)]
        start = 0
        for batch in read_rows(self.scan):
            chosen = np.flatnonzero(embedded[start : start + len(batch)])
            waiting.append(self._fuse(batch, chosen, start))
            start += len(batch)
            while sum(map(len, waiting)) >= SHARD_ROWS:
                table = pa.concat_tables(waiting)
                yield table.slice(0, SHARD_ROWS)
                waiting = [table.slice(SHARD_ROWS)]
        if sum(map(len, waiting)) or not start:
            yield pa.concat_tables(waiting)

    def _fuse(self, batch: pa.RecordBatch, chosen: npt.NDArray[np.int64], start: int) -> pa.Table:
        """The embeddings of some rows of a batch whose first row is `start`."""
        rows = chosen + start
        vectors = self._vectors(rows)
        check_unit(vectors)
        table = pa.Table.from_batches([batch.take(pa.array(chosen))])
        table = table.drop_columns([*NOT_EMBEDDED])
        own = {
            "product_id": table["product_id"],
            "vector": vector_array(vectors),
            "has_text": pa.array(self.text.present[rows]),
            "has_image": pa.array(self.image.present[rows]),
        }
        rest = {name: table[name] for name in table.column_names if name != "product_id"}
        return pa.table({**own, **rest})

    def _vectors(self, rows: npt.NDArray[np.int64]) -> Vectors:
        """The embeddings `(n, dim)` of these rows; what is as it was comes from last night's."""
        if self.last is None:
            return join_parts(self.text.take(rows), self.image.take(rows))
        before, texts, images = self.last.rows[rows], self.last.texts[rows], self.last.images[rows]
        known = before >= 0
        vectors = np.zeros((len(rows), self.last.dim), np.float32)
        vectors[known] = self.last.take(before[known])
        new = np.flatnonzero(~(texts & images))  # a part at least
        old_text, old_image = (normalise(part) for part in split_parts(vectors[new]))
        vectors[new] = join_parts(
            np.where(texts[new, None], old_text, self.text.take(rows[new])),
            np.where(images[new, None], old_image, self.image.take(rows[new])),
        )
        return vectors

    def _errors(self, among: npt.NDArray[np.bool_]) -> list[Reject]:
        """Those of these rows whose picture, or whose text, turned out unusable in the encoder."""
        found: dict[int, Reject] = {}
        for part, name in ((self.image, "image"), (self.text, "text")):
            if not part.errors:
                continue
            for index in np.flatnonzero(among & (part.indices >= 0) & ~part.present).tolist():
                row = int(self.scan.rows[index])
                reason = f"{name}_{part.errors[int(part.indices[index])]}"
                product_id = self.scan.product_ids[index].as_py()
                found.setdefault(row, Reject(row, product_id, reason, ""))
        return list(found.values())


def fuse(
    plan: FeaturePlan, heads: Heads, scratch: Path, last: LastVectors | None = None
) -> FuseResult:
    """Projects the features that a catalogue needs, and decides about every row.

    Args:
        scratch: takes the projected vectors, and must stay as long as the result.
        last: vectors of last night, which are not made again.
    """
    scan, dim = plan.scan, heads.dim
    nothing = np.zeros(len(scan.product_ids), np.bool_)
    texts, images = (nothing, nothing) if last is None else (last.texts, last.images)
    reused = int((texts & images).sum())
    made = {"products": len(nothing) - reused, "reused": reused}
    logger.info(
        "fusing %(products)d products; %(reused)d are as they were",
        made,
        extra={"phase": "fuse", **made},
    )
    text_keys = pc.if_else(pa.array(texts), None, scan.text_keys)
    image_keys = pc.if_else(pa.array(images), None, scan.image_keys)
    pictures = _project_pictures(plan, heads, scratch, image_keys)
    text = project_modality(plan.texts, heads.texts, dim, text_keys, scratch / "text.f32")
    return FuseResult(
        scan,
        replace(text, kept=texts & as_mask(scan.text_keys.is_valid())),
        replace(pictures.image, kept=images & as_mask(scan.image_keys.is_valid())),
        [plan.texts.folder.name, plan.images.folder.name],
        pictures.listed_errors,
        last,
    )


@dataclass(frozen=True)
class _Pictures:
    """The picture of every row, and which pictures of its list it does without."""

    image: ModalityVectors
    listed_errors: list[Reject]


def _project_pictures(
    plan: FeaturePlan, heads: Heads, scratch: Path, keys: pa.FixedSizeBinaryArray
) -> _Pictures:
    """The picture of every row; of a list of pictures their mean, in rows after the features."""
    scan, others = plan.scan, plan.scan.others
    products = np.unique(others.indices)
    project = functools.partial(project_modality, plan.images, heads.pictures, heads.dim)
    image = project(keys, scratch / "image.f32", len(products))
    if not len(products):
        return _Pictures(image, [])
    more = project(others.keys, scratch / "others.f32")
    indices, start = image.indices.copy(), len(image.vectors) - len(products)
    for block in range(0, len(products), BLOCK_ROWS):
        rows = products[block : block + BLOCK_ROWS]
        first, last = np.searchsorted(others.indices, [rows[0], rows[-1] + 1])
        owners = np.searchsorted(rows, others.indices[first:last])
        means = average_pictures(image.take(rows), more.take(np.arange(first, last)), owners)
        positions = np.arange(len(rows)) + start + block
        image.vectors[positions] = means
        usable = means.any(axis=1)
        indices[rows[usable]] = positions[usable]
    mean = ModalityVectors(image.vectors, indices, image.errors)
    return _Pictures(mean, list(_listed_errors(scan, image, more, mean.present)))


def _listed_errors(
    scan: Scan, first: ModalityVectors, more: ModalityVectors, usable: npt.NDArray[np.bool_]
) -> Iterator[Reject]:
    """The pictures of lists that are unusable, of rows that have another that is not."""
    owners = scan.others.indices
    listed = np.unique(owners)
    for part, rows, positions in ((first, listed, listed), (more, owners, np.arange(len(owners)))):
        broken = usable[rows] & (part.indices[positions] >= 0) & ~part.present[positions]
        for index, position in zip(rows[broken].tolist(), positions[broken].tolist(), strict=True):
            reason = f"image_{part.errors[int(part.indices[position])]}"
            product_id = scan.product_ids[index].as_py()
            yield Reject(int(scan.rows[index]), product_id, reason)


def project_modality(
    store: FeatureStore,
    project: Callable[[Vectors], Vectors],
    dim: int,
    row_keys: pa.FixedSizeBinaryArray,
    path: Path,
    more_rows: int = 0,
) -> ModalityVectors:
    """Projects the features that the rows need, shard by shard, into a memory map at `path`.

    Args:
        project: features to unit parts `(n, dim)`, as the heads of a model do.
        row_keys: the content key of every row, null where there is none.
        path: a file to make; the map lives as long as the result.
        more_rows: zeros at the end of the map, for the caller.

    Raises:
        StoreError: the store lacks a feature.
    """
    keys = row_keys.unique().drop_null()
    vectors = new_array(path, (max(1, len(keys)) + more_rows, dim), np.float32)
    missing = np.ones(len(keys) + 1, dtype=np.bool_)  # the last is of index -1, no key
    errors: dict[int, str] = {}
    for name in store.names() if len(keys) else ():
        indices = find_rows(store.shard_keys(name), keys)
        used = np.flatnonzero((indices >= 0) & missing[indices])  # of equal keys the first
        if not len(used):
            continue
        shard = store.read(name)
        indices = indices[used]
        projected = project(shard.vectors[used].astype(np.float32))
        reasons = _unusable(projected, [shard.errors[row] for row in used.tolist()])
        projected[list(reasons)] = 0.0
        vectors[indices] = projected
        missing[indices] = False
        errors.update({int(indices[row]): reason for row, reason in reasons.items()})
    if lacking := int(missing[:-1].sum()):
        raise StoreError(
            f"{store.folder}: lacks the features of {lacking} of {len(keys)} contents that were "
            "there, or encoded, a moment ago. Run embed again: what is missing is made again."
        )
    indices = find_rows(row_keys, keys)
    return ModalityVectors(vectors, np.where(missing[indices], -1, indices), errors)


def _unusable(projected: Vectors, errors: Sequence[str | None]) -> dict[int, str]:
    lengths = np.linalg.norm(projected, axis=1)
    fine = np.abs(lengths - 1.0) <= 1e-3  # false for NaN too
    return {
        row: error or "nonfinite"
        for row, (error, good) in enumerate(zip(errors, fine, strict=True))
        if error or not good
    }
