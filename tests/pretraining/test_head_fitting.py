"""Fitting of the token embedding bag and the heads over frozen encoders."""

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
import torch
from small import COLOURS, KINDS
from training_data import Bag, coloured_set

from prodmatch.model.heads import Heads
from prodmatch.pretraining import head_fitting
from prodmatch.pretraining.ensemble import HeadRun, Sample
from prodmatch.pretraining.head_fitting import (
    FrozenFeatures,
    HeadFittingSettings,
    draw_balanced,
    fit_ensemble,
)
from prodmatch.pretraining.token_bag import (
    mean_rows,
)
from prodmatch.training.metrics import (
    recall_of_pairs,
)
from prodmatch.training.pairs import TextPair


def test_words_and_heads_are_learnt_and_from_shuffled_pictures_are_not() -> None:
    data, pictures, _ = coloured_set(300)
    settings = HeadFittingSettings(dim=16, inner_dim=32, epochs=20, batch_rows=64, rate=1e-2)
    seen = FrozenFeatures(data, pictures)
    encoder: Any = Bag()
    learnt = fit_ensemble(encoder, seen, seen, settings)
    assert learnt.figure > 0.95
    assert learnt.words.shape == (Bag.vocabulary, 32)
    # the heads and the table that come back reach the figure that is said of them
    titles = [product.title for product in data.products]
    tokens = [np.array(row) for row in encoder.tokenize(titles)]
    features = np.concatenate([encoder.encode(titles), mean_rows(learnt.words, tokens)], axis=1)
    parts = learnt.heads.text(features), learnt.heads.image(pictures)
    assert recall_of_pairs(*parts, data.title_groups) == learnt.figure
    mixed = FrozenFeatures(data, pictures[np.random.default_rng(3).permutation(300)])
    chance = recall_of_pairs(
        parts[0], parts[1][np.random.default_rng(4).permutation(300)], data.title_groups
    )
    assert fit_ensemble(encoder, mixed, seen, settings).figure < chance + 0.2


def test_what_is_elsewhere_in_a_mirrored_picture_is_not_leant_on() -> None:
    data, pictures, _ = coloured_set(300)
    sides = 4 * np.random.default_rng(5).normal(size=(60, 12)).astype(np.float32)
    sides = sides[data.title_groups]  # tells titles best, until a picture is mirrored
    dim = pictures + np.random.default_rng(6).normal(scale=6, size=pictures.shape)
    plain, mirrored = (np.hstack([dim, by]).astype(np.float32) for by in (sides, -sides))
    settings = HeadFittingSettings(
        dim=16, inner_dim=32, runs=2, epochs=20, batch_rows=64, rate=1e-2
    )
    encoder: Any = Bag()
    judge = FrozenFeatures(data, mirrored)
    learnt = fit_ensemble(encoder, FrozenFeatures(data, plain, mirrored), judge, settings)
    assert learnt.figure > 0.9
    assert learnt.figures[0][-1] < 0.8 < learnt.figures[1][-1]  # every other fit sees them
    assert fit_ensemble(encoder, FrozenFeatures(data, plain), judge, settings).figure < 0.7
    never = replace(settings, augmented=0.0)
    assert fit_ensemble(encoder, FrozenFeatures(data, plain, mirrored), judge, never).figure < 0.7


def test_the_last_epoch_that_is_about_the_best_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    data, pictures, _ = coloured_set(150)  # of 15 titles: a standard error of .13
    figures = [0.5, 0.9, 0.8, 0.7]
    given = iter([*figures, 0.6])
    judged: list[Heads] = []

    def judge(fit: HeadRun, heads: Heads, sample: Sample) -> float:
        judged.append(heads)
        return next(given)

    monkeypatch.setattr(HeadRun, "recall", judge)
    settings = HeadFittingSettings(dim=16, inner_dim=32, runs=1, epochs=4, batch_rows=64)
    seen, encoder = FrozenFeatures(data, pictures), cast("Any", Bag())
    found = fit_ensemble(encoder, seen, seen, settings)
    assert found.figures == [figures]
    assert found.figure == 0.6  # of what was kept
    np.testing.assert_array_equal(found.heads.image.weight, judged[2].image.weight)
    assert not np.array_equal(judged[3].image.weight, judged[2].image.weight)


def test_pairs_are_told_from_others_of_their_source(monkeypatch: pytest.MonkeyPatch) -> None:
    data, pictures, _ = coloured_set(300)
    pairs = [TextPair(colour, colour, "colours") for colour in COLOURS]
    pairs += [TextPair(kind, kind, "kinds") for kind in KINDS]
    encoder: Any = Bag()
    tokens = {
        source: {row[0] for row in encoder.tokenize([p.left for p in pairs if p.source == source])}
        for source in ("colours", "kinds")
    }
    seen: list[str] = []
    known = head_fitting._pair_loss

    def listen(model: Any, drawn: Any, rng: np.random.Generator) -> torch.Tensor:
        said = {int(row[0]) for row in drawn.left.tokens}
        seen.extend(source for source, own in tokens.items() if said == own)
        return known(model, drawn, rng)

    monkeypatch.setattr(head_fitting, "_pair_loss", listen)
    shop = FrozenFeatures(replace(data, text_pairs=pairs), pictures)
    settings = HeadFittingSettings(dim=16, inner_dim=32, epochs=4, batch_rows=32)
    fit_ensemble(encoder, shop, shop, settings)
    assert set(seen) == {"colours", "kinds"}
    assert len(seen) == settings.runs * 4 * len(
        draw_balanced(data.sources, settings, np.random.default_rng(0))
    )


def test_small_sources_are_shown_several_times_where_words_and_heads_are_fitted() -> None:
    sources = np.array([7] * 400 + [3] * 160 + [5] * 50 + [9] * 4)
    batches = draw_balanced(sources, HeadFittingSettings(batch_rows=50), np.random.default_rng(0))
    assert all(len(set(sources[batch].tolist())) == 1 for batch in batches)
    times = np.bincount(np.concatenate(batches), minlength=len(sources))
    assert [set(times[sources == source].tolist()) for source in (7, 3, 5, 9)] == [
        {1},
        {1},
        {2},
        {4},
    ]


def test_half_of_the_batches_are_of_products_that_resemble_each_other() -> None:
    rng = np.random.default_rng(0)
    kinds = np.arange(1200) % 6  # in six places far from each other
    positions = rng.normal(size=(1200, 8)).astype(np.float32) + 30 * np.eye(8, dtype="f4")[kinds]
    sources = np.repeat([0, 1], [1000, 200])
    settings = HeadFittingSettings(batch_rows=100, smallest=0.0)
    batches = draw_balanced(sources, settings, rng, positions)
    assert sorted(np.concatenate(batches).tolist()) == list(range(1200))
    assert len(batches) == len(draw_balanced(sources, settings, rng))
    assert all(len(set(sources[batch].tolist())) == 1 for batch in batches)
    most = [np.bincount(kinds[batch]).max() / len(batch) for batch in batches]
    large = [share for share, batch in zip(most, batches, strict=True) if sources[batch[0]] == 0]
    assert sum(share > 0.4 for share in large) == 5
    assert all(share < 0.4 for share, batch in zip(most, batches, strict=True) if sources[batch[0]])
    alone = draw_balanced(sources, replace(settings, hard_negatives=1.0), rng, positions)
    assert sorted(np.concatenate(alone).tolist()) == list(range(1200))
    assert min(map(len, alone)) == 100
