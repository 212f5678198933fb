"""Work on the processors of this machine, in threads of this process; knows nothing of products."""

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic

from prodmatch.engines.local import ChildFailure
from prodmatch.engines.units import Result, Unit


class ThreadPool(Generic[Unit, Result]):
    """Threads that do units; none can die alone."""

    def __init__(
        self, executor: ThreadPoolExecutor, work: Callable[[Unit], Result], slots: int
    ) -> None:
        """Sets up a pool; `open_thread_pool` starts the threads."""
        self.slots = slots
        self._executor, self._work = executor, work
        self._pending: dict[Future[Result], Unit] = {}

    def submit(self, unit: Unit) -> None:
        """Gives a thread a unit to do."""
        self._pending[self._executor.submit(self._work, unit)] = unit

    def next(self) -> tuple[Unit, Result | ChildFailure]:
        """A unit that is done; what the work raised is raised."""
        future = wait(self._pending, return_when=FIRST_COMPLETED).done.pop()
        return self._pending.pop(future), future.result()


@contextlib.contextmanager
def open_thread_pool(
    work: Callable[[Unit], Result], threads: int | None = None
) -> Iterator[ThreadPool[Unit, Result]]:
    """A pool of so many threads, or one for each processor."""
    count = threads or len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(count) as executor:
        try:
            yield ThreadPool(executor, work, count)
        finally:
            executor.shutdown(cancel_futures=True)
