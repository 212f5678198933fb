"""The commit protocol over all orders of its steps, and that a wrong one is found.

The promises: CURRENT refers to whole shards that exist; they are the plan's total, each content
once; a stale driver never overwrites a newer CURRENT; `gc` removes nothing that CURRENT or the plan
of a living driver needs; and whoever was killed where, the next driver publishes.
"""

import pytest
from commit_protocol import MUTATIONS, Protocol, Violation, explore, recover
from conftest import Counting

FOUND_WITH = {  # the fewest processes that show it: drivers, collectors
    "overwrite": (1, 0),
    "both": (1, 0),
    "no count": (1, 0),
    "same number": (2, 0),
    "no token": (2, 0),
    "keep staged": (2, 0),
    "no grace": (1, 1),
    "one token": (1, 1),
    "same names": (1, 1),
}


@pytest.mark.parametrize(
    ("drivers", "collectors", "attempts"),
    [(1, 1, 2), (2, 0, 2), pytest.param(2, 1, 1, marks=pytest.mark.slow)],
)
def test_promises_hold_in_every_order_of_steps(
    drivers: int, collectors: int, attempts: int, count_cases: Counting
) -> None:
    protocol = Protocol(attempts=attempts)
    start = protocol.start(drivers=drivers, collectors=collectors)
    count_cases("states of the commit protocol", len(explore(protocol, start)))


@pytest.mark.parametrize(("drivers", "collectors", "attempts"), [(1, 1, 2), (2, 0, 1)])
def test_a_driver_publishes_wherever_the_others_were_killed(
    drivers: int, collectors: int, attempts: int, count_cases: Counting
) -> None:
    protocol = Protocol(attempts=attempts)
    states = explore(protocol, protocol.start(drivers=drivers, collectors=collectors))
    assert all(recover(protocol, state) for state in states)
    count_cases("kills in the commit protocol", len(states))


@pytest.mark.parametrize("mutation", FOUND_WITH)
def test_a_wrong_protocol_breaks_a_promise(mutation: str) -> None:
    drivers, collectors = FOUND_WITH[mutation]
    protocol = Protocol(mutation)
    with pytest.raises(Violation, match=r"after: (driver|gc)0"):
        explore(protocol, protocol.start(drivers=drivers, collectors=collectors))


def test_a_shard_that_is_not_written_aside_stops_the_next_driver() -> None:
    protocol = Protocol("in place")
    states = explore(protocol, protocol.start(drivers=1, collectors=0))
    assert not all(recover(protocol, state) for state in states)


def test_every_wrong_protocol_is_tried() -> None:
    assert {*FOUND_WITH, "in place"} == set(MUTATIONS)
