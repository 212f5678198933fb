"""Pictures of a catalogue, decoded by workers in batches; a picture that kills one is left out."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from prodmatch.careful import Child, ChildFailure, Pipe, frame_bytes, frame_carefully
from prodmatch.errors import CatalogueError, ProdmatchError
from prodmatch.features import content_key
from prodmatch.preprocessing import ImageSpec, Pixels

__all__ = ["DecodedPictures", "PictureBatches", "PictureSource", "decoded_batches"]

STALL_SECONDS = 180.0  # without a batch; 64 of the largest pictures take less

logger = logging.getLogger(__name__)


class PictureSource(Protocol):
    """Where pictures come from: a catalogue; it is sent to the workers by pickling."""

    @property
    def path(self) -> Path:
        """Where they come from, for messages."""

    def pictures(self, rows: npt.NDArray[np.int64]) -> Iterator[tuple[int, bytes | None]]:
        """The pictures of these rows, which ascend; None where there is none."""


@dataclass(frozen=True)
class DecodedPictures:
    """A batch: the keys of its pictures, why each is unusable or None, and the usable ones."""

    keys: list[bytes]
    faults: list[str | None]  # one a key
    pixels: Pixels  # (usable, side, side, 3)


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
            for key in keys:
                row, found = next(reading)
                if found is None or content_key(found) != key:
                    raise CatalogueError(
                        f"{self.source.path}: row {row} changed while it was read. Run embed again."
                    )
                data.append(found)
            yield keys, data

    def decode(self, batches: range, *, carefully: bool = False) -> Iterator[DecodedPictures]:
        """These batches; carefully: one picture at a time, in a process that may die."""
        side = self.spec.crop_pixels
        for keys, data in self.read(batches):
            framed = (
                frame_carefully(data, self.spec)
                if carefully
                else (frame_bytes(picture, self.spec) for picture in data)
            )
            faults: list[str | None] = []
            pixels = [np.zeros((0, side, side, 3), np.uint8)]
            for found in framed:
                faults.append(found.fault)
                if found.pixels is not None:
                    pixels.append(found.pixels[None])
            yield DecodedPictures(keys, faults, np.concatenate(pixels))


def decoded_batches(pictures: PictureBatches, workers: int) -> Iterator[DecodedPictures]:
    """All pictures in order, decoded by workers while the caller encodes.

    Each worker decodes every n-th batch, and is one batch ahead. Where one dies or stands
    still, its batch is decoded again one picture at a time, so the picture at fault alone is
    lost, and another worker takes its place. Without workers nothing stands between a picture
    and this process.

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
            child = children.pop(batch)
            following = batch + workers
            try:
                found = child.receive(STALL_SECONDS)
            except ChildFailure as failure:
                child.kill()
                logger.warning("batch %d of pictures: its worker %s", batch, failure.fault)
                (found,) = pictures.decode(range(batch, batch + 1), carefully=True)
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
