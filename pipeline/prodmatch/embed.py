"""Job: a catalogue to embeddings; encodes what is new, fuses every product, writes shards."""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.catalogue.reader import Catalogue, Reject
from prodmatch.embedding.encode import EncodeCount, EncoderClasses, encode_missing
from prodmatch.embedding.fuse import FuseResult, fuse
from prodmatch.embedding.gate import Changes, compare_rows
from prodmatch.embedding.plan import Scan, plan_features
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

logger = logging.getLogger(__name__)

FORMAT = b"embeddings-1"  # raise it when the same features would give other embeddings


@dataclass(frozen=True)
class EmbedSettings:
    """How an embedding run is done; `max_reject` apart, none of it changes what comes out."""

    device: str = "auto"
    workers: int = 1
    max_reject: float = 0.01  # share of rows; above it no embeddings are written


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
    warnings: list[str]  # what was passed over or guessed


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
    catalogue: Catalogue,
    model: Model,
    store: Path,
    settings: EmbedSettings | None = None,
    *,
    classes: EncoderClasses | None = None,
) -> EmbedReport:
    """Brings a store's features and embeddings up to date with a catalogue.

    Only texts and pictures that the store has never held under this model's encoders are
    encoded. Killed at any instant, the next call goes on from the last complete shard. The same
    catalogue and model give the same bytes, whatever was in the store before.

    Args:
        catalogue: an open one.
        model: its encoders, and its heads.
        store: the directory of features and embeddings, made where there is none.
        settings: of the run.
        classes: run the model's encoders; those of `prodmatch.encoders` by default.

    Raises:
        CatalogueError: no row can be used, or too many are rejected; old embeddings stay.
        LockedError: another run writes to the store.
        StoreError: the store cannot be written.
    """
    settings, started = settings or EmbedSettings(), time.monotonic()
    with lock_store(store):
        remove_leftovers(store)
        with scratch_directory(store) as scratch:
            plan = plan_features(catalogue, model.encoders, store, scratch)
            encoded = encode_missing(
                catalogue,
                model.encoders,
                plan,
                device=settings.device,
                workers=settings.workers,
                classes=classes,
            )
            fused = fuse(plan, model.heads, scratch)
            changes = _compare(plan.scan, store, fused.embedded)
            digest = _write(catalogue, model, store, fused, settings.max_reject)
    return EmbedReport(
        **_counts(catalogue, fused),
        images_unusable=_count(fused.images_unusable),
        without_text=int((fused.embedded & ~fused.text.present).sum()),
        without_image=int((fused.embedded & ~fused.image.present).sum()),
        texts_encoded=encoded.texts.encoded,
        images_encoded=encoded.images.encoded,
        reused=plan.reused,
        **asdict(changes),
        seconds=round(time.monotonic() - started, 2),
        texts_per_second=_rate(encoded.texts),
        images_per_second=_rate(encoded.images),
        embeddings=digest,
        warnings=list(catalogue.warnings),
    )


def _write(
    catalogue: Catalogue, model: Model, store: Path, fused: FuseResult, max_reject: float
) -> str:
    """Lists the rejects, and unless they are too many makes these embeddings the store's."""
    catalogue_digest = fused.scan.digest
    digest = digest_bytes(FORMAT, catalogue_digest.encode(), model.fingerprint.encode())[:32]
    rejects = store / "rejects" / f"{digest}.parquet"
    _write_rejects(rejects, fused)
    _check_rejects(catalogue, fused, rejects, max_reject)
    export_encoders(model, store / "encoders")
    manifest = {
        **_counts(catalogue, fused),
        "dim": 2 * model.heads.dim,
        "model": model.description.name,
        "model_fingerprint": model.fingerprint,
        "catalogue": catalogue_digest,
    }
    write_embeddings(store / "embeddings", digest, fused.tables(), manifest)
    return digest


class _Counts(TypedDict):
    """Every row is in one of two."""

    rows: int
    embedded: int
    rejected: int
    rejects: dict[str, int]


def _counts(catalogue: Catalogue, fused: FuseResult) -> _Counts:
    return {
        "rows": catalogue.row_count,
        "embedded": int(fused.embedded.sum()),
        "rejected": len(fused.rejects),
        "rejects": _count(fused.rejects),
    }


def _compare(scan: Scan, store: Path, embedded: npt.NDArray[np.bool_] | None = None) -> Changes:
    ids, digests = scan.product_ids, scan.row_digests
    if embedded is not None:
        ids, digests = ids.filter(pa.array(embedded)), digests.filter(pa.array(embedded))
    try:
        return compare_rows(ids, digests, open_embeddings(store / "embeddings"))
    except DamagedError as error:  # the set before is made again, whatever became of it
        logger.warning("%s All products count as added.", error)
        return compare_rows(ids, digests, None)


def _write_rejects(path: Path, fused: FuseResult) -> None:
    listed = [(reject, False) for reject in fused.rejects]
    listed += [(reject, True) for reject in fused.images_unusable]
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


def _check_rejects(catalogue: Catalogue, fused: FuseResult, path: Path, limit: float) -> None:
    rows, rejects = catalogue.row_count, fused.rejects
    if not rows:  # opened as one that may be empty
        return
    if len(rejects) < rows and len(rejects) / rows <= limit:
        return
    reasons = ", ".join(f"{name} {count}" for name, count in _count(rejects).items())
    raise CatalogueError(
        f"{catalogue.path}: {len(rejects)} of {rows} rows are rejected ({reasons}), more than "
        f"`max_reject={limit:g}` allows; embeddings stay as they were. See {path}, correct the "
        "rows or raise the limit."
    )


def _count(rejects: Sequence[Reject]) -> dict[str, int]:
    return dict(Counter(reject.reason for reject in rejects).most_common())


def _rate(count: EncodeCount) -> float | None:
    return round(count.encoded / count.seconds, 1) if count.encoded else None
