"""Pictures of a catalogue, decoded by workers in batches; a picture that kills one is left out."""

import logging
import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from prodmatch.embedding.isolation import (
    Child,
    ChildFailure,
    Pipe,
    end_with_parent,
    preprocess_bytes,
    preprocess_isolated,
)
from prodmatch.errors import CatalogueError, ProdmatchError
from prodmatch.model.preprocessing import ImageSpec, Pixels
from prodmatch.storage.features import content_key

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

    def decode(self, batches: range, *, isolated: bool = False) -> Iterator[DecodedPictures]:
        """These batches; isolated: one picture at a time, in a process that may die."""
        side = self.spec.crop_pixels
        for keys, data in self.read(batches):
            preprocessed = (
                preprocess_isolated(data, self.spec)
                if isolated
                else (preprocess_bytes(picture, self.spec) for picture in data)
            )
            faults: list[str | None] = []
            pixels = [np.zeros((0, side, side, 3), np.uint8)]
            for found in preprocessed:
                faults.append(found.fault)
                if found.pixels is not None:
                    pixels.append(found.pixels[None])
            yield DecodedPictures(keys, faults, np.concatenate(pixels))


def decoded_batches(pictures: PictureBatches, workers: int) -> Iterator[DecodedPictures]:
    """All pictures in order, decoded by workers while the caller encodes.

    The workers are a DataLoader's. It cannot tell which batch killed one, and its workers share
    a pipe that a death can spoil, so where one dies or stands still, processes that are watched
    one by one take over, and the picture at fault alone is lost. Without workers nothing stands
    between a picture and this process.

    Raises:
        CatalogueError: a picture changed since the catalogue was scanned.
    """
    if not workers:
        yield from pictures.decode(range(len(pictures)))
        return
    due = 0
    try:
        for found in _loaded(pictures, min(workers, len(pictures))):
            if isinstance(found, ProdmatchError):
                raise found
            due += 1
            yield found
    except RuntimeError as error:  # a DataLoader's word for a dead or silent worker
        logger.warning("batch %d of pictures, or one soon after it: %s", due, error)
        yield from _watched(pictures, due, workers)


class _Share(IterableDataset[DecodedPictures | ProdmatchError]):
    """What one worker of a DataLoader decodes: every n-th batch."""

    def __init__(self, pictures: PictureBatches) -> None:
        self.pictures = pictures

    def __iter__(self) -> Iterator[DecodedPictures | ProdmatchError]:
        worker = get_worker_info()
        number, step = (worker.id, worker.num_workers) if worker else (0, 1)
        try:
            yield from self.pictures.decode(range(number, len(self.pictures), step))
        except ProdmatchError as error:
            yield error  # to be raised where no worker's traceback is wrapped around it


def _begin_worker(number: int) -> None:
    end_with_parent()


def _loaded(pictures: PictureBatches, workers: int) -> Iterator[DecodedPictures | ProdmatchError]:
    others = set(multiprocessing.active_children())
    loader = DataLoader(
        _Share(pictures),
        batch_size=None,
        num_workers=workers,
        multiprocessing_context="forkserver",  # fork hangs after OpenMP
        timeout=STALL_SECONDS,
        worker_init_fn=_begin_worker,  # before it waits for work, which may never come
    )
    try:
        yield from loader
    finally:
        for child in set(multiprocessing.active_children()) - others:
            child.kill()  # a stopped one does not hear of an end
            child.join()


def _watched(pictures: PictureBatches, first: int, workers: int) -> Iterator[DecodedPictures]:
    """The batches from one on, each decoded by a process with a pipe of its own.

    Each process decodes every n-th batch, and is one batch ahead. Where one dies or stands
    still, its batch is decoded again one picture at a time, and another takes its place.
    """
    workers = min(workers, len(pictures) - first)
    children: dict[int, Child] = {}  # by the next batch that each gives
    try:
        for batch in range(first, first + workers):
            children[batch] = _start(pictures, batch, workers)
        for batch in range(first, len(pictures)):
            child = children.pop(batch)
            following = batch + workers
            try:
                found = child.receive(STALL_SECONDS)
            except ChildFailure as failure:
                child.kill()
                logger.warning("batch %d of pictures: its worker %s", batch, failure.fault)
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
