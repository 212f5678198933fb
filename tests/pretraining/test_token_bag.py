"""The token embedding bag: what it learns from pairs of texts."""

from dataclasses import replace
from typing import Any

import numpy as np
from small import COLOURS, KINDS
from training_data import Bag, coloured_set

from prodmatch.pretraining.head_fitting import (
    FrozenFeatures,
    HeadFittingSettings,
    fit_ensemble,
)
from prodmatch.pretraining.token_bag import (
    Pairs,
    Texts,
    draw_words,
    some_pairs,
    some_tokens,
)
from prodmatch.storage.vectors import normalise
from prodmatch.training.pairs import TextPair


def test_pairs_of_texts_are_drawn_from_all_of_them() -> None:
    sides = [
        Texts([np.array([side, row]) for row in range(rows)], np.full((rows, 1), side, "f4"))
        for side, rows in ((0, 200), (1, 200), (2, 100), (3, 100))
    ]
    pairs = [Pairs(*sides[:2], np.arange(200)), Pairs(*sides[2:], np.arange(100))]
    found = some_pairs(pairs, 100)
    assert found is not None
    assert [row.tolist() for row in found[0].tokens[:2]] == [[0, 0], [0, 3]]
    assert [row[1] for row in found[0].tokens] == [row[1] for row in found[1].tokens]
    for side, (first, second) in zip(found, ((0, 2), (1, 3)), strict=True):
        assert [int(row[0]) for row in side.tokens] == side.states[:, 0].astype(int).tolist()
        assert [row[0] for row in side.tokens] == [first] * 67 + [second] * 34
    assert [len(side.tokens) for side in found] == [67 + 34] * 2
    assert some_pairs([], 100) is None


def test_words_learn_which_texts_say_the_same() -> None:
    data, pictures, _ = coloured_set(300)
    encoder: Any = Bag()
    # words of no product, each pair of one colour and one kind said together
    pairs = [
        TextPair(colour, kind, "s") for colour, kind in zip(COLOURS, KINDS[-3:], strict=True)
    ] * 20
    settings = HeadFittingSettings(dim=16, inner_dim=32, epochs=8, batch_rows=64, rate=1e-2)
    cosines = []
    for said in ([], pairs):
        learnt = fit_ensemble(
            encoder,
            FrozenFeatures(replace(data, text_pairs=said), pictures),
            FrozenFeatures(data, pictures),
            settings,
        )
        tokens = [np.array(row) for row in encoder.tokenize([*COLOURS, *KINDS[-3:]])]
        rows = normalise(learnt.words[np.concatenate(tokens)])
        both = rows[:3] @ rows[3:].T
        cosines.append(float(np.diag(both).mean() - both[~np.eye(3, dtype=bool)].mean()))
    assert cosines[1] > cosines[0] + 0.1


def test_a_pair_that_is_alone_in_its_source_is_left_out() -> None:
    data, pictures, _ = coloured_set(60)
    encoder: Any = Bag()
    settings = HeadFittingSettings(dim=16, inner_dim=32, epochs=1, batch_rows=64)
    without = fit_ensemble(
        encoder, FrozenFeatures(data, pictures), FrozenFeatures(data, pictures), settings
    )
    alone = FrozenFeatures(replace(data, text_pairs=[TextPair("red", "blue", "s")]), pictures)
    assert fit_ensemble(encoder, alone, alone, settings).figures == without.figures


def test_some_tokens_of_a_text_are_drawn_in_order() -> None:
    rng = np.random.default_rng(0)
    drawn = [some_tokens(np.arange(30), rng).tolist() for _ in range(100)]
    assert {len(tokens) for tokens in drawn} == set(range(2, 9))
    assert all(tokens == sorted(set(tokens)) for tokens in drawn)
    assert some_tokens(np.array([4]), rng).tolist() == [4]


def test_words_are_left_out_but_never_all_of_a_text() -> None:
    tokens = [np.arange(5), np.arange(5, 6), np.arange(6, 200)]
    for seed in range(20):
        words, starts = draw_words(tokens, 0.5, np.random.default_rng(seed))
        drawn = np.split(words.numpy(), starts.numpy()[1:])
        assert all(set(few) <= set(all_) for few, all_ in zip(drawn, tokens, strict=True))
        assert drawn[1].tolist() == [5]
        assert len(drawn[0]) > 0
        assert 50 < len(drawn[2]) < 150
