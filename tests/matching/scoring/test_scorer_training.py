"""The scorer: its trees are the library's, its thresholds keep a precision, its file is checked."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from prodmatch.errors import MismatchError, ModelError, QueryError
from prodmatch.evaluation.comparison import expected_calibration_error
from prodmatch.matching.pair_features import NAMES
from prodmatch.matching.scoring.pair_scorer import HeldOut, open_scorer
from prodmatch.matching.scoring.scorer_training import (
    Labels,
    _read_trees,
    train_scorer,
)
from prodmatch.model.calibration import fit_calibration


def labels(count: int = 400, seed: int = 0) -> Labels:
    """Pairs that match where two features are high, some of them mislabelled."""
    rng = np.random.default_rng(seed)
    features = rng.random((count, len(NAMES))).astype(np.float32)
    match = features[:, 0] + features[:, 3] + 0.1 * rng.normal(size=count) > 1
    features[:, 4:][rng.random((count, len(NAMES) - 4)) < 0.2] = np.nan
    features[:, 1] = np.nan
    return Labels(features, match, np.arange(count) // 2)


def test_trees_give_what_the_library_gives() -> None:
    given = labels()
    features = np.nan_to_num(given.features, nan=0.0)
    features[::3, 4] = np.nan
    model = HistGradientBoostingClassifier(max_iter=20, random_state=1)
    model.fit(features, given.match)
    found = _read_trees(model).log_odds(features)
    np.testing.assert_allclose(found, model.decision_function(features), atol=1e-5)


def test_training_learns_and_says_how_sure_it_is(tmp_path: Path) -> None:
    scorer = train_scorer(labels(), "test")
    other = labels(seed=1)
    found = scorer.probabilities(other.features)
    assert found[other.match].mean() > found[~other.match].mean() + 0.25
    assert expected_calibration_error(scorer.held_out.probability, scorer.held_out.match) < 0.1
    threshold = scorer.held_out.threshold(0.8)
    assert scorer.held_out.precision(threshold) >= 0.8
    assert other.match[found >= threshold].mean() > 0.7

    scorer.save(tmp_path / "scorer.safetensors")
    kept = open_scorer(tmp_path / "scorer.safetensors")
    np.testing.assert_array_equal(kept.probabilities(other.features), found)
    assert kept.held_out.threshold(0.8) == pytest.approx(threshold)


def test_thresholds_inside_one_catalogue_are_its_own(tmp_path: Path) -> None:
    scorer = train_scorer(labels(), "test")
    assert scorer.held_out_of(is_one=True) is scorer.held_out
    held_out = scorer.held_out
    few = ~held_out.match | (np.arange(len(held_out.match)) % 4 == 0)
    inside = HeldOut(held_out.probability[few], held_out.match[few])
    replace(scorer, held_out_inside=inside).save(tmp_path / "scorer")
    kept = open_scorer(tmp_path / "scorer")
    strict, plain = (kept.held_out_of(is_one=one).threshold(0.7) for one in (True, False))
    assert strict > plain
    assert plain == pytest.approx(held_out.threshold(0.7))


def test_equal_labels_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        train_scorer(labels(), "test").save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_calibration_finds_the_scale_of_log_odds() -> None:
    rng = np.random.default_rng(0)
    log_odds = rng.normal(scale=3, size=20_000)
    match = rng.random(20_000) < 1 / (1 + np.exp(-(0.5 * log_odds - 1)))
    found = fit_calibration(log_odds, match, prior=(1.0, 0.0), pull=1.0)
    assert (found.scale, found.bias) == (pytest.approx(0.5, abs=0.05), pytest.approx(-1, abs=0.1))


def test_the_threshold_is_the_lowest_that_keeps_the_precision() -> None:
    probability = np.linspace(1, 0, 100, endpoint=False)
    match = np.arange(100) < 50
    held_out = HeldOut(probability, match)
    assert held_out.threshold(1.0) == probability[49]
    assert held_out.threshold(0.5) == probability[99]
    assert held_out.recall(probability[24]) == 0.5


def test_a_precision_that_no_threshold_has_is_refused() -> None:
    held_out = HeldOut(np.linspace(1, 0, 100), np.arange(100) % 2 == 0)
    with pytest.raises(QueryError, match=r"`precision=0.9`: no threshold has it; the highest"):
        held_out.threshold(0.9)


@pytest.mark.parametrize(
    ("count", "matching", "message"),
    [
        (49, 20, "49 labelled pairs are too few"),
        (60, 60, "60 match and 0 do not"),
        (60, 0, "0 match and 60 do not"),
    ],
)
def test_too_few_labels_are_refused(count: int, matching: int, message: str) -> None:
    given = labels(count)
    match = np.arange(count) < matching
    with pytest.raises(QueryError, match=message):
        train_scorer(Labels(given.features, match, given.groups), "test")


def test_what_is_no_scorer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no such file"):
        open_scorer(tmp_path / "none")
    (tmp_path / "text").write_text("left,right")
    with pytest.raises(ModelError, match="is no scorer of pairs"):
        open_scorer(tmp_path / "text")


def test_a_scorer_of_other_features_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_scorer(labels(), "test").save(tmp_path / "scorer")
    monkeypatch.setattr("prodmatch.matching.scoring.pair_scorer.NAMES", NAMES[1:])
    with pytest.raises(MismatchError, match="another version"):
        open_scorer(tmp_path / "scorer")


def test_the_shipped_scorer_has_thresholds() -> None:
    scorer = open_scorer()
    assert 0.5 < scorer.held_out.threshold(0.95) < 1
    assert expected_calibration_error(scorer.held_out.probability, scorer.held_out.match) < 0.03
