"""LIKE for letters beyond ASCII: as SQLite's for plain ones, whatever the pattern."""

import sqlite3

import numpy as np
import pytest

from prodmatch.products.filters import _is_like


@pytest.mark.parametrize("seed", range(20))
def test_like_agrees_with_sqlite_on_plain_letters(seed: int) -> None:
    rng = np.random.default_rng(seed)
    connection = sqlite3.connect(":memory:")
    for _ in range(200):
        pattern = "".join(rng.choice(list("ab%_!"), rng.integers(0, 7)))
        value = "".join(rng.choice(list("abAB%_\n"), rng.integers(0, 9)))
        for escape in ("", "!"):
            if escape and pattern.count("!") and pattern.rstrip("!") != pattern:
                continue  # an escape of nothing
            clause = " ESCAPE '!'" if escape else ""
            (expected,) = connection.execute(
                f"SELECT ? LIKE ?{clause}", (value, pattern)
            ).fetchone()
            assert _is_like(pattern, value, escape) == bool(expected), (pattern, value, escape)


def test_like_ends_on_patterns_of_many_parts() -> None:
    assert not _is_like("%é" * 30 + "%x", "é" * 2_000)
    assert _is_like("%é" * 30 + "%x", "é" * 2_000 + "X")
