"""Batches side by side, each on one thread, in place of one batch on all of them.

No thread waits for another within a batch, so a decoder, or another program, that takes a core
for a while delays one batch alone.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

CUDA_LANES = 2  # one copies while the other computes


def count_lanes(device: str) -> int:
    """As many as torch has threads, which `OMP_NUM_THREADS` limits; on a GPU two."""
    if device == "cuda":
        return CUDA_LANES
    if "torch" in sys.modules:
        return int(sys.modules["torch"].get_num_threads())
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return int(limit) if limit.isdecimal() and int(limit) else len(os.sched_getaffinity(0))


def map_in_lanes(
    work: Callable[[Item], Result], items: Iterable[Item], device: str
) -> Iterator[Result]:
    """The results in order, of so many items at a time as there are lanes.

    The items are taken at once, the first failure ends it, and torch has its threads back then.
    """
    with (
        _one_thread_each(),
        ThreadPoolExecutor(
            count_lanes(device), initializer=_start_lane, initargs=(device,)
        ) as pool,
    ):
        yield from pool.map(work, items)


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    if "torch" not in sys.modules:
        yield
        return
    torch = sys.modules["torch"]
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _start_lane(device: str) -> None:
    if "torch" not in sys.modules:
        return
    torch = sys.modules["torch"]
    torch.set_num_threads(1)
    if device == "cuda":
        torch.cuda.set_stream(torch.cuda.Stream(device))
