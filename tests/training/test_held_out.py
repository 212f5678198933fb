"""Figures of held-out products."""

from dataclasses import replace

import numpy as np

from prodmatch.model.calibration import Calibration
from prodmatch.model.heads import Heads
from prodmatch.model.projection import Projection
from prodmatch.storage.vectors import normalise
from prodmatch.training.held_out import HeldOut, draw_queries, recall_of_pairs


def test_a_probability_is_the_share_that_matches() -> None:
    rng = np.random.default_rng(0)
    text = normalise(rng.normal(size=(1000, 16)))
    image = normalise(text + 0.3 * rng.normal(size=text.shape))
    texts = [f"word{number}" for number in range(1000)]
    weights = {"text": 0.5, "image": 0.5}
    heads = Heads(*(Projection.linear(np.eye(16, dtype=np.float32)) for _ in ("text", "image")))
    held_out = HeldOut(text, image, np.arange(1000), texts, text)
    found = held_out.calibrate(heads, weights)
    assert found.ece < 0.01
    assert found.brier < 0.3 * found.base
    strangers = replace(held_out, queries=np.roll(text, 1, axis=0)).calibrate(heads, weights)
    assert strangers.brier > 0.9 * strangers.base  # cosines that say nothing


def test_of_two_calibrations_the_one_that_does_better_is_kept() -> None:
    rng = np.random.default_rng(0)
    text = normalise(rng.normal(size=(1000, 16)))
    texts = [f"word{number}" for number in range(1000)]
    weights = {"text": 0.5, "image": 0.5}
    heads = Heads(*(Projection.linear(np.eye(16, dtype=np.float32)) for _ in ("text", "image")))
    queries = normalise(text + 0.4 * np.random.default_rng(5).normal(size=(1000, 16)))
    held_out = HeldOut(text, text, np.arange(1000), texts[:12], queries[:12])
    own = held_out.calibrate(heads, weights)
    taken = 0
    for scale in (5.0, 10.0, 20.0):
        for middle in (0.2, 0.3, 0.5, 0.7):
            earlier = Calibration(scale, -scale * middle)
            kept = held_out.calibrate(heads, weights, earlier)
            assert kept.brier <= own.brier < own.base
            assert kept.calibration == (earlier if kept.brier < own.brier else own.calibration)
            taken += kept.calibration == earlier
    assert 0 < taken < 12


def test_probabilities_that_tell_nothing_leave_those_before_and_are_named() -> None:
    rng = np.random.default_rng(0)
    text, queries = (normalise(rng.normal(size=(40, 16))) for _ in (0, 1))
    texts = [f"word{number}" for number in range(40)]
    heads = Heads(*(Projection.linear(np.eye(16, dtype=np.float32)) for _ in ("text", "image")))
    held_out = HeldOut(text, text, np.arange(40), texts, queries)
    weights, earlier = {"text": 0.5, "image": 0.5}, Calibration(9.0, -4.0)
    found = held_out.calibrate(heads, weights, earlier)
    assert found.calibration == earlier  # that of this shop is no better than a constant
    assert held_out.calibrate(heads, weights).brier >= found.base
    assert found.warning is not None
    assert f"Brier score is {found.brier}, {found.base} for" in found.warning


def test_queries_are_words_of_their_text() -> None:
    texts = ["Acme Red Crew Neck T-shirt", "one"] * 20
    queries = draw_queries(texts)
    for text, query in zip(texts, queries, strict=True):
        assert set(query.split()) <= set(text.split())
    assert {len(query.split()) for query in queries} == {1, 2, 3, 4}


def test_recall_counts_a_picture_of_an_equal_title() -> None:
    text, image = np.eye(20, dtype=np.float32), np.roll(np.eye(20, dtype=np.float32), 1, axis=0)
    alone = recall_of_pairs(text[:, :1], image[:, :1], np.arange(20))
    assert alone <= 1.0
    assert recall_of_pairs(text, text, np.arange(20)) == 1.0
    assert recall_of_pairs(text, image, np.zeros(20, np.int64)) == 1.0


def test_recall_counts_equal_titles_once() -> None:
    image = np.eye(30, dtype=np.float32)
    text = image.copy()
    text[29] *= -1  # its own picture is the furthest
    assert recall_of_pairs(text, image, np.array([0] * 29 + [1])) == 0.5


def test_a_recall_that_nothing_can_fail_is_named() -> None:
    rows = normalise(np.random.default_rng(0).normal(size=(11, 4)))
    held_out = HeldOut(rows, rows, np.arange(11), [], rows)
    assert held_out.warning is None
    few = replace(held_out, text=rows[:10], image=rows[:10], groups=np.arange(10))
    assert "only 10 products are held out" in str(few.warning)
    heads = Heads(*(Projection.linear(np.eye(4, dtype=np.float32)) for _ in ("text", "image")))
    assert replace(few, image=-few.text).recall(heads) == 1.0
