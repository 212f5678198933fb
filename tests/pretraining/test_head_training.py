"""Heads over encoders that are trained already."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from training_data import training_set

from prodmatch.pretraining.contrastive import ContrastSettings
from prodmatch.pretraining.finish import finish_heads
from prodmatch.pretraining.head_training import EncodedTexts, ProductFeatures, train_heads
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


def test_products_that_a_short_text_fits_are_not_pushed_away(features: ProductFeatures) -> None:
    """All are mugs, and each is called so: no short text has anything to tell them by."""
    data = features.data
    mugs = [replace(product, title="mug", attributes={}) for product in data.products]
    plain = replace(data, products=mugs, text_pairs=[])
    same = ProductFeatures.read(plain, features.images, encode, encode, 0)
    short = [same.short.texts[number] for number in same.short.rows.ravel()]
    assert short.count("mug") > 0.8 * len(short)  # others are mistyped
    settings = replace(SETTINGS, head_epochs=5)
    only_short = replace(plain, title_groups=np.zeros(COUNT, np.int64))  # titles ignore all others
    text, _ = train_heads(replace(same, data=only_short), 40, settings)
    start, _ = train_heads(replace(same, data=only_short), 40, replace(settings, head_epochs=0))
    np.testing.assert_allclose(text.weight, start.weight, rtol=0.01)  # but for their decay


@pytest.mark.parametrize("width", [0, 64])
def test_finished_heads_have_a_bank_and_a_block_of_class_vectors(
    features: ProductFeatures, width: int
) -> None:
    general = encode([f"a photo of a {word}" for word in ["mug", "bowl", "lamp", "sofa", "table"]])
    heads = finish_heads(features, 104 - width, general, SETTINGS, 11)
    assert heads.bank is not None
    assert len(heads.image.blocks) == (2 if width else 0)
    assert heads.dim == 11
    if width:  # what is learnt reads no class vector
        assert not heads.image.weight[40:, :16].any()
