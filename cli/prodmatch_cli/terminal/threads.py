"""Threads of OpenMP and BLAS, which count the processors of the machine, not of a container."""

import os

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_set_here: set[str] = set()  # the others are the user's


def set_threads(count: int) -> None:
    """Gives libraries that are not loaded yet so many threads, unless the user's environment does.

    More threads than processors wait for each other.
    """
    _set_here.update(name for name in THREAD_VARIABLES if name not in os.environ)
    os.environ.update(dict.fromkeys(_set_here, str(count)))
