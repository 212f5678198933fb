"""Pictures of strangers for a service: decoded by processes that may die, which stay open."""

import functools
import io
import queue
from dataclasses import dataclass

from prodmatch.catalogue.pictures.images import (
    PICTURE_SECONDS,
    TOO_LARGE,
    UnusableImage,
    decode_image,
    remedy_of,
)
from prodmatch.catalogue.pictures.thumbnails import make_thumbnail
from prodmatch.engines.local import ChildFailure, IsolatedPool
from prodmatch.errors import QueryError
from prodmatch.model.preprocessing import ImageSpec, least_size, resize_image


class PictureError(QueryError):
    """A picture that cannot be used."""


class TooLargeError(PictureError):
    """A picture that is beyond the limits."""


def status_of(error: Exception) -> int:
    """The status of HTTP for a query that cannot be answered."""
    if isinstance(error, TooLargeError):
        return 413
    return 422 if isinstance(error, PictureError) else 400


@dataclass(frozen=True)
class Task:
    """A picture, and what to make of it: that which an encoder sees, or a thumbnail."""

    data: bytes
    wanted: ImageSpec | int


@dataclass(frozen=True)
class Refused:
    """Why a picture cannot be used."""

    reason: str
    detail: str


def work(task: Task) -> bytes | Refused:
    """A PNG in the size that the encoder sees, or a WebP of so many pixels."""
    if isinstance(task.wanted, int):
        return make_thumbnail(task.data, task.wanted) or Refused("broken", "")
    try:
        enough = functools.partial(least_size, spec=task.wanted)
        picture = resize_image(decode_image(task.data, enough), task.wanted)
    except UnusableImage as error:
        return Refused(error.reason, error.detail)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


class PictureDecoder:
    """Processes that decode, one picture at a time each; threads take turns."""

    def __init__(self, processes: int) -> None:
        self._pools = [IsolatedPool(work, 1, PICTURE_SECONDS) for _ in range(processes)]
        self._free: queue.SimpleQueue[IsolatedPool[Task, bytes | Refused]] = queue.SimpleQueue()
        for pool in self._pools:
            self._free.put(pool)

    def prepare_query(self, data: bytes, spec: ImageSpec) -> bytes:
        """A picture to search with: a PNG of which the encoder sees what it would of `data`.

        Raises:
            TooLargeError: it is beyond the limits of size.
            PictureError: it cannot be used.
        """
        found = self._run(Task(data, spec))
        if isinstance(found, bytes):
            return found
        kind = TooLargeError if found.reason in TOO_LARGE else PictureError
        raise kind(
            f"`image`: the picture cannot be used ({found.reason}: {found.detail}). "
            f"{remedy_of(found.reason)}"
        )

    def make_thumbnail(self, data: bytes, side: int) -> bytes | None:
        """A WebP of at most `side` pixels; None where the picture cannot be used."""
        found = self._run(Task(data, side))
        return found if isinstance(found, bytes) else None

    def close(self) -> None:
        """Ends the processes."""
        for pool in self._pools:
            pool.__exit__()

    def _run(self, task: Task) -> bytes | Refused:
        pool = self._free.get()
        try:
            (found,) = pool.map([task])
        finally:
            self._free.put(pool)
        if isinstance(found, ChildFailure):
            return Refused(found.reason, "decoding it did not end well")
        return found
