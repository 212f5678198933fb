"""Pictures of strangers, decoded by processes that may die: the one loader of them."""

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt

from prodmatch.catalogue.pictures.images import PICTURE_SECONDS, UnusableImage, decode_image
from prodmatch.engines.local import Child, ChildFailure, IsolatedPool, Pipe
from prodmatch.errors import CatalogueError, ProdmatchError
from prodmatch.model.preprocessing import ImageSpec, Pixels, least_size, preprocess_image
from prodmatch.storage.features import content_key

STALL_SECONDS = 180.0  # without a batch; 64 of the largest pictures take less

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preprocessed:
    """A picture as its encoder sees it, or why there is none."""

    pixels: Pixels | None
    reason: str | None = None


def preprocess_bytes(data: bytes, spec: ImageSpec) -> Preprocessed:
    """The square of an untrusted picture that the encoder sees, decoded in this process."""
    try:
        picture = decode_image(data, partial(least_size, spec=spec))
        return Preprocessed(preprocess_image(picture, spec))
    except UnusableImage as error:
        return Preprocessed(None, error.reason)


def preprocess_isolated(
    pictures: Iterable[bytes],
    spec: ImageSpec,
    *,
    seconds: float = PICTURE_SECONDS,
    workers: int = 1,
) -> Iterator[Preprocessed]:
    """As `preprocess_bytes` for each picture, in order, decoded in other processes.

    One that kills the process is `crashed`, one that takes longer than `seconds` is `too_slow`;
    a new process decodes the next.
    """
    with IsolatedPool(partial(preprocess_bytes, spec=spec), workers, seconds) as pool:
        for found in pool.map(pictures):
            yield Preprocessed(None, found.reason) if isinstance(found, ChildFailure) else found


class PictureSource(Protocol):
    """Where pictures come from: a catalogue; it is sent to the workers by pickling."""

    @property
    def name(self) -> str:
        """Where they come from, for messages."""

    def pictures(self, rows: npt.NDArray[np.int64]) -> Iterator[tuple[int, bytes | None]]:
        """The pictures of these rows, which ascend; None where there is none."""


@dataclass(frozen=True)
class DecodedPictures:
    """A batch: the keys of its pictures, why each is unusable or None, and the usable ones."""

    keys: list[bytes]
    reasons: list[str | None]  # one a key
    pixels: Pixels  # (usable, side, side, 3)
    read_seconds: float = 0.0
    decode_seconds: float = 0.0


@dataclass(frozen=True)
class PictureBatches:
    """The pictures of some rows, to be decoded `batch_rows` at a time."""

    source: PictureSource
    rows: npt.NDArray[np.int64]  # ascending
    keys: Sequence[bytes]  # the content key of each
    spec: ImageSpec
    batch_rows: int

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_rows)

    def read(self, batches: range) -> Iterator[tuple[list[bytes], list[bytes]]]:
        """The keys and the bytes of these batches' pictures, in one pass over the source.

        Raises:
            CatalogueError: a picture changed since the catalogue was scanned.
        """
        spans = [slice(n * self.batch_rows, (n + 1) * self.batch_rows) for n in batches]
        rows = np.concatenate([self.rows[span] for span in spans])
        reading = self.source.pictures(rows)
        for span in spans:
            keys, data = list(self.keys[span]), []
            for row, key in zip(self.rows[span].tolist(), keys, strict=True):
                _, found = next(reading, (row, None))
                if found is None or content_key(found) != key:
                    raise CatalogueError(
                        f"{self.source.name}: row {row} changed while it was read. Run embed again."
                    )
                data.append(found)
            yield keys, data

    def decode(self, batches: range, *, isolated: bool = False) -> Iterator[DecodedPictures]:
        """These batches; isolated: one picture at a time, in a process that may die."""
        side = self.spec.crop_pixels
        started = time.monotonic()
        for keys, data in self.read(batches):
            read = time.monotonic()
            preprocessed = (
                preprocess_isolated(data, self.spec)
                if isolated
                else (preprocess_bytes(picture, self.spec) for picture in data)
            )
            reasons: list[str | None] = []
            pixels = [np.zeros((0, side, side, 3), np.uint8)]
            for found in preprocessed:
                reasons.append(found.reason)
                if found.pixels is not None:
                    pixels.append(found.pixels[None])
            stacked, decoded = np.concatenate(pixels), time.monotonic()
            yield DecodedPictures(keys, reasons, stacked, read - started, decoded - read)
            started = time.monotonic()


def decoded_batches(
    pictures: PictureBatches, workers: int, *, stall_seconds: float = STALL_SECONDS
) -> Iterator[DecodedPictures]:
    """All pictures in order, decoded by workers while the caller encodes.

    Each worker reads and decodes every n-th batch, and is one batch ahead. Where one dies or
    stands still, its batch is decoded again one picture at a time, the picture at fault alone is
    lost, and another worker takes its place. Without workers nothing stands between a picture and
    this process.

    Raises:
        CatalogueError: a picture changed since the catalogue was scanned.
    """
    if not workers:
        yield from pictures.decode(range(len(pictures)))
        return
    workers = min(workers, len(pictures))
    children: dict[int, Child] = {}  # by the next batch that each gives
    try:
        for batch in range(workers):
            children[batch] = _start(pictures, batch, workers)
        for batch in range(len(pictures)):
            child, following = children.pop(batch), batch + workers
            try:
                found = child.receive(stall_seconds)
            except ChildFailure as failure:
                child.kill()
                logger.warning("batch %d of pictures: its worker %s", batch, failure.reason)
                (found,) = pictures.decode(range(batch, batch + 1), isolated=True)
                if following < len(pictures):
                    children[following] = _start(pictures, following, workers)
            else:
                children[following] = child
            if isinstance(found, ProdmatchError):
                raise found
            if isinstance(found, DecodedPictures):
                yield found
    finally:
        for child in children.values():
            child.kill()


def _start(pictures: PictureBatches, first: int, step: int) -> Child:
    return Child(_decode_share, pictures, range(first, len(pictures), step))


def _decode_share(pipe: Pipe, pictures: PictureBatches, batches: range) -> None:
    try:
        for decoded in pictures.decode(batches):
            pipe.send(decoded)
    except ProdmatchError as error:
        pipe.send(error)
    pipe.recv()  # stays until the parent is done with it
