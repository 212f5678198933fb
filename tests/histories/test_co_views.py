"""Co-views against counting by hand."""

from collections import Counter
from itertools import permutations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from prodmatch.histories.co_views import NEIGHBOURS, SHRINK, CoViewCounter
from prodmatch.histories.log import Histories

PRODUCTS = 30


def drawn(seed: int, users: int) -> Histories:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 12, users)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    rows = (PRODUCTS * rng.random(starts[-1]) ** 2).astype(np.int64)
    weights = rng.choice([1.0, 2.0, -1.0, 0.0], starts[-1]).astype(np.float32)
    return Histories(pa.array([f"u{seed}-{n}" for n in range(users)]), starts, rows, weights)


@pytest.mark.parametrize("pairs_at_a_time", [1, 40, 100_000])
def test_similarities_are_those_of_the_users_in_common(
    pairs_at_a_time: int, tmp_path: Path
) -> None:
    counter = CoViewCounter(tmp_path, PRODUCTS, most_pairs=pairs_at_a_time)
    users, pairs = Counter[int](), Counter[tuple[int, int]]()
    for seed in (0, 1):
        histories = drawn(seed, 60)
        counter.add(histories)
        for position in range(60):
            own = histories.of(position)
            liked = set(histories.rows[own][histories.weights[own] > 0].tolist())
            users.update(liked)
            pairs.update(permutations(liked, 2))
    found = counter.finish()
    assert found.users.tolist() == [users[row] for row in range(PRODUCTS)]
    for row in range(PRODUCTS):
        own = slice(found.starts[row], found.starts[row + 1])
        expected = {
            other: count / (users[row] * users[other]) ** 0.5 * count / (count + SHRINK)
            for (first, other), count in pairs.items()
            if first == row and count >= 2
        }
        assert dict(zip(found.rows[own], found.similarities[own], strict=True)) == pytest.approx(
            expected, abs=1e-6
        )
        assert sorted(found.similarities[own])[::-1] == found.similarities[own].tolist()


def test_a_product_keeps_its_nearest(tmp_path: Path) -> None:
    count = 2 * NEIGHBOURS
    rng = np.random.default_rng(2)
    viewed = rng.random((300, count)) < 0.2  # (users, products)
    users, rows = np.nonzero(viewed)
    starts = np.searchsorted(users, np.arange(301))
    names = pa.array([f"u{n}" for n in range(300)])
    counter = CoViewCounter(tmp_path, count)
    counter.add(Histories(names, starts, rows, np.ones(len(rows), np.float32)))
    found = counter.finish()
    together = viewed.T.astype(np.float64) @ viewed
    totals = np.diag(together)
    similarities = together / np.sqrt(np.outer(totals, totals)) * together / (together + SHRINK)
    np.fill_diagonal(similarities, -1.0)
    for row in range(count):
        own = slice(found.starts[row], found.starts[row + 1])
        assert len(set(found.rows[own].tolist())) == NEIGHBOURS
        best = np.sort(similarities[row])[::-1][:NEIGHBOURS]
        assert found.similarities[own] == pytest.approx(best, abs=1e-6)
        assert similarities[row, found.rows[own]] == pytest.approx(best, abs=1e-6)


def test_nobody_has_nothing_in_common(tmp_path: Path) -> None:
    counter = CoViewCounter(tmp_path, PRODUCTS)
    assert not len(counter.finish().rows)
    counter.add(drawn(0, 0))
    assert not len(counter.finish().rows)
