"""Heads over encoders that are trained already."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from training_data import training_set

from prodmatch.pretraining.contrastive import ContrastSettings
from prodmatch.pretraining.head_training import (
    EncodedTexts,
    ProductFeatures,
    fit_final_heads,
    train_heads,
)
from prodmatch.storage.vectors import Vectors, normalise
from prodmatch.training.held_out import recall_of_pairs

COUNT = 160
SETTINGS = ContrastSettings(head_epochs=60, batch_rows=80, inner_dim=16, average=0.9)


def encode(texts: Sequence[str]) -> Vectors:
    """A bag of hashed words: 64 features a text."""
    found = np.zeros((len(texts), 64), np.float32)
    for row, text in zip(found, texts, strict=True):
        for word in text.lower().split():
            row[sum(word.encode()) % 64] += 1
    return found


@pytest.fixture(scope="module")
def features() -> ProductFeatures:
    """Pictures of which 32 features show what titles say, 8 nothing, and 64 are class vectors."""
    data = training_set(COUNT)
    rng = np.random.default_rng(1)
    shown = encode(data.titles) @ rng.normal(size=(64, 32)) + rng.normal(size=(COUNT, 32))
    noise, classes = rng.normal(size=(COUNT, 8)), normalise(rng.normal(size=(COUNT, 64)))
    images = np.concatenate([shown, noise, classes], axis=1).astype(np.float16)
    return ProductFeatures.read(data, images, encode, encode, 0)


def test_every_text_is_encoded_once() -> None:
    calls: list[str] = []

    def once(texts: Sequence[str]) -> Vectors:
        calls.extend(texts)
        return encode(texts)

    found = EncodedTexts.read([["red mug", "a"], ["a", "a long blue mug"]], once)
    assert sorted(calls) == ["a", "a long blue mug", "red mug"]
    taken = found.take(found.rows[1]).numpy()
    np.testing.assert_array_equal(taken, encode(["a", "a long blue mug"]))
    assert [found.texts[number] for number in found.rows[0]] == ["red mug", "a"]
    assert EncodedTexts.read([], once).rows.size == 0


def test_short_texts_are_read_as_queries() -> None:
    data = training_set(4)
    images = np.zeros((4, 1), np.float16)
    found = ProductFeatures.read(data, images, lambda texts: encode(texts) + 100, encode, 0)
    assert found.short.features.min() >= 100
    assert found.long.features.max() < 100
    assert found.short.rows.shape == (4, 4)
    np.testing.assert_array_equal(found.titles(np.array([2, 0])), encode(data.titles)[[2, 0]])


def test_trained_heads_find_pictures_by_titles(features: ProductFeatures) -> None:
    text, image = train_heads(features, 40, SETTINGS)
    titles = features.titles(np.arange(COUNT))
    vectors = text(titles), image(features.images[:, :40].astype(np.float32))
    assert recall_of_pairs(*vectors, features.data.title_groups) > 0.9  # of chance .06
    again, _ = train_heads(features, 40, SETTINGS)
    np.testing.assert_array_equal(again.weight, text.weight)
    other, _ = train_heads(features, 40, replace(SETTINGS, seed=1))
    assert not np.array_equal(other.weight, text.weight)


def test_a_short_training_is_not_the_average_of_its_first_steps(features: ProductFeatures) -> None:
    found = []
    for decay in (ContrastSettings().average, 0.0):
        settings = replace(SETTINGS, average=decay, head_epochs=40)
        text, image = train_heads(features, 40, settings)
        vectors = text(features.titles(np.arange(COUNT))), image(features.images[:, :40])
        found.append(recall_of_pairs(*vectors, features.data.title_groups))
    assert found[0] >= found[1] - 0.02


@pytest.mark.parametrize(
    "change",
    [{"warm_up": 1.0}, {"head_decay": 5.0}, {"pair_weight": 0.0}, {"short_weight": 0.0}],
)
def test_every_setting_has_its_effect(features: ProductFeatures, change: dict[str, float]) -> None:
    settings = replace(SETTINGS, head_epochs=3)
    text, _ = train_heads(features, 40, settings)
    other, _ = train_heads(features, 40, replace(settings, **change))
    assert not np.array_equal(other.weight, text.weight)


def test_long_texts_besides_titles_are_learnt_from(features: ProductFeatures) -> None:
    settings = replace(SETTINGS, head_epochs=3)
    titles = features.long.rows[:, :1].repeat(features.long.rows.shape[1], axis=1)
    alone = replace(features, long=replace(features.long, rows=titles))
    weights = [train_heads(each, 40, settings)[0].weight for each in (features, alone)]
    assert not np.array_equal(*weights)


def test_pairs_that_share_a_text_are_no_wrong_answers(features: ProductFeatures) -> None:
    """Of two pairs (a, b) and (b, a) either text answers for the other, and nothing is learnt."""
    texts = ["red mug", "a mug in red"]
    settings = replace(SETTINGS, head_epochs=3)
    weights = []
    for drawn in np.random.default_rng(0).normal(size=(2, 2, 64)).astype(np.float16):
        pairs = EncodedTexts(texts, drawn, np.array([[0, 1], [1, 0]]))
        changed = replace(features, pairs=pairs, pair_sources=np.array(["", ""]))
        weights.append(train_heads(changed, 40, settings)[0].weight)
    np.testing.assert_array_equal(*weights)


def test_what_a_short_text_fits_is_no_wrong_answer(features: ProductFeatures) -> None:
    """Every product says "number", so there is nothing to learn from where that is all."""
    rows = np.zeros_like(features.short.rows)
    settings = replace(SETTINGS, head_epochs=3)
    weights = [
        train_heads(replace(features, short=EncodedTexts(["number"], row, rows)), 40, settings)[0]
        for row in np.random.default_rng(0).normal(size=(2, 1, 64)).astype(np.float16)
    ]
    np.testing.assert_array_equal(weights[0].weight, weights[1].weight)


def test_pairs_are_learnt_from_and_the_average_is_kept(features: ProductFeatures) -> None:
    settings = replace(SETTINGS, head_epochs=3)
    text, _ = train_heads(features, 40, settings)
    unpaired = replace(features, pair_sources=np.array([], str))
    others = [
        train_heads(unpaired, 40, settings)[0],
        train_heads(features, 40, replace(settings, average=0.0))[0],
    ]
    assert not any(np.array_equal(other.weight, text.weight) for other in others)


@pytest.mark.parametrize("width", [0, 64])
def test_final_heads_have_a_bank_and_a_block_of_class_vectors(
    features: ProductFeatures, width: int
) -> None:
    general = encode([f"a photo of a {word}" for word in ["mug", "bowl", "lamp", "sofa", "table"]])
    heads = fit_final_heads(features, 104 - width, general, SETTINGS, 11)
    assert heads.bank is not None
    assert len(heads.image.blocks) == (2 if width else 0)
    assert heads.dim == 11
    halves = heads.image.weight.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(heads.image.weight, halves)
    if width:  # what is learnt reads no class vector
        assert not heads.image.weight[40:104, :16].any()
        assert heads.image.hidden is not None
        assert not heads.image.hidden.weight[40:].any()
