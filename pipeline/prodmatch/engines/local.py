"""Processes on this machine that may die or stand still without harm to their parent."""

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Generic, Self, TypeVar

from prodmatch.errors import ProdmatchError

START_SECONDS = 120.0  # for a process, on a machine that is busy
STARTED = "started"
_STARTING = threading.Lock()

Pipe = Connection  # objects go through it by pickling, between our own processes alone
Item = TypeVar("Item")
Result = TypeVar("Result")


class ChildFailure(Exception):
    """A child process did not answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason  # `crashed` or `too_slow`


@contextlib.contextmanager
def _hidden_main() -> Iterator[None]:
    """Hides the main module, which processes that start meanwhile would import.

    None needs it, and a script without `if __name__ == "__main__":` would run again in each.
    """
    with _STARTING:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


class Child:
    """A process at the other end of a pipe; it can die without harm to this one.

    It starts from a server process, as fork hangs after OpenMP, and imports only what `serve`
    needs, so it is small and quick to start.

    Raises:
        ProdmatchError: no process can be started.
    """

    def __init__(self, serve: Callable[..., None], *arguments: object) -> None:
        context = multiprocessing.get_context("forkserver")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_begin, args=(serve, theirs, *arguments), daemon=True
        )
        try:
            with _hidden_main():
                self._process.start()
        except OSError as error:
            self._pipe.close()
            remedy = "Run again, or with fewer `workers`."
            if not error.errno:  # a socket's name has 107 characters at most
                remedy = f"Set `TMPDIR` to a shorter path than {tempfile.gettempdir()}."
            raise ProdmatchError(
                f"a worker process cannot be started: {error}. {remedy}"
            ) from error
        finally:
            theirs.close()  # now the pipe ends when the process does
        try:
            self.receive(START_SECONDS)
        except ChildFailure as failure:
            self.kill()
            raise ProdmatchError(
                "a worker process cannot be started. Is there memory for it? "
                "Run again, or with fewer `workers`."
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
        """What the process sends next.

        Raises:
            ChildFailure: it is dead, or sends nothing for so long.
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


class IsolatedPool(Generic[Item, Result]):
    """Processes that do the same work on one item each at a time; those that die are replaced.

    Use it in a `with` statement; the processes end with it. They start when they are first
    needed.
    """

    def __init__(self, work: Callable[[Item], Result], workers: int, seconds: float) -> None:
        """Sets up a pool.

        Args:
            work: a function at the top of a module, or a `partial` of one.
            workers: processes; with 0 the work is done in this one, which an item may then end.
            seconds: that one item may take.
        """
        self.work = work
        self.workers = workers
        self.seconds = seconds
        self._idle: list[Child] = []
        self._busy: deque[Child] = deque()  # in the order of their items

    def map(self, items: Iterable[Item]) -> Iterator[Result | ChildFailure]:
        """The result of each item, in order, or how it ended or held up its process."""
        if not self.workers:
            yield from map(self.work, items)
            return
        for item in items:
            if len(self._busy) == self.workers:
                yield self._next_result()
            self._busy.append(self._hand_over(item))
        while self._busy:
            yield self._next_result()

    def _hand_over(self, item: Item) -> Child:
        if self._idle:
            child = self._idle.pop()
            try:
                child.send(item)
            except ChildFailure:  # it died with nothing to do, which is not the item's doing
                child.kill()
            else:
                return child
        child = Child(_work_on_each, self.work)
        child.send(item)
        return child

    def _next_result(self) -> Result | ChildFailure:
        child = self._busy.popleft()
        try:
            result = child.receive(self.seconds)
        except ChildFailure as failure:
            child.kill()
            return failure
        self._idle.append(child)
        return result  # type: ignore[return-value]  # pipes carry any object; ours carries these

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for child in (*self._busy, *self._idle):
            child.kill()


def end_with_parent() -> None:
    """Has this process end when the one that started it does, even if that is killed.

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


def _work_on_each(pipe: Pipe, work: Callable[[object], object]) -> None:
    while True:
        pipe.send(work(pipe.recv()))
