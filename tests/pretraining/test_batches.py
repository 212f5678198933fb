"""Batches of an encoder training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from training_data import save_pair, training_set

from prodmatch.encoders.networks.text import load_tokenizer
from prodmatch.model.preprocessing import TextSpec
from prodmatch.pretraining.batches import (
    Batches,
    TextReader,
    draw_batches,
    find_fitting,
    find_same,
)
from prodmatch.pretraining.data import TextPair, TrainingProduct


def test_batches_are_of_one_source_and_full() -> None:
    sources = np.array([7] * 100 + [3] * 40 + [9] * 5)
    batches = draw_batches(sources, 32, np.random.default_rng(0))
    assert [len(batch) for batch in batches] == [32] * 5
    assert all(len(set(sources[batch].tolist())) == 1 for batch in batches)
    of = {
        source: np.concatenate([b for b in batches if sources[b[0]] == source])
        for source in (7, 3, 9)
    }
    assert {source: len(rows) for source, rows in of.items()} == {7: 96, 3: 32, 9: 32}
    assert len(set(of[7].tolist())) == 96  # no product twice before all were there
    assert set(of[9].tolist()) == set(range(140, 145))  # filled up with others of the source
    first = [int(sources[batch[0]]) for batch in batches]
    assert first != sorted(first), "batches of a source follow each other"


def test_a_short_text_fits_every_product_that_says_all_of_its_words() -> None:
    products = [
        TrainingProduct("Red mug", "", {}),
        TrainingProduct("Mug", "A red one, for tea", {}),
        TrainingProduct("Red shirt", "", {"type": "mugs"}),
        TrainingProduct("Blue mug", "", {}),
    ]
    fitting = find_fitting(["red mugs", "tea", "shirt", "mug"], products)
    expected = [[0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0]]
    np.testing.assert_array_equal(fitting, np.array(expected, bool))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> TextReader:
    pair = save_pair(tmp_path_factory.mktemp("pair"))
    return TextReader(load_tokenizer(pair.text_folder), pair.text, 32)


def test_a_batch_follows_from_its_number_and_the_seed(reader: TextReader) -> None:
    data = training_set(60)
    batches = Batches(data, reader, 16, epochs=2, seed=1)
    assert (batches.steps, len(batches)) == (4, 8)
    loaded = list(batches.load(5, 0))
    assert len(loaded) == 3
    for found, expected in zip(loaded, [batches[5], batches[6], batches[7]], strict=True):
        np.testing.assert_array_equal(found.rows, expected.rows)
        torch.testing.assert_close(found.tokens, expected.tokens)
    again = Batches(data, reader, 16, epochs=2, seed=2)
    assert not np.array_equal(again[5].rows, loaded[0].rows)
    assert [batches[step].pairs is not None for step in range(4)] == [False, True, False, True]
    batch = batches[5]
    assert batch.tokens.shape[:2] == (2, 16 + 16 + 4)
    assert batch.pairs is not None
    assert batch.pairs.tokens.shape[:2] == (2, 8)
    alone = replace(data, texts=[], text_pairs=[])
    batch = Batches(alone, reader, 16, epochs=2, seed=1)[5]
    assert batch.tokens.shape[:2] == (2, 32)
    assert batch.pairs is None


def test_the_right_texts_of_pairs_that_are_equal_are_no_negatives(reader: TextReader) -> None:
    data = training_set(60)
    pairs = [TextPair(f"left {number}", f"right {number}") for number in range(8)]
    same = [pair._replace(right="one") for pair in pairs]
    for texts, ignored in ((pairs, False), (same, True)):
        batch = Batches(replace(data, text_pairs=texts), reader, 16, epochs=1, seed=0)[1]
        assert batch.pairs is not None
        expected = np.full((4, 4), ignored) & ~np.eye(4, dtype=bool)
        np.testing.assert_array_equal(batch.pairs.ignored.numpy(), expected)
    assert not batch.same.any()
    doubled = replace(training_set(60), title_groups=np.arange(60) // 4)
    batch = Batches(doubled, reader, 16, epochs=1, seed=0)[0]
    groups = doubled.title_groups[batch.rows]
    expected = (groups[:, None] == groups) & ~np.eye(16, dtype=bool)
    np.testing.assert_array_equal(batch.same.numpy(), expected)
    assert (batch.fitting | ~batch.same).all()


def test_pairs_with_a_text_in_common_are_no_negatives() -> None:
    left = ["red mug", "Blue lamp", "a lamp", "red mugs", "green sofa"]
    right = ["mug, red", "lamp of glass", "blue lamps", "a cup", "sofa"]
    expected = np.zeros((5, 5), bool)
    expected[0, 3] = expected[3, 0] = True  # equal lefts
    expected[1, 2] = expected[2, 1] = True  # a left and a right
    np.testing.assert_array_equal(find_same(left, right), expected)
    np.testing.assert_array_equal(find_same(right, left), expected)
    assert find_same(["a", "b"], ["c", "c"]).tolist() == [[False, True], [True, False]]


def test_texts_are_read_with_the_prefixes_of_their_kind(reader: TextReader) -> None:
    spec = TextSpec(max_tokens=6, passage_prefix="red ", query_prefix="blue ")
    prefixed = replace(reader, spec=spec).tokens(["mug", "mug number 1 of the shirt"], ["lamp"])
    plain = reader.tokens(["blue lamp", "red mug"])
    assert prefixed.shape == (2, 3, 6)
    torch.testing.assert_close(prefixed[0, :2, :4], plain[0])
    assert prefixed[1].sum(dim=1).tolist() == [4, 4, 6]
