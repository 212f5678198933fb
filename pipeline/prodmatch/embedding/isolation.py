"""Processes that may die or stand still, and pictures decoded in one of them one at a time."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

from prodmatch.catalogue.images import ImageFault, decode_image
from prodmatch.errors import ProdmatchError
from prodmatch.model.preprocessing import ImageSpec, Pixels, preprocess_image

__all__ = [
    "Child",
    "ChildFailure",
    "Pipe",
    "Preprocessed",
    "end_with_parent",
    "preprocess_bytes",
    "preprocess_isolated",
]

MOST_SECONDS = 10.0  # for one picture; the largest that is let through takes about two
START_SECONDS = 120.0  # for a process, on a machine that is busy
STARTED = "started"

Pipe = Connection  # objects go through it by pickling, between our own processes alone


class ChildFailure(Exception):
    """A child process did not answer.

    Attributes:
        fault: `crashed` or `too_slow`.
    """

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.fault = fault


class Child:
    """A process at the other end of a pipe; it can die without harm to this one.

    It starts from a server process, as fork hangs after OpenMP, and imports what `serve` needs
    alone, so it is small and quick to start.

    Raises:
        ProdmatchError: no process can be started.
    """

    def __init__(self, serve: Callable[..., None], *arguments: object) -> None:
        context = multiprocessing.get_context("forkserver")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_begin, args=(serve, theirs, *arguments), daemon=True
        )
        self._process.start()
        theirs.close()  # now the pipe ends when the process does
        try:
            self.receive(START_SECONDS)
        except ChildFailure as failure:
            self.kill()
            raise ProdmatchError(
                "a process that decodes pictures cannot be started. "
                "Is there memory for it? Run again, or with fewer --workers."
            ) from failure

    def send(self, what: object) -> None:
        """Gives the process something to do.

        Raises:
            ChildFailure: it is dead.
        """
        try:
            self._pipe.send(what)
        except OSError as error:
            raise ChildFailure("crashed") from error

    def receive(self, seconds: float) -> object:
        """What the process says next.

        Raises:
            ChildFailure: it is dead, or says nothing for so long.
        """
        try:
            if not self._pipe.poll(seconds):
                raise ChildFailure("too_slow")
            answer: object = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise ChildFailure("crashed") from error
        return answer

    def kill(self) -> None:
        """Ends the process at once, even one that is stopped."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def end_with_parent() -> None:
    """Has this process end when the one that asked for it does, even if that is killed.

    Otherwise it waits for good: its own parent is the server process, which lives as long as it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent ends this one
    threading.Thread(target=_await_parent, daemon=True).start()


def _await_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _begin(serve: Callable[..., None], pipe: Pipe, *arguments: object) -> None:
    end_with_parent()
    with contextlib.suppress(EOFError, ConnectionError):  # the parent is gone
        pipe.send(STARTED)
        serve(pipe, *arguments)


@dataclass(frozen=True)
class Preprocessed:
    """A picture as its encoder sees it, or why there is none."""

    pixels: Pixels | None
    fault: str | None = None


def preprocess_bytes(data: bytes, spec: ImageSpec) -> Preprocessed:
    """The square of an untrusted picture that the encoder sees, decoded in this process."""
    try:
        return Preprocessed(preprocess_image(decode_image(data), spec))
    except ImageFault as fault:
        return Preprocessed(None, fault.reason)


def preprocess_isolated(
    pictures: Iterable[bytes], spec: ImageSpec, *, seconds: float = MOST_SECONDS
) -> Iterator[Preprocessed]:
    """As `preprocess_bytes` for each picture, in order, decoded in another process.

    One that kills the process is `crashed`, one that takes longer than `seconds` is `too_slow`;
    a new process decodes the next.
    """
    child: Child | None = None
    try:
        for data in pictures:
            child = child or Child(_preprocess_each, spec)
            try:
                child.send(data)
                preprocessed = child.receive(seconds)
            except ChildFailure as failure:
                child.kill()
                child, preprocessed = None, Preprocessed(None, failure.fault)
            if isinstance(preprocessed, Preprocessed):
                yield preprocessed
    finally:
        if child is not None:
            child.kill()


def _preprocess_each(pipe: Pipe, spec: ImageSpec) -> None:
    while True:
        pipe.send(preprocess_bytes(pipe.recv(), spec))
