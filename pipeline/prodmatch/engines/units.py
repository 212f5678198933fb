"""Work in units that any process of a pool may do, and that may kill it; in threads, too."""

import contextlib
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from prodmatch.engines.local import ChildFailure
from prodmatch.engines.processors import count_processors

CRASHED, LOST = "crashed", "lost"
MOST_CRASHES = 2  # of a worker at the same unit; then it is divided
MOST_LOSSES = 5  # of a whole machine, which mostly is not the unit's doing

logger = logging.getLogger(__name__)


class Divisible(Protocol):
    """A unit of work: hashable, and several things that can be done one by one."""

    @property
    def count(self) -> int:
        """How many."""

    def split(self) -> tuple[Self, Self]:
        """The same work in two, of a unit of at least two."""


Unit = TypeVar("Unit", bound=Divisible)
Result_co = TypeVar("Result_co", covariant=True)
Result = TypeVar("Result")


class Pool(Protocol[Unit, Result_co]):
    """Processes that do units, anywhere; what is submitted comes back once, in any order."""

    @property
    def slots(self) -> int:
        """How many units it can take at once."""

    def submit(self, unit: Unit) -> None:
        """Gives it a unit to do."""

    def next(self) -> tuple[Unit, Result_co | ChildFailure]:
        """A unit that is done, or whose worker died: `crashed`, or `lost` with its machine."""


@dataclass(frozen=True)
class Poison(Generic[Unit]):
    """A unit of one thing that kills whatever works on it."""

    unit: Unit
    reason: str


def run_units(
    pool: Pool[Unit, Result], units: Sequence[Unit]
) -> Iterator[tuple[Unit, Result] | Poison[Unit]]:
    """The result of each unit, in the order in which they end.

    A unit whose worker died is done again. One that kills its worker twice is halved, and its
    parts done, down to the one thing at fault, which is given back as poison.
    """
    waiting, busy = deque(units), 0
    deaths: Counter[tuple[Unit, str]] = Counter()
    while waiting or busy:
        while waiting and (busy < pool.slots or not busy):
            pool.submit(waiting.popleft())
            busy += 1
        unit, result = pool.next()
        busy -= 1
        if not isinstance(result, ChildFailure):
            yield unit, result
            continue
        deaths[unit, result.reason] += 1
        logger.warning("%s: its worker %s", unit, result.reason)
        most = MOST_LOSSES if result.reason == LOST else MOST_CRASHES
        if deaths[unit, result.reason] < most:
            waiting.append(unit)
        elif unit.count > 1:
            waiting.extend(unit.split())
        else:
            yield Poison(unit, CRASHED)


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
    count = threads or count_processors()
    with ThreadPoolExecutor(count) as executor:
        try:
            yield ThreadPool(executor, work, count)
        finally:
            executor.shutdown(cancel_futures=True)
