"""Threads of OpenMP and BLAS, which count the processors of the machine, not of a container."""

import os

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_set_here: dict[str, str] = {}  # other values are the user's


def set_threads(count: int) -> None:
    """Gives libraries that are not loaded yet so many threads, unless the user's environment does.

    More threads than processors wait for each other.
    """
    for name in THREAD_VARIABLES:
        if os.environ.get(name) in (None, _set_here.get(name)):
            os.environ[name] = _set_here[name] = str(count)
