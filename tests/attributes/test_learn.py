"""Probabilities rise with scores and are what was measured; thresholds keep a precision."""

import numpy as np

from prodmatch.attributes.learn import calibrate, choose_threshold, lower_bound


def test_a_calibration_pools_neighbours_that_fall() -> None:
    scores = np.array([0.1, 0.2, 0.3, 0.4])
    found = calibrate(scores, np.array([False, True, False, True]))
    # Blocks: one wrong; one right and one wrong; one right; each counts one more that is wrong.
    assert np.allclose(found.scores, [0.1, 0.25, 0.4])
    assert np.allclose(found.probabilities, [0, 1 / 3, 1 / 2])
    assert np.allclose(found(np.array([0.0, 0.25, 0.9])), [0, 1 / 3, 1 / 2])


def test_calibrated_probabilities_are_the_share_that_is_right() -> None:
    rng = np.random.default_rng(3)
    scores = rng.random(20_000)
    found = calibrate(scores, rng.random(20_000) < scores**2)
    at = np.linspace(0.05, 0.95, 19)
    assert np.abs(found(at) - at**2).max() < 0.06
    assert (np.diff(found.probabilities) >= 0).all()


def test_the_lower_bound_is_wilsons() -> None:
    """Roots of (p - x)^2 = z^2 x (1 - x) / n, from which Wilson's interval is."""
    (bound,) = lower_bound(np.array([95.0]), np.array([100.0]))
    assert abs((0.95 - bound) ** 2 - 1.645**2 * bound * (1 - bound) / 100) < 1e-9
    assert bound < 0.95


def test_a_threshold_keeps_the_precision_and_few_rows_need_a_better_one() -> None:
    rng = np.random.default_rng(4)
    scores = rng.random(5_000)
    right = rng.random(5_000) < 0.6 + 0.4 * scores
    threshold = choose_threshold(scores, right, 0.95)
    assert threshold is not None
    assert right[scores >= threshold].mean() >= 0.95
    assert right[scores >= threshold - 0.05].mean() < 0.96
    assert choose_threshold(scores[:20], np.ones(20, np.bool_), 0.95) is None


def test_equal_scores_stay_on_one_side() -> None:
    scores = np.repeat([0.9, 0.5], 200)
    right = np.concatenate([np.ones(200), np.ones(100), np.zeros(100)]).astype(np.bool_)
    assert choose_threshold(scores, right, 0.9) == 0.9
