"""Fitted heads beside those of a model: as far as held-out products pay for it, and no further."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small import products, write

from prodmatch.catalogue.reader import open_catalogue
from prodmatch.encoders.networks.model_writer import EncoderFiles
from prodmatch.model.description import Model, open_model
from prodmatch.model.heads import Heads, fit_cca, project_heads
from prodmatch.model.projection import Projection
from prodmatch.storage.vectors import Vectors
from prodmatch.train import HeadSettings, fit_heads
from prodmatch.training.dataset import Examples
from prodmatch.training.heads import (
    ADDED,
    PICTURE_SHARE,
    SHARES,
    add_query_bank,
    ensemble_heads,
    leave_where_it_pays,
)
from prodmatch.training.held_out import Measure, recall_of_pairs
from prodmatch.training.trained_model import Fitted

WIDTH = 24


def drawn(seed: int, *shape: int) -> Vectors:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def heads_of(seed: int, inner: int = 12) -> Heads:
    """Random heads, centred and projected."""
    text, image = (Projection.linear(drawn(seed + n, WIDTH, inner)) for n in (0, 1))
    parts = text(drawn(8, 200, WIDTH)), image(drawn(9, 200, WIDTH))
    return project_heads(text, image, parts, inner)


def world(seed: int, count: int, *, turned: bool, noise: float = 0.3) -> tuple[Vectors, Vectors]:
    """Texts and pictures of the same causes; of a shop, in `turned` directions of its own."""
    rng = np.random.default_rng(seed)
    causes = rng.normal(size=(count, 8)).astype(np.float32)
    text, image = (drawn(30 + n + 2 * turned, 8, WIDTH) for n in (0, 1))
    noises = [noise * rng.normal(size=(count, WIDTH)) for _ in (0, 1)]
    sides = causes @ text + noises[0], causes @ image + noises[1]
    return sides[0].astype(np.float32), sides[1].astype(np.float32)


def recall(heads: Heads, pairs: tuple[Vectors, Vectors]) -> float:
    numbers = np.arange(len(pairs[0]))
    return recall_of_pairs(heads.texts(pairs[0]), heads.pictures(pairs[1]), numbers)


def left(
    start: Heads, fitted: Heads, measure: Measure, pairs: tuple[Vectors, Vectors], slack: float
) -> Fitted:
    numbers = np.arange(len(pairs[0]))
    examples = Examples.of_pairs(*pairs, numbers, numbers)
    before = Fitted(fitted, "linear", "infonce", 0.0, 0.0, [])
    return leave_where_it_pays(start, before, measure, [examples], slack)


def test_both_have_their_directions_and_their_shares() -> None:
    start, fitted, text = heads_of(1), heads_of(4), drawn(2, 60, WIDTH)
    assert ensemble_heads(start, fitted, 0.0, text) is start
    both = ensemble_heads(start, fitted, 0.75, text)
    assert both.dim == start.dim + fitted.dim - 1
    assert both.text.shares == pytest.approx((0.25, 0.75))
    assert both.image.shares == pytest.approx((1 - PICTURE_SHARE, PICTURE_SHARE))
    assert both.text.familiarity[0].shares.tolist() == [1.0, 0.0]
    wide = replace(fitted, text=Projection.linear(drawn(5, WIDTH, ADDED + 9)))
    rotation = ensemble_heads(start, wide, 0.25, text).text.rotation
    assert rotation.shape[1] == start.text.rotation.shape[1] + ADDED


@pytest.mark.parametrize(
    ("figures", "slack", "share"),
    [
        ([0.5, 0.5, 0.5], 0.0, 0.0),
        ([0.5, 0.49, 0.3], 0.0, 0.0),
        ([0.5, 0.7, 0.6], 0.0, 0.25),
        ([0.5, 0.6, 0.6], 0.02, 0.25),
        ([0.69, 0.6, 0.7], 0.02, 0.0),
        ([0.1, 0.2, 0.3], 0.05, 0.5),
    ],
)
def test_the_best_share_is_taken_where_it_pays(
    figures: list[float], slack: float, share: float
) -> None:
    start, fitted, text = heads_of(1), heads_of(4), drawn(2, 60, WIDTH)
    given = iter(figures)
    found = left(start, fitted, lambda _: next(given), (text, drawn(3, 60, WIDTH)), slack)
    assert (found.share, found.after) == (share, figures[SHARES.index(share)])
    assert found.before == figures[0]  # of the model's heads alone
    expected = ensemble_heads(start, fitted, share, text)
    np.testing.assert_array_equal(found.heads.text.weight, expected.text.weight)
    np.testing.assert_array_equal(found.heads.text.shares, expected.text.shares)
    assert found.heads.bank is not None
    assert list(SHARES) == sorted(SHARES)


def test_what_lies_outside_is_not_lost_and_what_pays_is_gained() -> None:
    known, shop = (world(1, 800, turned=turned) for turned in (False, True))
    inside, outside = (world(2, 300, turned=turned) for turned in (True, False))
    start, fitted = (add_query_bank(fit_cca(*pairs, 16), *pairs) for pairs in (known, shop))
    found = left(start, fitted, lambda each: recall(each, inside), shop, 0.1)
    heads = found.heads
    assert found.share > 0
    assert recall(heads, inside) > recall(start, inside) + 0.3
    assert recall(heads, outside) > recall(start, outside) - 0.05
    assert recall(fitted, outside) < 0.1
    familiar = [np.median(heads.text.familiarities(pairs[0])) for pairs in (inside, outside)]
    assert familiar[0] > 0.8 > 0.2 > familiar[1]
    # a shop whose products are as those that the model knows leaves it as it is
    again = fit_cca(*world(3, 800, turned=False), 16)
    found = left(start, again, lambda each: recall(each, outside), known, 0.05)
    assert (found.heads, found.share) == (start, 0.0)


def test_queries_with_labels_are_familiar_where_no_product_is_like_them() -> None:
    """What a shop's own words mean only the fitted heads know, so they must count in these."""
    texts, queries, others, strange = (
        drawn(n, 200, WIDTH) + 20 * np.eye(WIDTH, dtype=np.float32)[n] for n in range(4)
    )
    whole = Projection.linear(np.eye(WIDTH, dtype=np.float32))
    rows, rest = np.arange(200), (np.ones(200, np.float32), np.arange(200) // 3, np.arange(200))
    pairs = Examples.of_pairs(texts, others, rows, rows)
    labelled = Examples(queries, texts, others, *rest)
    fitted = Fitted(heads_of(4), "linear", "infonce", 0.0, 0.0, [])
    for sets, familiar in (([labelled, pairs], True), ([pairs], False)):
        figures = iter(SHARES)
        found = leave_where_it_pays(
            Heads(whole, whole), fitted, lambda _, each=figures: next(each), sets, 0.0
        )
        known = found.heads.text.familiarities
        assert (np.median(known(queries)) > 0.5) == familiar
        assert np.median(known(strange)) < 0.1 < 0.5 < np.median(known(texts))
    np.testing.assert_array_equal(labelled.distinct_queries(), queries[::3])


def test_words_find_their_texts_as_before_whatever_pays_for_pictures() -> None:
    texts, images = drawn(1, 800, WIDTH), drawn(2, 800, WIDTH)
    whole = Projection.linear(np.eye(WIDTH, dtype=np.float32))
    narrow = Projection.linear(drawn(3, WIDTH, 3))  # what pictures show
    figures = iter(SHARES)
    start = add_query_bank(Heads(whole, whole), texts, images)
    found = left(start, Heads(narrow, narrow), lambda _: next(figures), (texts, images), 0.0)
    assert found.share == SHARES[-1]
    words, numbers = texts[:300] + 0.5 * drawn(4, 300, WIDTH), np.arange(300)
    before, after, fitted = (
        recall_of_pairs(heads.texts(words), heads.texts(texts[:300]), numbers)
        for heads in (start, found.heads, Heads(narrow, narrow))
    )
    assert fitted < 0.6 < 0.95 < before
    assert after > before - 0.02


def test_the_penalties_of_hubs_are_those_of_the_model_that_was_left() -> None:
    start, fitted = (add_query_bank(heads_of(n), *world(n, 200, turned=False)) for n in (1, 4))
    text, image = world(5, 100, turned=False)
    joined = ensemble_heads(start, fitted, 0.5, text)
    assert start.bank is not None
    assert joined.bank is not None
    expected = start.bank.penalties(start.image(image))
    found = joined.bank.penalties(joined.image(image))
    assert np.corrcoef(expected, found)[0, 1] > 0.95


@pytest.mark.parametrize(("share", "card"), [(0.5, "0.50 of a score"), (0.0, None)])
def test_training_keeps_the_heads_of_a_model_beside_the_fitted_ones(
    share: float, card: str | None, model: Model, tmp_path: Path
) -> None:
    catalogue = open_catalogue(write(tmp_path / "c.parquet", products(90)))
    settings = HeadSettings(dim=8, epochs=1, workers=0, precision="float32", shares=(share,))
    own = replace(model.description, weights={"lexical": 0.1, "text": 0.2, "image": 0.7})
    model = replace(model, description=own)
    files = EncoderFiles.of_model(model)
    report = fit_heads(catalogue, files, tmp_path / "new", tmp_path / "store", settings)
    assert (report.heads == "kept") == (card is None)
    trained, text = open_model(str(tmp_path / "new")), (tmp_path / "new/README.md").read_text()
    assert trained.heads.bank is not None
    assert trained.description.weights == model.description.weights
    assert f"figure that decided was {report.before:.4f} for\nthe heads before" in text
    inner = len(model.heads.text.bias)
    if card is None:
        assert trained.heads.dim == model.heads.dim
        assert "of a score" not in text
    else:
        np.testing.assert_array_equal(trained.heads.text.weight[:, :inner], model.heads.text.weight)
        assert trained.heads.text.shares == (0.5, 0.5)
        assert card in text


def test_probabilities_of_the_model_stay_where_the_shop_tells_nothing(
    model: Model, tmp_path: Path
) -> None:
    catalogue = open_catalogue(write(tmp_path / "c.parquet", products(90)))
    settings = HeadSettings(dim=8, epochs=1, workers=0, precision="float32")
    paths = tmp_path / "new", tmp_path / "store"
    report = fit_heads(catalogue, EncoderFiles.of_model(model), *paths, settings)
    assert report.calibration == model.description.calibration
    assert open_model(str(tmp_path / "new")).description.calibration == report.calibration
    few, warning = report.warnings
    assert "only 9 products are held out" in few
    assert f"Brier score is {report.brier}" in warning
    assert f"Note: {warning}." in (tmp_path / "new/README.md").read_text()
