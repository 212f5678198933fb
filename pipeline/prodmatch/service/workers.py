"""Threads that work for requests; those that would wait too long are refused."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.exceptions import HTTPException

MOST_WAITING = 256  # requests that wait for a thread; at 60 a second they wait four seconds
RETRY_SECONDS = 1  # after which a client that was refused may try again
Result = TypeVar("Result")


class Workers:
    """A number of threads, and a queue before them that has an end."""

    def __init__(self, threads: int, name: str, wait_seconds: float) -> None:
        self.busy = 0  # requests that run or wait; changed by the event loop alone
        self._wait_seconds = wait_seconds  # that a request may wait
        self._most = threads + MOST_WAITING
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, work: Callable[[], Result]) -> Result:
        """What the work gives, done by a thread.

        Raises:
            HTTPException: 503, too many wait, or it waited too long.
        """
        if self.busy >= self._most:
            raise overloaded()
        self.busy += 1
        begun = time.monotonic()

        def begin() -> Result:
            if time.monotonic() - begun > self._wait_seconds:
                raise overloaded()
            return work()

        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, begin)
        finally:
            self.busy -= 1

    def close(self) -> None:
        """Ends the threads, after what they do now."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def overloaded() -> HTTPException:
    """The refusal of a request that there is no room for."""
    return HTTPException(
        503,
        "too many requests at once. Try again in a moment.",
        {"Retry-After": str(RETRY_SECONDS)},
    )
