"""Job: a catalogue to embeddings; encodes what is new, fuses every product, writes shards."""

import logging
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.catalogue.reader import Catalogue, Reject
from prodmatch.embedding.encode import EncodeCount
from prodmatch.embedding.featurise import EncodeResult, FeaturePlan, plan_features, update_features
from prodmatch.embedding.fuse import ModalityVectors, fused_tables, project_modality
from prodmatch.embedding.plan import Changes, Scan, compare_rows
from prodmatch.encoders.onnx_export import export_encoders
from prodmatch.errors import CatalogueError, DamagedError
from prodmatch.model.description import Model
from prodmatch.storage.atomic import (
    digest_bytes,
    lock_store,
    new_file,
    remove_leftovers,
    scratch_directory,
)
from prodmatch.storage.embeddings import open_embeddings, write_embeddings

__all__ = ["EmbedReport", "EmbedSettings", "embed_catalogue"]

logger = logging.getLogger(__name__)

FORMAT = b"embeddings-1"  # raise it when the same features would give other embeddings


@dataclass(frozen=True)
class EmbedSettings:
    """How an embedding run is done; `max_reject` apart, none of it changes what comes out."""

    device: str = "auto"
    workers: int = 1
    max_reject: float = 0.01  # share of rows; above it no embeddings are written


@dataclass(frozen=True)
class EmbedReport:
    """What a run did. Always `rows == embedded + rejected`."""

    rows: int
    embedded: int
    rejected: int
    rejects: dict[str, int]
    images_unusable: dict[str, int]  # products embedded by their text alone, by reason
    without_text: int
    without_image: int
    texts_encoded: int
    images_encoded: int
    reused: int  # distinct texts and pictures that the store held already
    added: int
    changed: int
    removed: int
    seconds: float
    texts_per_second: float | None  # None where none was encoded
    images_per_second: float | None
    embeddings: str

    def as_dict(self) -> dict[str, object]:
        """Names and values, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class EmbedPlan:
    """What a run would do; `--dry-run` prints it."""

    rows: int
    rejected: int
    texts_to_encode: int
    images_to_encode: int
    reused: int
    added: int
    changed: int
    removed: int

    def as_dict(self) -> dict[str, object]:
        """Names and values, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Fused:
    """What became of every row."""

    digest: str
    kept: npt.NDArray[np.bool_]
    text: ModalityVectors
    image: ModalityVectors
    changes: Changes
    rejects: list[Reject]
    images_unusable: list[Reject]


def plan_embedding(catalogue: Catalogue, model: Model, store: Path) -> EmbedPlan:
    """What `embed_catalogue` would do now; encodes nothing and leaves no file behind."""
    with lock_store(store), scratch_directory(store) as scratch:
        plan = plan_features(catalogue, model.encoders, store, scratch)
        return EmbedPlan(
            rows=catalogue.row_count,
            rejected=len(plan.scan.rejects),
            texts_to_encode=len(plan.new_texts),
            images_to_encode=len(plan.new_images),
            reused=plan.reused,
            **asdict(_compare(plan.scan, store)),
        )


def embed_catalogue(
    catalogue: Catalogue, model: Model, store: Path, settings: EmbedSettings | None = None
) -> EmbedReport:
    """Brings a store's features and embeddings up to date with a catalogue.

    Only texts and pictures that the store has never seen under this model's encoders are
    encoded. Killed at any instant, the next call goes on from the last whole shard. The same
    catalogue and model give the same bytes, whatever was in the store before.

    Raises:
        CatalogueError: no row can be used, or too many are rejected; old embeddings stay.
        LockedError: another run writes to the store.
        StoreError: the store cannot be written.
    """
    settings = settings or EmbedSettings()
    started = time.monotonic()
    with lock_store(store):
        remove_leftovers(store)
        with scratch_directory(store) as scratch:
            encoders = model.encoders
            plan = plan_features(catalogue, encoders, store, scratch)
            result = update_features(
                catalogue, encoders, plan, device=settings.device, workers=settings.workers
            )
            export_encoders(model, store / "encoders")
            fused = _fuse(catalogue, plan, model, scratch, store)
            _write_rejects(store / "rejects" / f"{fused.digest}.parquet", fused)
            _check_rejects(catalogue, fused, store, settings.max_reject)
            _write(catalogue, plan.scan, fused, model, store)
    return _report(catalogue, result, fused, time.monotonic() - started)


def _report(
    catalogue: Catalogue, result: EncodeResult, fused: _Fused, seconds: float
) -> EmbedReport:
    return EmbedReport(
        rows=catalogue.row_count,
        embedded=int(fused.kept.sum()),
        rejected=len(fused.rejects),
        rejects=_count(fused.rejects),
        images_unusable=_count(fused.images_unusable),
        without_text=int((fused.kept & ~fused.text.present).sum()),
        without_image=int((fused.kept & ~fused.image.present).sum()),
        texts_encoded=result.texts.encoded,
        images_encoded=result.images.encoded,
        reused=result.plan.reused,
        **asdict(fused.changes),
        seconds=round(seconds, 2),
        texts_per_second=_rate(result.texts),
        images_per_second=_rate(result.images),
        embeddings=fused.digest,
    )


def _fuse(
    catalogue: Catalogue, plan: FeaturePlan, model: Model, scratch: Path, store: Path
) -> _Fused:
    """Decides about every row: which parts it has, and whether it is kept."""
    scan, heads, dim = plan.scan, model.heads, model.heads.dim
    text = project_modality(plan.texts, heads.texts, dim, scan.text_keys, scratch / "text.f32")
    image = project_modality(
        plan.images, heads.pictures, dim, scan.image_keys, scratch / "image.f32"
    )
    kept = text.present | image.present
    return _Fused(
        digest=digest_bytes(FORMAT, scan.digest.encode(), model.fingerprint.encode())[:32],
        kept=kept,
        text=text,
        image=image,
        changes=_compare(scan, store, kept),
        rejects=[*scan.rejects, *_faults(scan, text, image, ~kept)],
        images_unusable=[*scan.image_faults, *_faults(scan, text, image, kept)],
    )


def _write(catalogue: Catalogue, scan: Scan, fused: _Fused, model: Model, store: Path) -> None:
    manifest = {
        "rows": catalogue.row_count,
        "embedded": int(fused.kept.sum()),
        "rejected": len(fused.rejects),
        "rejects": _count(fused.rejects),
        "dim": 2 * model.heads.dim,
        "model": model.description.name,
        "model_fingerprint": model.fingerprint,
        "catalogue": scan.digest,
    }
    tables = fused_tables(scan, fused.text, fused.image, fused.kept)
    write_embeddings(store / "embeddings", fused.digest, tables, manifest)


def _compare(scan: Scan, store: Path, kept: npt.NDArray[np.bool_] | None = None) -> Changes:
    ids, digests = scan.product_ids, scan.row_digests
    if kept is not None:
        ids, digests = ids.filter(pa.array(kept)), digests.filter(pa.array(kept))
    try:
        return compare_rows(ids, digests, open_embeddings(store / "embeddings"))
    except DamagedError as error:  # the set before is made again, whatever became of it
        logger.warning("%s All products count as added.", error)
        return compare_rows(ids, digests, None)


def _faults(
    scan: Scan, text: ModalityVectors, image: ModalityVectors, among: npt.NDArray[np.bool_]
) -> list[Reject]:
    """The rows among these whose picture, or whose text, turned out unusable in the encoder."""
    found = []
    for half, name in ((image, "image"), (text, "text")):
        if not half.faults:
            continue
        for row in np.flatnonzero(among & (half.places >= 0) & ~half.present):
            reason = f"{name}_{half.fault(int(row))}"
            product_id = scan.product_ids[int(row)].as_py()
            found.append(Reject(int(scan.rows[row]), product_id, reason, ""))
    return list({fault.row: fault for fault in reversed(found)}.values())[::-1]


def _write_rejects(path: Path, fused: _Fused) -> None:
    listed = [(reject, False) for reject in fused.rejects]
    listed += [(fault, True) for fault in fused.images_unusable]
    listed.sort(key=lambda pair: pair[0].row)
    table = pa.table(
        {
            "row": pa.array([reject.row for reject, _ in listed], pa.int64()),
            "product_id": pa.array([reject.product_id for reject, _ in listed], pa.string()),
            "reason": pa.array([reject.reason for reject, _ in listed], pa.string()),
            "detail": pa.array([reject.detail for reject, _ in listed], pa.string()),
            "embedded": pa.array([embedded for _, embedded in listed], pa.bool_()),
        }
    )
    with new_file(path) as file:
        pq.write_table(table, file)


def _check_rejects(catalogue: Catalogue, fused: _Fused, store: Path, limit: float) -> None:
    if not catalogue.row_count:  # opened as one that may be empty
        return
    share = len(fused.rejects) / catalogue.row_count
    if fused.kept.any() and share <= limit:
        return
    reasons = ", ".join(f"{name} {count}" for name, count in _count(fused.rejects).items())
    raise CatalogueError(
        f"{catalogue.path}: {len(fused.rejects)} of {catalogue.row_count} rows are rejected "
        f"({reasons}), more than --max-reject {limit:g} allows; embeddings stay as they were. "
        f"See {store / 'rejects' / fused.digest}.parquet, mend the rows or raise the limit."
    )


def _count(rejects: list[Reject]) -> dict[str, int]:
    return dict(Counter(reject.reason for reject in rejects).most_common())


def _rate(count: EncodeCount) -> float | None:
    return round(count.encoded / count.seconds, 1) if count.encoded else None
