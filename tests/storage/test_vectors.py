"""Rows drawn at random, and where batches hold them."""

import numpy as np

from prodmatch.storage.vectors import draw_among, draw_rows, rows_in_batch


def test_rows_are_drawn_of_every_kind_where_kinds_take_turns() -> None:
    drawn = draw_rows(4000, 1000)
    assert len(set(drawn.tolist())) == 1000
    assert np.bincount(drawn % 4, minlength=4).min() > 200
    np.testing.assert_array_equal(drawn, np.sort(draw_rows(4000, 1000)))
    np.testing.assert_array_equal(draw_rows(7, 10), np.arange(7))


def test_rows_are_drawn_among_others() -> None:
    rows = np.arange(100, 200, 2)
    drawn = draw_among(rows, 10)
    assert len(drawn) == 10
    assert set(drawn.tolist()) <= set(rows.tolist())
    np.testing.assert_array_equal(draw_among(rows, 50), rows)
    assert not len(draw_among(rows[:0], 3))


def test_batches_hold_each_row_once() -> None:
    rows, found = np.array([0, 3, 4, 9]), []
    for start in range(0, 12, 4):
        found += (start + rows_in_batch(rows, start, 4)).tolist()
    assert found == [0, 3, 4, 9]
    assert not len(rows_in_batch(rows, 5, 4))
