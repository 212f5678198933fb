"""Hubs: what is near to every text is told by a bank of texts, and found less."""

from pathlib import Path

import numpy as np
import pytest
from small import draw

from prodmatch import open_index
from prodmatch.model.heads import Heads
from prodmatch.model.hubness import (
    LARGEST_PENALTY,
    PENALTY,
    QUERY_WEIGHT,
    penalised_image_query,
    plain_image_query,
)
from prodmatch.model.onnx_encoders import QueryEncoders
from prodmatch.model.projection import Projection
from prodmatch.search.encoded_query import encode_items
from prodmatch.search.queries import Query
from prodmatch.storage.vectors import Vectors, normalise
from prodmatch.training.heads import MOST_TEXTS, TEXTS_PER_CENTRE, add_query_bank
from prodmatch.training.held_out import recall_of_pairs

DIM = 12


def plain_heads() -> Heads:
    eye, zeros = np.eye(DIM, dtype=np.float32), np.zeros(DIM, np.float32)
    plain = Projection(eye, zeros, zeros, eye)
    return Heads(plain, plain)


def products(seed: int, count: int) -> tuple[Vectors, Vectors]:
    """Texts, and pictures like them; one picture in ten leans to where all texts are."""
    rng = np.random.default_rng(seed)
    texts = rng.normal(size=(count, DIM)) + 0.8
    pictures = texts + 1.2 * rng.normal(size=(count, DIM))
    pictures[::10] += 3.0
    return normalise(texts), normalise(pictures)


def asked_and_found(heads: Heads, count: int) -> tuple[Vectors, Vectors]:
    texts, pictures = products(1, count)
    return penalised_image_query(heads.texts(texts)), heads.pictures(pictures)


def test_with_a_bank_more_texts_find_their_picture_and_hubs_are_found_less() -> None:
    plain = plain_heads()
    banked = add_query_bank(plain, *products(0, 3000))
    figures, hubs = [], []
    for heads in (plain, banked):
        asked, found = asked_and_found(heads, 600)
        figures.append(recall_of_pairs(asked, found, np.arange(600)))
        nearest = np.argsort(-(asked @ found.T), axis=1)[:, :10]
        hubs.append((nearest % 10 == 0).mean())
    assert figures[1] > figures[0] + 0.05
    assert hubs[0] > 0.3
    assert 0.02 < hubs[1] < 0.2  # a tenth of the pictures


def test_the_inner_product_takes_off_how_much_nearer_than_usual_a_picture_is() -> None:
    heads = add_query_bank(plain_heads(), *products(0, 3000))
    texts, pictures = products(1, 50)
    asked, found = asked_and_found(heads, 50)
    bank = heads.bank
    assert bank is not None
    near = bank.similarity(pictures) - bank.usual
    within = np.abs(found[:, 0]) < LARGEST_PENALTY
    assert 25 < within.sum() < 50
    first = found[:, :1]
    expected = texts @ (pictures * np.sqrt(1 - first**2)).T - PENALTY * near
    scale = asked[0, 1:] @ texts[0]
    np.testing.assert_allclose((asked @ found.T)[:, within], scale * expected[:, within], atol=1e-5)


def test_a_bank_is_of_groups_and_what_it_says_is_a_soft_maximum() -> None:
    texts, pictures = products(0, 3000)
    heads = add_query_bank(plain_heads(), texts, pictures)
    bank = heads.bank
    assert bank is not None
    assert len(bank.codes) <= min(MOST_TEXTS, 3000 // TEXTS_PER_CENTRE)
    every = np.log(np.exp(20.0 * pictures @ texts.T).mean(axis=1)) / 20.0
    assert np.corrcoef(bank.similarity(pictures), every)[0, 1] > 0.95
    assert abs(np.mean(bank.similarity(pictures) - bank.usual)) < 1e-6


def test_halves_are_unit_rows_with_a_bank_or_without_whatever_the_rows_beside_them() -> None:
    texts, pictures = products(1, 40)
    for heads in (plain_heads(), add_query_bank(plain_heads(), *products(0, 100))):
        said, seen = heads.texts(texts), heads.pictures(pictures)
        for parts in (said, seen, penalised_image_query(said), plain_image_query(seen)):
            assert parts.shape == (40, heads.dim) == (40, DIM + 1)
            np.testing.assert_allclose(np.linalg.norm(parts, axis=1), 1.0, atol=1e-6)
        np.testing.assert_array_equal(heads.pictures(pictures[7:8]), seen[7:8])
        assert not plain_image_query(seen)[:, 0].any()
    nothing = np.zeros((2, DIM + 1), np.float32)
    assert not penalised_image_query(nothing).any()
    assert not plain_image_query(nothing).any()


def test_heads_with_a_bank_come_back_as_they_were_saved(tmp_path: Path) -> None:
    heads = add_query_bank(plain_heads(), *products(0, 500))
    heads.save(tmp_path / "heads.safetensors")
    opened = Heads.open(tmp_path / "heads.safetensors")
    pictures = products(1, 30)[1]
    np.testing.assert_array_equal(opened.pictures(pictures), heads.pictures(pictures))
    assert heads.pictures(pictures)[:, 0].any()


@pytest.mark.parametrize("missing", ["text", "image"])
def test_a_product_asks_for_what_is_like_it_and_without_a_picture_as_a_text(missing: str) -> None:
    heads = add_query_bank(plain_heads(), *products(0, 500))
    texts, pictures = products(1, 1)
    text, image = heads.texts(texts)[0], heads.pictures(pictures)[0]
    nothing, none = np.zeros_like(text), np.zeros(0, np.int64)
    if missing == "image":
        encoded = encode_items(text, nothing, none)
        np.testing.assert_array_equal(encoded.text, text)
        np.testing.assert_array_equal(encoded.image, penalised_image_query(text))
    else:
        encoded = encode_items(nothing, image, none)
        np.testing.assert_array_equal(encoded.image, plain_image_query(image))
        np.testing.assert_array_equal(encoded.text, plain_image_query(image))


def test_words_ask_for_pictures_without_hubs_and_a_picture_for_its_like(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_index(published).searcher
    hub = np.zeros((1, opened.encoders.dim), np.float32)
    hub[0, :2] = -0.6, 0.8
    monkeypatch.setattr(QueryEncoders, "pictures", lambda *_: hub)
    picture = draw((200, 20, 20), 0)
    words, seen, both = opened.encode(
        [
            Query(text="red shirt"),
            Query(image=picture),
            Query(text="red shirt", image=picture),
        ]
    )
    assert words.text[0] == 0.0
    np.testing.assert_allclose(words.image, penalised_image_query(words.text), atol=1e-6)
    for asked in (seen.text, seen.image):
        np.testing.assert_allclose(asked, plain_image_query(hub[0]), atol=1e-6)
    assert 0.0 == both.text[0] < both.image[0] < QUERY_WEIGHT
