"""Where the time went: seconds of each stage, and the one that the others wait for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from small import products, write
from tiny import embed_tiny, save_query_encoders

from prodmatch.embedding.stages import STAGES, Stages
from prodmatch.model.description import Model


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def run(clock: Clock, batches: int, waits: float, model: float, writes: float) -> Stages:
    """A run whose batches are waited for, encoded and written for so long."""

    def decoded() -> Iterator[int]:
        for batch in range(batches):
            clock.now += waits
            yield batch

    stages = Stages(clock=clock)
    for _ in stages.wait(decoded()):
        stages.seconds["read"] += 1.0  # by two workers at once
        stages.seconds["decode"] += 5.0
        with stages.measure("model"):
            clock.now += model
        with stages.measure("write"):
            clock.now += writes
    return stages


@pytest.mark.parametrize(
    ("waits", "model", "writes", "limit"),
    [(0.5, 3.0, 0.1, "the model"), (3.0, 0.5, 0.1, "decoding"), (0.1, 0.5, 2.0, "writing")],
)
def test_what_takes_longest_is_the_limit(
    clock: Clock, waits: float, model: float, writes: float, limit: str
) -> None:
    stages = run(clock, 4, waits, model, writes)
    assert stages.limit == limit
    assert stages.waited == pytest.approx(4 * waits)
    assert stages.rounded() == pytest.approx(
        {
            "scan": 0,
            "load": 0,
            "read": 4,
            "decode": 20,
            "model": 4 * model,
            "fuse": 0,
            "write": 4 * writes,
        }
    )


def test_stages_add_up_and_nothing_has_no_limit(clock: Clock) -> None:
    one, other = run(clock, 1, 1.0, 2.0, 3.0), run(clock, 2, 1.0, 2.0, 3.0)
    both = one + other
    assert (both.seconds["model"], both.waited) == (6.0, 3.0)
    assert one.seconds["model"] == 2.0
    assert Stages().limit is None


def test_the_report_says_where_the_time_went(tiny: Model, tmp_path: Path) -> None:
    catalogue, store = write(tmp_path / "c.parquet", products(20)), tmp_path / "store"
    save_query_encoders(store, tiny)
    report = embed_tiny(catalogue, tiny, store)
    assert list(report.stage_seconds) == list(STAGES)
    assert report.stage_seconds["scan"] > 0
    assert sum(report.stage_seconds.values()) <= report.seconds + 0.05
    assert set(report.limits) == {"texts", "pictures"}
    assert embed_tiny(catalogue, tiny, store).limits == {}
