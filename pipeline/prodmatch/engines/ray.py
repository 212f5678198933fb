"""Work on the machines of a Ray cluster; knows nothing of products.

Only units and results, which are names and counts, pass through Ray. Its usage report and its
dashboard stay off, and it never repeats a task by itself: `run_units` decides that.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic

from prodmatch.engines.local import ChildFailure
from prodmatch.engines.units import CRASHED, LOST, Result, Unit
from prodmatch.errors import ProdmatchError

SLOTS_PER_PROCESSOR = 2  # units that are submitted, so that none waits for the driver
COUNT_SECONDS = 5.0  # between two looks at how large the cluster is
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
}


class RayPool(Generic[Unit, Result]):
    """Tasks of a Ray cluster, each in a process that stays for the next and may die."""

    def __init__(
        self, ray: Any, work: Callable[[Unit], Result], *, processors: int, gpus: int
    ) -> None:
        """Sets up a pool; `open_ray_pool` connects it.

        Args:
            ray: the module, connected to a cluster.
            work: a function at the top of a module, or a `partial` of one.
        """
        self._ray = ray
        self._needs = {"CPU": processors, "GPU": gpus}
        options = {"num_cpus": processors, "num_gpus": gpus, "max_retries": 0}
        self._task = ray.remote(**options)(_work_on_one)
        self._work = ray.put(work)
        self._pending: dict[Any, Unit] = {}
        self._slots, self._counted = 1, 0.0

    @property
    def slots(self) -> int:
        """How many units the machines that are there take at once."""
        if time.monotonic() - self._counted > COUNT_SECONDS:
            there = self._ray.cluster_resources()
            fitting = [int(there.get(k, 0) // n) for k, n in self._needs.items() if n]
            self._slots = max(1, SLOTS_PER_PROCESSOR * min(fitting))
            self._counted = time.monotonic()
        return self._slots

    def submit(self, unit: Unit) -> None:
        """Gives the cluster a unit to do."""
        self._pending[self._task.remote(self._work, unit, str(Path.cwd()))] = unit

    def next(self) -> tuple[Unit, Result | ChildFailure]:
        """A unit that is done, or whose worker died.

        Raises:
            ProdmatchError: the work raised it.
        """
        (done,), _ = self._ray.wait(list(self._pending), num_returns=1)
        unit, errors = self._pending.pop(done), self._ray.exceptions
        try:
            result = self._ray.get(done)
        except (errors.LocalRayletDiedError, errors.NodeDiedError, errors.ObjectLostError):
            return unit, ChildFailure(LOST)
        except (errors.WorkerCrashedError, errors.OutOfMemoryError):
            return unit, ChildFailure(CRASHED)
        if isinstance(result, ProdmatchError):
            raise result
        return unit, result


def _work_on_one(
    work: Callable[[Unit], Result], unit: Unit, folder: str
) -> Result | ProdmatchError:
    os.chdir(folder)  # what a path of the driver is relative to
    try:
        return work(unit)
    except ProdmatchError as error:  # as a value, for Ray would wrap what is raised
        return error


@contextlib.contextmanager
def open_ray_pool(
    work: Callable[[Unit], Result], *, processors: int = 1, gpus: int = 0
) -> Iterator[RayPool[Unit, Result]]:
    """A pool on the cluster at `RAY_ADDRESS`, or else on one of this machine alone.

    Raises:
        ModuleNotFoundError: Ray is not installed.
        ProdmatchError: there is no cluster at that address.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    connected = ray.is_initialized()
    address = os.environ.get("RAY_ADDRESS")
    if not connected:
        options: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
        if not address:
            options.update(include_dashboard=False, _node_ip_address="127.0.0.1")
        try:
            ray.init(address=address or "local", **options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ProdmatchError(
                f"there is no Ray cluster at RAY_ADDRESS={address}: {error}. Start its "
                "head, or unset the variable for one on this machine."
            ) from error
    try:
        yield RayPool(ray, work, processors=processors, gpus=gpus)
    finally:
        if not connected:
            ray.shutdown()
