"""Features for what the store lacks: decode in workers, encode in batches."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from tqdm import tqdm

from prodmatch.catalogue.reader import Catalogue
from prodmatch.embedding.encoding.image_loader import PictureBatches, PictureSource, decoded_batches
from prodmatch.embedding.plan import FeaturePlan, new_texts
from prodmatch.embedding.stages import MODEL, WRITING, EncodeCount, EncodeResult, Stages
from prodmatch.encoders.batches import ImageBatches, TextBatches
from prodmatch.encoders.device import (
    Compute,
    Precision,
    choose_device,
    picture_precision,
    release_memory,
    warn_of_emulation,
)
from prodmatch.encoders.quickest import open_image_encoder, open_text_encoder
from prodmatch.errors import is_out_of_memory
from prodmatch.model.description import EncoderPair
from prodmatch.model.preprocessing import ImageSpec, Pixels, TextSpec
from prodmatch.progress import bars_off
from prodmatch.scanning.picture_lists import OtherPictureSource
from prodmatch.storage.features import FeatureStore
from prodmatch.storage.vectors import Vectors

logger = logging.getLogger(__name__)

LARGEST = float(np.finfo(np.float16).max)  # features are kept in half precision
DECODED_ROWS = 64  # pictures that are decoded, then encoded, together
Items = TypeVar("Items", Sequence[str], Pixels, contravariant=True)


@dataclass(frozen=True)
class Encoded:
    """Features, one row an item, and why an item has none."""

    vectors: Vectors  # (n, dim)
    reasons: list[str | None]


@dataclass(frozen=True)
class EncoderClasses:
    """What runs the encoders of a model directory; tests hand in small ones."""

    text: Callable[[Path, TextSpec, Compute, Path], TextBatches] = open_text_encoder
    image: Callable[[Path, ImageSpec, Compute, Path], ImageBatches] = open_image_encoder


@dataclass(frozen=True)
class OpenEncoders:
    """The encoders of a model in a precision; each is loaded when it is first needed."""

    files: EncoderPair
    device: str
    precision: Precision
    graphs: Path  # where exported ones are kept
    classes: EncoderClasses

    @cached_property
    def text(self) -> TextBatches:
        """The text encoder."""
        compute = Compute(self.device, self.precision)
        return self.classes.text(self.files.text_folder, self.files.text, compute, self.graphs)

    @cached_property
    def image(self) -> ImageBatches:
        """The picture encoder."""
        precision = picture_precision(self.precision, self.files.image)
        compute = Compute(self.device, precision)
        return self.classes.image(self.files.image_folder, self.files.image, compute, self.graphs)


class Encoder(Protocol[Items]):
    """A text or picture encoder: `rows` items at a time go through it."""

    rows: int
    dim: int

    def encode(self, items: Items, /) -> Vectors:
        """Features `(n, dim)`, in order."""


def encode_missing(
    catalogue: Catalogue,
    encoders: EncoderPair,
    plan: FeaturePlan,
    *,
    device: str = "auto",
    workers: int = 1,
    classes: EncoderClasses | None = None,
) -> EncodeResult:
    """Encodes what the store lacks, shard by shard; a killed run loses one shard at most."""
    chosen = choose_device(device)
    warn_of_emulation(plan.precision, chosen)
    opened = OpenEncoders(
        encoders, chosen, plan.precision, plan.graphs, classes or EncoderClasses()
    )
    texts, images = EncodeCount(), EncodeCount()
    if len(plan.new_texts):
        _name_phase("texts", len(plan.new_texts))
        with texts.stages.measure("load"):
            opened.text  # noqa: B018 - loads it
        contents = new_texts(plan.scan, plan.new_texts)
        texts += encode_texts(contents, len(plan.new_texts), opened.text, plan.texts)
    if plan.images_to_encode:
        _name_phase("pictures", plan.images_to_encode)
        with images.stages.measure("load"):
            opened.image  # noqa: B018 - loads it
        others = plan.scan.others
        sources: list[tuple[PictureSource, npt.NDArray[np.int64], pa.Array]] = [
            (
                catalogue,
                plan.scan.rows[plan.new_images],
                plan.scan.image_keys.take(pa.array(plan.new_images)),
            ),
            (
                OtherPictureSource(catalogue),
                others.numbers[plan.new_others],
                others.keys.take(pa.array(plan.new_others)),
            ),
        ]
        for source, numbers, keys in sources:
            if len(numbers):
                images += encode_pictures(
                    source, numbers, keys.to_pylist(), opened.image, plan.images, workers=workers
                )
    return EncodeResult(texts, images)


def _name_phase(kind: str, count: int) -> None:
    logger.info(
        "encoding %d %s that are new",
        count,
        kind,
        extra={"phase": f"encode {kind}", "count": count},
    )


def encode_pictures(
    source: PictureSource,
    rows: npt.NDArray[np.int64],
    keys: Sequence[bytes],
    encoder: ImageBatches,
    store: FeatureStore,
    *,
    workers: int = 1,
) -> EncodeCount:
    """Encodes the pictures of these rows and appends them to the store, shard by shard.

    Workers decode while the encoder runs. The order of rows fixes the order in the store.

    Args:
        rows: ascending row numbers, one for each distinct picture.
        keys: the content key of each.
        workers: processes that decode; 0 decodes between the batches.
    """
    pictures = PictureBatches(source, rows, keys, encoder.spec, DECODED_ROWS)
    writer, started = _ShardWriter(store, encoder.dim), time.monotonic()
    with tqdm(total=len(rows), desc="pictures", unit="picture", disable=bars_off()) as progress:
        for decoded in writer.stages.wait(decoded_batches(pictures, workers)):
            writer.stages.seconds["read"] += decoded.read_seconds
            writer.stages.seconds["decode"] += decoded.decode_seconds
            features = np.zeros((len(decoded.keys), encoder.dim), dtype=np.float32)
            reasons = list(decoded.reasons)
            usable = [position for position, reason in enumerate(reasons) if reason is None]
            if usable:
                with writer.stages.measure(MODEL):
                    encoded = encode_within_memory(encoder, decoded.pixels)
                features[usable] = encoded.vectors
                for position, reason in zip(usable, encoded.reasons, strict=True):
                    reasons[position] = reason
            writer.add(decoded.keys, features, reasons)
            progress.update(len(decoded.keys))
    return writer.close(started)


def encode_texts(
    texts: Iterator[tuple[bytes, str]], total: int, encoder: TextBatches, store: FeatureStore
) -> EncodeCount:
    """Encodes (key, text) pairs, a shard at a time sorted by length, into the store."""
    writer, started = _ShardWriter(store, encoder.dim), time.monotonic()
    with tqdm(total=total, desc="texts", unit="text", disable=bars_off()) as progress:
        waiting: list[tuple[bytes, str]] = []
        for pair in writer.stages.wait(texts, "read"):
            waiting.append(pair)
            if len(waiting) == store.shard_rows:
                _encode_block(waiting, encoder, writer)
                progress.update(len(waiting))
                waiting = []
        if waiting:
            _encode_block(waiting, encoder, writer)
            progress.update(len(waiting))
    return writer.close(started)


def _encode_block(
    pairs: list[tuple[bytes, str]], encoder: TextBatches, writer: "_ShardWriter"
) -> None:
    with writer.stages.measure(MODEL):
        encoded = encode_within_memory(encoder, [text for _, text in pairs])
    writer.add([key for key, _ in pairs], encoded.vectors, encoded.reasons)


def encode_within_memory(encoder: Encoder[Items], items: Items) -> Encoded:
    """Features of `items`, in order; where memory runs out, by half the rows at a time.

    The encoder keeps the batches that fit. At one row a batch, an item that still does not fit
    has the reason `oom`. Results differ in the sixth digit from those of whole batches.
    """
    started = encoder.rows
    while True:
        try:
            return Encoded(encoder.encode(items), [None] * len(items))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if encoder.rows == 1:
                break
            encoder.rows //= 2
            logger.warning("memory ran out: from here on %d rows at a time", encoder.rows)
        release_memory()
    vectors = np.zeros((len(items), encoder.dim), dtype=np.float32)
    reasons: list[str | None] = [None] * len(items)
    for position in range(len(items)):
        try:
            vectors[position] = encoder.encode(items[position : position + 1])[0]
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            reasons[position] = "oom"
    encoder.rows = started  # it was some items, not the batch
    return Encoded(vectors, reasons)


class _ShardWriter:
    """Gathers features until a shard is full; what is not finite is given a reason."""

    def __init__(self, store: FeatureStore, dim: int) -> None:
        self.store = store
        self.dim = dim
        self.keys: list[bytes] = []
        self.vectors: list[Vectors] = []
        self.reasons: list[str | None] = []
        self.encoded = 0
        self.unusable = 0
        self.stages = Stages()

    def add(self, keys: Sequence[bytes], vectors: Vectors, reasons: Sequence[str | None]) -> None:
        finite = np.asarray(np.abs(vectors).max(axis=1) <= LARGEST)  # false for NaN
        self.keys += keys
        self.vectors.append(np.where(finite[:, None], vectors, 0.0).astype(np.float32))
        self.reasons += [
            reason or (None if fine else "nonfinite")
            for reason, fine in zip(reasons, finite, strict=True)
        ]
        if len(self.keys) >= self.store.shard_rows:
            self._flush()

    def _flush(self) -> None:
        with self.stages.measure(WRITING):
            self.store.append(self.keys, np.concatenate(self.vectors), self.reasons)
        self.encoded += len(self.keys)
        self.unusable += sum(reason is not None for reason in self.reasons)
        self.keys, self.vectors, self.reasons = [], [], []

    def close(self, started: float) -> EncodeCount:
        """Writes what is left, and counts."""
        if self.keys:
            self._flush()
        seconds = time.monotonic() - started
        return EncodeCount(self.encoded, self.unusable, seconds, self.stages)
