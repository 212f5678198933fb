"""Features for what the store does not hold yet: decode in workers, encode in batches."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from prodmatch.encoders import IMAGE_ROWS, ImageEncoder, TextEncoder
from prodmatch.errors import CatalogueError
from prodmatch.features import FeatureStore, content_key
from prodmatch.images import ImageFault, decode_image
from prodmatch.preprocessing import ImageSpec, Pixels, frame_picture
from prodmatch.vectors import Vectors

__all__ = ["EncodeCount", "PictureSource", "encode_pictures", "encode_texts"]

LARGEST = float(np.finfo(np.float16).max)  # features are kept in half precision
SHARD_ROWS = 4096  # what a kill can cost


@dataclass(frozen=True)
class EncodeCount:
    """What an encoding did."""

    encoded: int = 0
    faulty: int = 0
    seconds: float = 0.0


class PictureSource(Protocol):
    """Where pictures come from: a catalogue; it is sent to the workers by pickling."""

    @property
    def path(self) -> Path:
        """Where they come from, for messages."""

    def pictures(self, rows: npt.NDArray[np.int64]) -> Iterator[tuple[int, bytes | None]]:
        """The pictures of these rows, which ascend; None where there is none."""


@dataclass(frozen=True)
class _Decoded:
    keys: list[bytes]
    pixels: torch.Tensor  # (usable, side, side, 3)
    faults: list[str | None]  # one a key


@dataclass
class _PictureBatches(Dataset[_Decoded]):
    """Batches of decoded pictures; a worker reads forward through its share of the catalogue."""

    source: PictureSource
    rows: npt.NDArray[np.int64]
    keys: Sequence[bytes]
    spec: ImageSpec
    _reading: Iterator[tuple[int, bytes | None]] | None = field(default=None, init=False)
    _next: int = field(default=0, init=False)

    def __len__(self) -> int:
        return -(-len(self.rows) // IMAGE_ROWS)

    def __getitem__(self, batch: int) -> _Decoded:
        if self._reading is None or batch < self._next:
            self._reading = self.source.pictures(self.rows[batch * IMAGE_ROWS :])
        start, stop = batch * IMAGE_ROWS, min((batch + 1) * IMAGE_ROWS, len(self.rows))
        wanted = {
            int(row): self.keys[place] for place, row in enumerate(self.rows[start:stop], start)
        }
        self._next = batch + 1
        keys, pixels, faults = [], [], []
        for row, data in self._reading:
            if row not in wanted:
                continue  # another worker's
            if data is None or content_key(data) != wanted[row]:
                raise CatalogueError(
                    f"{self.source.path}: row {row} changed while it was read. Run embed again."
                )
            keys.append(wanted[row])
            frame, fault = _frame(data, self.spec)
            faults.append(fault)
            if frame is not None:
                pixels.append(frame)
            if len(keys) == len(wanted):
                break
        side = self.spec.crop_pixels
        stacked = np.stack(pixels) if pixels else np.zeros((0, side, side, 3), np.uint8)
        return _Decoded(keys, torch.from_numpy(stacked), faults)


def _frame(data: bytes, spec: ImageSpec) -> tuple[Pixels | None, str | None]:
    try:
        return frame_picture(decode_image(data), spec), None
    except ImageFault as fault:
        return None, fault.reason


def encode_pictures(
    source: PictureSource,
    rows: npt.NDArray[np.int64],
    keys: Sequence[bytes],
    encoder: ImageEncoder,
    store: FeatureStore,
    *,
    workers: int = 1,
) -> EncodeCount:
    """Encodes the pictures of these rows and appends them to the store, shard by shard.

    Workers decode while the encoder runs. The order of rows fixes the order in the store.

    Args:
        source: gives the pictures.
        rows: ascending row numbers, one for each distinct picture.
        keys: the content key of each.
        encoder: runs the batches.
        store: takes the features.
        workers: processes that decode; 0 decodes between the batches.
    """
    loader = DataLoader(
        _PictureBatches(source, rows, keys, encoder.spec),
        batch_size=None,
        num_workers=workers,
        multiprocessing_context="forkserver" if workers else None,  # fork hangs after OpenMP
        prefetch_factor=4 if workers else None,
        worker_init_fn=_one_thread,
    )
    writer, started = _ShardWriter(store, encoder.dim), time.monotonic()
    with tqdm(total=len(rows), desc="pictures", unit="picture", disable=None) as progress:
        for decoded in loader:
            features = np.zeros((len(decoded.keys), encoder.dim), dtype=np.float32)
            usable = [place for place, fault in enumerate(decoded.faults) if fault is None]
            if usable:
                features[usable] = encoder.encode(decoded.pixels.numpy())
            writer.add(decoded.keys, features, decoded.faults)
            progress.update(len(decoded.keys))
    return writer.close(started)


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)


def encode_texts(
    texts: Iterator[tuple[bytes, str]], total: int, encoder: TextEncoder, store: FeatureStore
) -> EncodeCount:
    """Encodes (key, text) pairs, a shard at a time sorted by length, into the store."""
    writer, started = _ShardWriter(store, encoder.dim), time.monotonic()
    with tqdm(total=total, desc="texts", unit="text", disable=None) as progress:
        waiting: list[tuple[bytes, str]] = []
        for pair in texts:
            waiting.append(pair)
            if len(waiting) == SHARD_ROWS:
                _encode_block(waiting, encoder, writer)
                progress.update(len(waiting))
                waiting = []
        if waiting:
            _encode_block(waiting, encoder, writer)
            progress.update(len(waiting))
    return writer.close(started)


def _encode_block(
    pairs: list[tuple[bytes, str]], encoder: TextEncoder, writer: "_ShardWriter"
) -> None:
    keys = [key for key, _ in pairs]
    writer.add(keys, encoder.encode([text for _, text in pairs]), [None] * len(keys))


class _ShardWriter:
    """Gathers features until a shard is full; what is not finite becomes a fault."""

    def __init__(self, store: FeatureStore, dim: int) -> None:
        self.store = store
        self.dim = dim
        self.keys: list[bytes] = []
        self.vectors: list[Vectors] = []
        self.faults: list[str | None] = []
        self.encoded = 0
        self.faulty = 0

    def add(self, keys: Sequence[bytes], vectors: Vectors, faults: Sequence[str | None]) -> None:
        finite = np.asarray(np.abs(vectors).max(axis=1) <= LARGEST)  # false for NaN
        self.keys += keys
        self.vectors.append(np.where(finite[:, None], vectors, 0.0).astype(np.float32))
        self.faults += [
            fault or (None if fine else "nonfinite")
            for fault, fine in zip(faults, finite, strict=True)
        ]
        if len(self.keys) >= SHARD_ROWS:
            self._flush()

    def _flush(self) -> None:
        self.store.append(self.keys, np.concatenate(self.vectors), self.faults)
        self.encoded += len(self.keys)
        self.faulty += sum(fault is not None for fault in self.faults)
        self.keys, self.vectors, self.faults = [], [], []

    def close(self, started: float) -> EncodeCount:
        """Writes what is left, and counts."""
        if self.keys:
            self._flush()
        return EncodeCount(self.encoded, self.faulty, time.monotonic() - started)
