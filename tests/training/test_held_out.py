"""Figures of held-out products."""

from dataclasses import replace

import numpy as np

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
