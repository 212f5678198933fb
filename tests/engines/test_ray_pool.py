"""What Ray is told, and what its errors mean, with a module that stands in its place."""

import os
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from prodmatch.engines.local import ChildFailure
from prodmatch.engines.ray import QUIET, open_ray_pool
from prodmatch.errors import ProdmatchError, StoreError


class Died(Exception):
    """A worker did."""


class Lost(Exception):
    """A machine was."""


class StandIn:
    """Does what a pool needs of Ray, in this process; notes what it is told."""

    exceptions = SimpleNamespace(
        LocalRayletDiedError=Lost, NodeDiedError=Lost, ObjectLostError=Lost,
        WorkerCrashedError=Died, OutOfMemoryError=Died,
    )  # fmt: skip

    def __init__(self) -> None:
        self.init_options: dict[str, Any] = {}
        self.task_options: dict[str, Any] = {}
        self.closed = False

    def is_initialized(self) -> bool:
        return False

    def init(self, **options: Any) -> None:
        self.init_options = options

    def remote(self, **options: Any) -> Callable[[Any], Any]:
        self.task_options = options

        def run(work: Any, *arguments: Any) -> Any:
            try:
                return ("value", work(*arguments))
            except (Died, Lost) as error:
                return ("error", error)

        return lambda task: SimpleNamespace(remote=lambda *given: run(task, *given))

    def put(self, value: Any) -> Any:
        return value

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 7.0, "GPU": 1.0}

    def wait(self, pending: list[Any], num_returns: int) -> tuple[list[Any], list[Any]]:
        return pending[:num_returns], pending[num_returns:]

    def get(self, done: Any) -> Any:
        kind, value = done
        if kind == "error":
            raise value
        return value

    def shutdown(self) -> None:
        self.closed = True


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    module = StandIn()
    monkeypatch.setitem(sys.modules, "ray", module)  # type: ignore[arg-type]
    for name in (*QUIET, "RAY_ADDRESS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return module


def work(unit: int) -> str:
    if unit == 1:
        raise Died
    if unit == 2:
        raise Lost
    if unit == 3:
        raise StoreError("the disk is full")
    return f"unit {unit}"


def test_a_cluster_of_one_machine_listens_nowhere_else_and_reports_nothing(ray: StandIn) -> None:
    with open_ray_pool(work):
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert ray.init_options["address"] == "local"
    assert ray.init_options["include_dashboard"] is False
    assert ray.init_options["_node_ip_address"] == "127.0.0.1"
    assert ray.closed


def test_a_cluster_that_is_there_is_joined(ray: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "first:6379")
    with open_ray_pool(work):
        pass
    assert ray.init_options["address"] == "first:6379"
    assert "include_dashboard" not in ray.init_options


def test_ray_repeats_no_task_by_itself(ray: StandIn) -> None:
    with open_ray_pool(work, processors=3, gpus=1) as pool:
        assert ray.task_options == {"num_cpus": 3, "num_gpus": 1, "max_retries": 0}
        assert pool.slots == 2  # of two that fit the processors, one fits the GPU


@pytest.mark.parametrize(("unit", "reason"), [(1, "crashed"), (2, "lost")])
def test_a_death_is_a_reason(ray: StandIn, unit: int, reason: str) -> None:
    with open_ray_pool(work) as pool:
        pool.submit(unit)  # type: ignore[type-var]
        same, failure = pool.next()
    assert same == unit
    assert isinstance(failure, ChildFailure)
    assert failure.reason == reason


def test_a_named_failure_comes_through_as_it_is(ray: StandIn) -> None:
    with open_ray_pool(work) as pool:
        pool.submit(3)  # type: ignore[type-var]
        with pytest.raises(StoreError, match="the disk is full"):
            pool.next()


def test_a_cluster_that_does_not_answer_is_named(
    ray: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**options: Any) -> None:
        raise ConnectionError("nobody is there")

    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.setenv("RAY_ADDRESS", "gone:6379")
    with pytest.raises(ProdmatchError, match="no Ray cluster at RAY_ADDRESS=gone:6379"):  # noqa: SIM117
        with open_ray_pool(work):
            pass
