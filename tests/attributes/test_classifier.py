"""A classifier learns from vectors and words, and predicts each row without having learnt it."""

import numpy as np

from prodmatch.attributes.classifier import Inputs, cross_fit, unit_parts
from prodmatch.attributes.words import MOST_IN_TEXT, choose_words, split_words


def words_of(*texts: str) -> list[list[str]]:
    return [split_words(text) for text in texts]


def test_words_are_those_that_distinguish_values_alone_and_in_pairs() -> None:
    texts = words_of(*["navy blue shirt"] * 9, *["sky blue shirt"] * 9)
    codes = np.repeat([0, 1], 9)
    found = choose_words(texts, codes, 2).words
    assert set(found[:4]) == {"navy", "navy blue", "sky", "sky blue"}
    kept = choose_words(texts, codes, 2, without=frozenset({"navy", "sky"})).words
    assert set(kept) == {"blue", "shirt", "blue shirt"}


def test_words_of_a_row_have_unit_length_and_padding_is_nothing() -> None:
    vocabulary = choose_words(
        words_of(*["red mug"] * 3, *["blue mug"] * 3), np.repeat([0, 1], 3), 2
    )
    numbers = vocabulary.number(words_of("red mug", "", "mug"))
    assert numbers.shape == (3, MOST_IN_TEXT)
    block = Inputs(np.zeros((3, 2), np.float32), numbers, vocabulary.padding).block(np.arange(3))
    assert block.shape == (3, 2 + vocabulary.padding)
    assert np.allclose(np.linalg.norm(block, axis=1), [1, 0, 1])


def test_parts_have_unit_length_and_a_missing_one_stays_zero() -> None:
    vectors = np.array([[3, 4, 0, 0], [0.6, 0, 0, 0.8]], np.float32)
    assert np.allclose(unit_parts(vectors), [[0.6, 0.8, 0, 0], [1, 0, 0, 1]])
    assert np.allclose(unit_parts(vectors, with_text=False), [[0, 0], [0, 1]])


def inputs(codes: np.ndarray, noise: float) -> Inputs:
    rng = np.random.default_rng(1)
    vectors = np.eye(4, dtype=np.float32)[codes] + rng.normal(0, noise, (len(codes), 4))
    return Inputs(vectors.astype(np.float32), np.full((len(codes), 3), 2, np.int32), 2)


def test_left_out_rows_are_predicted_from_the_others() -> None:
    codes = np.arange(400) % 4
    found = cross_fit(inputs(codes, 0.2), codes, 4)
    assert (found.own.argmax(axis=1) == codes).mean() > 0.97
    assert np.allclose(np.exp(found.own).sum(axis=1), 1, atol=1e-4)


def test_a_row_that_was_learnt_does_not_vouch_for_its_own_label() -> None:
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 2, 300)
    vectors = np.eye(300, dtype=np.float32)  # nothing in common: only memory could tell
    found = cross_fit(Inputs(vectors, np.full((300, 1), 0, np.int32), 0), codes, 2)
    assert abs((found.own.argmax(axis=1) == codes).mean() - 0.5) < 0.1


def test_rows_of_rare_values_are_predicted_and_teach_nothing() -> None:
    codes = np.arange(200) % 2
    rare = codes.copy()
    rare[:20] = -1
    found = cross_fit(inputs(codes, 0.1), rare, 2)
    assert (found.own.argmax(axis=1) == codes).mean() > 0.97
    assert found.predict(inputs(codes, 0.1).block(np.arange(3))).argmax(axis=1).tolist() == [
        0,
        1,
        0,
    ]
