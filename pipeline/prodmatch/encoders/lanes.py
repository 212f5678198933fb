"""Batches side by side, each on one thread, in place of one batch on all of them.

No thread waits for another within a batch, so a decoder, or another program, that takes a core
for a while delays one batch alone.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

CUDA_LANES = 2  # one copies while the other computes


def count_lanes(device: torch.device) -> int:
    """As many as torch has threads, which `OMP_NUM_THREADS` limits; on a GPU two."""
    return CUDA_LANES if device.type == "cuda" else torch.get_num_threads()


def map_in_lanes(
    work: Callable[[Item], Result], items: Iterable[Item], device: torch.device
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
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _start_lane(device: torch.device) -> None:
    torch.set_num_threads(1)
    if device.type == "cuda":
        torch.cuda.set_stream(torch.cuda.Stream(device))
