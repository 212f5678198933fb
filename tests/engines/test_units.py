"""Units of work that may kill their worker: done again, halved, down to what is at fault."""

from collections import deque
from dataclasses import dataclass, field

import pytest

from prodmatch.engines.local import ChildFailure
from prodmatch.engines.units import Poison, run_units


@dataclass(frozen=True)
class Numbers:
    """A range of numbers."""

    first: int
    count: int

    def split(self) -> tuple["Numbers", "Numbers"]:
        half = self.count // 2
        return Numbers(self.first, half), Numbers(self.first + half, self.count - half)

    def __contains__(self, number: int) -> bool:
        return self.first <= number < self.first + self.count


@dataclass
class ScriptedPool:
    """Does units at once; those with a deadly number end in its reason, as often as given."""

    deadly: dict[int, tuple[str, int]]
    slots: int = 2
    submitted: list[Numbers] = field(default_factory=list)
    done: deque[tuple[Numbers, int | ChildFailure]] = field(default_factory=deque)

    def submit(self, unit: Numbers) -> None:
        assert len(self.done) < self.slots
        self.submitted.append(unit)
        for number, (reason, times) in self.deadly.items():
            if number in unit and times:
                self.deadly[number] = (reason, times - 1)
                self.done.append((unit, ChildFailure(reason)))
                return
        self.done.append((unit, unit.count))

    def next(self) -> tuple[Numbers, int | ChildFailure]:
        return self.done.pop()  # the last first, for no order is promised


def run(pool: ScriptedPool, units: list[Numbers]) -> tuple[int, list[Poison[Numbers]]]:
    """How much was done, and what could not be."""
    found = list(run_units(pool, units))
    poison = [part for part in found if isinstance(part, Poison)]
    return sum(part[1] for part in found if not isinstance(part, Poison)), poison


UNITS = [Numbers(0, 17), Numbers(17, 17), Numbers(34, 5)]


@pytest.mark.parametrize("number", range(17, 34))
def test_the_one_thing_that_kills_is_found(number: int) -> None:
    count, poison = run(ScriptedPool({number: ("crashed", 1000)}), UNITS)
    assert count == 38
    assert poison == [Poison(Numbers(number, 1), "crashed")]


def test_what_killed_once_is_done_again_whole() -> None:
    pool = ScriptedPool({20: ("crashed", 1)})
    assert run(pool, UNITS) == (39, [])
    assert sorted(pool.submitted, key=lambda unit: unit.first) == [
        UNITS[0],
        *[UNITS[1]] * 2,
        UNITS[2],
    ]


def test_machines_lost_are_not_the_unit_s_doing() -> None:
    pool = ScriptedPool({20: ("lost", 4)})
    assert run(pool, UNITS) == (39, [])
    assert all(unit in UNITS for unit in pool.submitted)


def test_what_takes_machine_after_machine_down_is_poison() -> None:
    count, poison = run(ScriptedPool({20: ("lost", 1000)}), UNITS)
    assert count == 38
    assert poison == [Poison(Numbers(20, 1), "crashed")]


def test_a_cluster_without_a_machine_is_waited_for() -> None:
    assert run(ScriptedPool({}, slots=1), UNITS) == (39, [])
