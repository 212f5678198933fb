"""Job: a catalogue to embeddings; encodes what is new, fuses every product, writes shards."""

import json
import logging
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypedDict

from prodmatch.catalogue.reader import Catalogue
from prodmatch.columns.missing import name_left_out, name_misnamed, name_text_prices
from prodmatch.columns.searchable import name_unsearched
from prodmatch.embedding.encoding.encode import EncoderClasses, encode_missing
from prodmatch.embedding.encoding.quickest_precision import (
    Measurement,
    choose_quickest,
    is_worth_measuring,
    named_precision,
)
from prodmatch.embedding.encoding.units import UnitOptions, encode_by_units
from prodmatch.embedding.fuse import FuseResult, fuse
from prodmatch.embedding.nights.findings import GateLimits
from prodmatch.embedding.nights.gate import compare_nights, count_changes
from prodmatch.embedding.nights.tonight import (
    Tonight,
    check_rejects,
    count_reasons,
    fused_night,
    read_last_night,
    scanned_night,
    write_rejects,
)
from prodmatch.embedding.plan import FeaturePlan, plan_features, plan_scanned
from prodmatch.embedding.remembering import name_differences, name_other_model, remember_settings
from prodmatch.embedding.reuse import find_last_vectors
from prodmatch.embedding.stages import EncodeCount, EncodeResult, Stages
from prodmatch.encoders.device import Precision, choose_device
from prodmatch.encoders.query_encoders import export_encoders
from prodmatch.errors import CatalogueError, DamagedError, MismatchError, require_path
from prodmatch.model.description import Model
from prodmatch.scanning.cache import ScanCache
from prodmatch.scanning.picture_lists import describe_unusable
from prodmatch.scanning.scan import Scan
from prodmatch.storage.atomic import digest_bytes, remove_leftovers
from prodmatch.storage.embeddings import write_embeddings
from prodmatch.storage.features import SHARD_ROWS
from prodmatch.storage.locks import lock_store, share_store
from prodmatch.storage.settings import read_settings
from prodmatch.storage.temporary import scratch_directory

logger = logging.getLogger(__name__)

FORMAT = b"embeddings-1"  # raise it when the same features would give other embeddings


@dataclass(frozen=True)
class EmbedSettings:
    """How a run is done, and what lets it through; only `precision` changes what comes out."""

    device: str = "auto"
    precision: str = "auto"  # float32, bf16, int8, or the store's, else the quickest that holds
    workers: int = 1
    engine: str = "local"  # or ray: on the machines of a cluster
    max_reject: float = 0.01  # share of rows; above it no embeddings are written
    max_removed: float = 0.2  # share of the products embedded before that may be gone
    max_lost: float = 0.1  # share of those that stay that may be without their text or picture
    accept_changes: bool = False  # lets one night through that the gate would refuse
    shard_rows: int = SHARD_ROWS  # features in a shard: what a kill can cost
    measurement: Measurement = field(default_factory=Measurement)  # that `auto` goes by


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
    warnings: list[str]  # what would be another than the store was made with


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
    stage_seconds: dict[str, float]  # scan, load, read, decode, model, fuse, write
    limits: dict[str, str]  # of texts and pictures, what took longest: "the model"
    precision: str  # that the encoders ran in
    embeddings: str
    warnings: list[str]  # what was passed over, guessed, or noticed by the gate


def plan_embedding(
    catalogue: Catalogue, model: Model, store: Path | str, settings: EmbedSettings | None = None
) -> EmbedPlan:
    """What `embed_catalogue` would do now; encodes nothing and leaves no file behind."""
    store = require_path(store, "store")
    with lock_store(store), scratch_directory(store) as scratch:
        last = read_last_night(store).without(catalogue.mapping.excluded)
        settings = settings or EmbedSettings()
        precision = named_precision(settings.precision, settings.device, store)
        plan = plan_features(catalogue, model.encoders, store, scratch, precision)
        tonight = scanned_night(catalogue, plan.scan)
        return EmbedPlan(
            rows=catalogue.row_count,
            rejected=len(plan.scan.rejects),
            texts_to_encode=len(plan.new_texts),
            images_to_encode=plan.images_to_encode,
            reused=plan.reused,
            **asdict(count_changes(last.night, tonight.night)),
            warnings=name_differences(catalogue, model, store, precision),
        )


def embed_catalogue(
    catalogue: Catalogue,
    model: Model,
    store: Path | str,
    settings: EmbedSettings | None = None,
    *,
    classes: EncoderClasses | None = None,
) -> EmbedReport:
    """Brings a store's features and embeddings up to date with a catalogue.

    Only texts and pictures that the store has never held under this model's encoders are
    encoded. Killed at any instant, the next call goes on from the last complete shard. The same
    catalogue and model give the same bytes, whatever was in the store before.

    Args:
        store: the directory of features and embeddings, made where there is none.
        classes: run the model's encoders; those of `prodmatch.encoders` by default.

    Raises:
        CatalogueError: no row can be used, too many are rejected, too much of what the products
            embedded before had is gone, or a column is one that the store leaves out; old
            embeddings stay.
        LockedError: another run writes to the store.
        StoreError: the store cannot be written.
    """
    store = require_path(store, "store")
    settings, started = settings or EmbedSettings(), time.monotonic()
    if settings.engine == "ray":
        share_store(store)
    with lock_store(store):
        remove_leftovers(store)
        _require_left_out(catalogue, store)
        with scratch_directory(store) as scratch:
            run = _Run(catalogue, model, store, settings, scratch, classes)
            plan = run.plan()
            encoded = run.encode(plan)
            fused, tonight = run.fuse(plan)
            digest = run.write(plan, fused, tonight)
            seconds = round(time.monotonic() - started, 2)
            return run.report(plan, encoded, tonight, digest, seconds)


class _Run:
    """One run, in four steps: plan, encode what is missing, fuse, write."""

    def __init__(
        self,
        catalogue: Catalogue,
        model: Model,
        store: Path,
        settings: EmbedSettings,
        scratch: Path,
        classes: EncoderClasses | None,
    ) -> None:
        self.catalogue, self.model, self.store, self.settings = catalogue, model, store, settings
        self.scratch, self.classes, self.stages = scratch, classes, Stages()
        self.last = read_last_night(store).without(catalogue.mapping.excluded)
        self.scanned: Tonight  # what the scan found, as the gate reads it
        self.noticed: list[str] = []  # by the gate
        self.changes: list[str] | None = None  # of what the store is made with, once it is known

    def plan(self) -> FeaturePlan:
        """What is to be encoded, and how precisely; the gate looks at it, before hours of work."""
        catalogue, encoders, settings = self.catalogue, self.model.encoders, self.settings
        precision = named_precision(settings.precision, settings.device, self.store)
        with self.stages.measure("scan"):
            cache = ScanCache(self.store / "scans")
            plan = plan_features(
                catalogue, encoders, self.store, self.scratch, precision, cache=cache
            )
        self.scanned = scanned_night(catalogue, plan.scan)
        self._check(plan, self.scanned)
        least = settings.measurement.least_contents
        if is_worth_measuring(plan, settings.precision, self.store, least):
            device = choose_device(settings.device)
            precision = choose_quickest(
                catalogue, self.model, plan, device, settings.measurement, self.classes
            )
            self._remember(precision)  # even if it is killed
            plan = plan_scanned(plan.scan, encoders, self.store, precision)
            self._check(plan, self.scanned)
        return plan.with_shards(settings.shard_rows)

    def encode(self, plan: FeaturePlan) -> EncodeResult:
        """Encodes what the store lacks, in this process or on the machines of a cluster."""
        device, workers = choose_device(self.settings.device), self.settings.workers
        catalogue, encoders = self.catalogue, self.model.encoders
        if self.settings.engine == "ray":
            options = UnitOptions(self.scratch / "units", device, workers, self.classes)
            return encode_by_units(catalogue, encoders, plan, options)
        return encode_missing(
            catalogue, encoders, plan, device=device, workers=workers, classes=self.classes
        )

    def fuse(self, plan: FeaturePlan) -> tuple[FuseResult, Tonight]:
        """Every product's embedding, and what is left without one; the gate looks again."""
        made_from = _made_from(self.model, plan)
        vectors = find_last_vectors(self.last.embeddings, self.last.night, plan.scan, made_from)
        with self.stages.measure("fuse"):
            fused = fuse(plan, self.model.heads, self.scratch, vectors)
        tonight = fused_night(fused, self.scanned)
        if tonight is not self.scanned:
            self._check(plan, tonight)
        return fused, tonight

    def write(self, plan: FeaturePlan, fused: FuseResult, tonight: Tonight) -> str:
        """Makes these embeddings the store's, and gives their name."""
        self._remember(plan.precision)
        with self.stages.measure("write"):
            export_encoders(self.model, self.store / "encoders", plan.precision)
            digest = _digest(fused.scan, self.model, plan.precision, tonight)
            manifest = {
                **_counts(self.catalogue, tonight),
                "images_unusable": dict(tonight.night.images_unusable),
                **_made_from(self.model, plan),
                "model": self.model.description.name,
                "catalogue": fused.scan.digest,
                "picture_lists": bool(len(fused.scan.others.keys)),
            }
            write_embeddings(self.store / "embeddings", digest, fused.tables(), manifest)
        return digest

    def report(
        self,
        plan: FeaturePlan,
        encoded: EncodeResult,
        tonight: Tonight,
        digest: str,
        seconds: float,
    ) -> EmbedReport:
        """What was done, with all warnings."""
        stages = self.stages + encoded.texts.stages + encoded.images.stages
        return EmbedReport(
            **_counts(self.catalogue, tonight),
            images_unusable=count_reasons(tonight.images_unusable),
            without_text=tonight.night.text_keys.null_count,
            without_image=tonight.night.image_keys.null_count,
            texts_encoded=encoded.texts.encoded,
            images_encoded=encoded.images.encoded,
            reused=plan.reused,
            **asdict(count_changes(self.last.night, tonight.night)),
            seconds=seconds,
            texts_per_second=_rate(encoded.texts),
            images_per_second=_rate(encoded.images),
            stage_seconds=stages.rounded(),
            limits=encoded.limits,
            precision=plan.precision,
            embeddings=digest,
            warnings=self._warnings(plan, tonight),
        )

    def _warnings(self, plan: FeaturePlan, tonight: Tonight) -> list[str]:
        found = [*self.catalogue.warnings, *self.noticed]
        found += describe_unusable(tonight.listed_unusable)
        found += plan.scan.text_warnings
        found += self.changes or name_other_model(self.model, self.store)
        if self.last.night is None:
            empty = tonight.night.empty_columns
            found += [*name_misnamed(self.catalogue), *name_unsearched(self.catalogue, empty)]
            found += [*name_left_out(self.catalogue), *name_text_prices(self.catalogue)]
        return found

    def _remember(self, precision: Precision) -> None:
        """Has later runs of the store begin with what this one was given, once."""
        if not self.changes:
            self.changes = remember_settings(self.catalogue, self.model, self.store, precision)

    def _check(self, plan: FeaturePlan, tonight: Tonight) -> None:
        """Lists the rejects, and notes warnings; before encoding, and before writing.

        Raises:
            CatalogueError: too many rows are rejected, or too much is gone.
        """
        digest = _digest(plan.scan, self.model, plan.precision, tonight)
        path = self.store / "rejects" / f"{digest}.parquet"
        write_rejects(path, tonight)
        self.noticed = list(self.last.warnings)
        if not self.catalogue.row_count:  # opened as one that may be empty
            return
        self.noticed += check_rejects(self.catalogue, tonight, path, self.settings.max_reject)
        limits = GateLimits(self.settings.max_removed, self.settings.max_lost)
        found = compare_nights(self.last.night, tonight.night, limits)
        if found.refusals and not self.settings.accept_changes:
            text = "; ".join(found.refusals)
            stop = "" if text.endswith("?") else "."
            raise CatalogueError(
                f"{self.catalogue.name}: refused: {text}{stop} The embeddings stay "
                "as they were. Correct the catalogue, or let it through once with "
                "`accept_changes`."
            )
        self.noticed += [f"accepted: {text}" for text in found.refusals]
        self.noticed += found.warnings


def _require_left_out(catalogue: Catalogue, store: Path) -> None:
    """Refuses a catalogue opened with a column that the store leaves out."""
    try:
        settings = read_settings(store)
    except (DamagedError, MismatchError):  # reported where it is written again
        return
    sources = zip(catalogue.schema.names, catalogue.mapping.sources, strict=True)
    kept = {name for pair in sources for name in pair}
    for name in settings.leave_out if settings is not None else ():
        if name in kept:
            raise CatalogueError(
                f"{catalogue.name}: column {name!r} is one that {store} leaves out. Open the "
                "catalogue with `leave_out`, or by `open_remembered`."
            )


def _digest(scan: Scan, model: Model, precision: str, tonight: Tonight) -> str:
    """The name of the embeddings: what they, and the counts in their manifest, come from."""
    parts = [FORMAT, scan.digest.encode(), model.fingerprint.encode()]
    counts = [count_reasons(tonight.rejects), count_reasons(tonight.images_unusable)]
    if precision != "float32":  # which had no name of its own before there was another
        parts.append(precision.encode())
    if any(counts):
        parts.append(json.dumps(counts, sort_keys=True).encode())
    return digest_bytes(*parts)[:32]


def _made_from(model: Model, plan: FeaturePlan) -> dict[str, object]:
    """What decides about the vector of a text and a picture, as the manifest says it."""
    return {
        "fused": FORMAT.decode(),
        "dim": 2 * model.heads.dim,
        "model_fingerprint": model.fingerprint,
        "precision": plan.precision,
        "features": [plan.texts.folder.name, plan.images.folder.name],
    }


class _Counts(TypedDict):
    """Every row is in one of two."""

    rows: int
    embedded: int
    rejected: int
    rejects: dict[str, int]


def _counts(catalogue: Catalogue, tonight: Tonight) -> _Counts:
    return {
        "rows": catalogue.row_count,
        "embedded": len(tonight.night),
        "rejected": len(tonight.rejects),
        "rejects": count_reasons(tonight.rejects),
    }


def _rate(count: EncodeCount) -> float | None:
    return round(count.encoded / count.seconds, 1) if count.encoded else None
