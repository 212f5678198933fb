"""Limits: ordinary nights stay below them, earlier ones move them, one that stands out does not."""

import numpy as np
import pytest
from snapshots import columns, night, parts, snapshot

from prodmatch.drift import count_signals
from prodmatch.morning import ordinary
from prodmatch.morning.ordinary import (
    Counts,
    OrdinaryRates,
    find_limits,
    is_alarm,
    ordinary_night,
    simulate_nights,
)

NAMES = [f"signal {number}" for number in range(40)]


def test_ordinary_nights_stay_below_the_limits() -> None:
    rng = np.random.default_rng(3)
    rates = {name: float(rng.uniform(0, 0.01)) for name in NAMES}

    def draw(mood: float) -> Counts:
        found = {name: int(rng.poisson(3000 * mood * rate)) for name, rate in rates.items()}
        return Counts(3000, found)

    limits = find_limits(NAMES, 3000, [draw(1.0) for _ in range(20)], [])
    alarms = 0
    for _ in range(1000):
        counts = draw(float(rng.gamma(4, 1 / 4)))
        alarms += any(is_alarm(counts.found[name], limits[name]) for name in NAMES)
    assert alarms <= 10


def test_a_hundredth_of_the_products_is_an_alarm_where_nothing_is_usual() -> None:
    limits = find_limits(NAMES, 3000, [Counts(3000, {})] * 20, [])
    assert all(3 <= each.most < 15 for each in limits.values())
    assert find_limits(NAMES, 10, [], [])[NAMES[0]].most == 2  # three products at least


def test_what_earlier_nights_had_is_usual() -> None:
    earlier = [Counts(3000, {NAMES[0]: count}) for count in (40, 60, 50)]
    limits = find_limits(NAMES, 3000, [Counts(3000, {})], earlier)
    assert limits[NAMES[0]].most > 100
    assert limits[NAMES[1]].most < 15


def test_one_bad_night_among_the_earlier_ones_is_no_example() -> None:
    earlier = [Counts(3000, {NAMES[0]: count}) for count in (0, 300, 0, 1, 0)]
    assert find_limits(NAMES, 3000, [], earlier) == find_limits(NAMES, 3000, [], [])


def test_a_simulated_night_is_the_same_every_time_and_ordinary() -> None:
    last = snapshot(columns(), *parts())
    counts = [simulate_nights(last, count_signals, nights=3, seed=1) for _ in range(2)]
    assert counts[0] == counts[1]
    assert counts[0] != simulate_nights(last, count_signals, nights=3, seed=2)
    found = ordinary_night(last, np.random.default_rng(0), OrdinaryRates(text=0.1, picture=0.1))
    assert found.new_texts.any()
    assert found.new_pictures.any()
    assert len(found.added)
    assert len(found.removed)
    assert np.nanmin(found.shift.text) > 0.8


def test_the_limits_of_a_small_shop_let_its_ordinary_night_pass() -> None:
    pair = night(lambda values, text, image: None)
    simulated = simulate_nights(pair.last, count_signals, nights=5, seed=0)
    counts = simulate_nights(pair.last, count_signals, nights=20, seed=7)
    names = list(counts[0].found)
    limits = find_limits(names, len(pair.last), simulated, [])
    alarms = [name for each in counts for name in names if is_alarm(each.found[name], limits[name])]
    assert alarms == []


def test_nights_of_a_large_shop_are_simulated_with_some_of_its_products() -> None:
    last = snapshot(columns(), *parts())
    whole = simulate_nights(last, count_signals, nights=2, seed=0)
    some = simulate_nights(last, count_signals, nights=2, seed=0, most_rows=100)
    assert all(290 < each.rows <= 300 for each in whole)
    assert all(90 < each.rows <= 100 for each in some)
    assert [*some[0].found] == [*whole[0].found]


@pytest.mark.parametrize("name", ["rating", "price"])
def test_numbers_that_are_no_quantities_change_in_no_ordinary_night(name: str) -> None:
    odd = [float("nan"), float("inf"), float("-inf"), 1e19, -(2**62), 2**63 - 1, None, True]
    cells: list[object] = [*odd, 40.0, 40]
    ordinary._reprice(cells, np.arange(len(cells)), name, np.random.default_rng(0))
    assert list(map(repr, cells[: len(odd)])) == list(map(repr, odd))
    assert isinstance(cells[-1], int)
    assert 10 < cells[-1] < 70
