"""Weights that depend on the query."""

from pathlib import Path
from statistics import NormalDist

import numpy as np
import pyarrow as pa
import pytest

from prodmatch.model.calibration import Calibration
from prodmatch.products.product_db import Products
from prodmatch.products.product_db_writer import write_products
from prodmatch.search.scoring import (
    FIRST_HITS,
    SHARPNESS_POWER,
    USUAL_SHARPNESS,
    Signals,
    learn,
    query_weights,
    rank,
    sharpness,
)

WEIGHTS = {"lexical": 0.15, "text": 0.3, "image": 0.55}
WHOLE = {**WEIGHTS, "lexical": 1.4 * WEIGHTS["lexical"]}  # of a query that a product contains
COUNT = 600


def normal(sharp: float = 1.0) -> np.ndarray:
    """Cosines of this sharpness: normal numbers, to a power that makes their ends far or near."""
    shares = (np.arange(COUNT) + 0.5) / COUNT
    numbers = np.array([NormalDist().inv_cdf(share) for share in shares])
    low, high = 0.01, 20.0
    for _ in range(50):
        power = (low + high) / 2
        scores = np.sign(numbers) * np.abs(numbers) ** power
        low, high = (power, high) if sharpness(scores) < sharp else (low, power)
    return (0.2 + 0.1 * scores / scores.std()).astype(np.float32)


def signals(**changes: object) -> Signals:
    """The first products say the words; text and image are as sharp as they usually are."""
    lexical = np.zeros(COUNT, np.float32)
    lexical[:FIRST_HITS] = 0.5
    present = np.ones(COUNT, np.bool_)
    parts = {
        "lexical": lexical,
        "text": normal(USUAL_SHARPNESS["text"]),
        "image": normal(USUAL_SHARPNESS["image"]),
        "has_text": present,
        "has_image": present,
        "has_words": True,
    }
    return Signals(**{**parts, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [40, 600, 20_000])
def test_sharpness_does_not_grow_with_candidates(count: int) -> None:
    drawn = [np.random.default_rng(seed).normal(0.3, 0.1, count) for seed in range(30)]
    found = [sharpness(scores.astype(np.float32)) for scores in drawn]
    assert np.mean(found) == pytest.approx(1.0, abs=0.05)
    assert [sharpness(scores[::-1].astype(np.float32)) for scores in drawn] == found
    twice = [sharpness((5 * scores - 2).astype(np.float32)) for scores in drawn]
    assert twice == pytest.approx(found, rel=1e-3)


def test_signals_as_sharp_as_usual_keep_their_weights() -> None:
    assert query_weights(WEIGHTS, signals()) == pytest.approx(WHOLE, rel=1e-3)


@pytest.mark.parametrize("contained", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("familiarity", [0.5, 1.0])
def test_words_count_more_where_a_product_contains_all_and_pictures_where_none_does(
    contained: float, familiarity: float
) -> None:
    whole = query_weights(WEIGHTS, signals(), familiarity)
    found = query_weights(WEIGHTS, signals(), familiarity, contained)
    assert found["text"] == whole["text"]
    assert found["lexical"] == pytest.approx(whole["lexical"] * (1 + 0.4 * contained**4) / 1.4)
    assert found["image"] == pytest.approx(whole["image"] * (1 + 2 * (1 - contained) * familiarity))


def test_what_a_rare_code_names_is_as_it_is_however_much_products_contain() -> None:
    found = [query_weights(WEIGHTS, signals(has_rare_code=True), 1.0, share) for share in (0.2, 1)]
    assert found[0] == found[1]


@pytest.mark.parametrize("name", ["text", "image"])
@pytest.mark.parametrize("times", [0.8, 1.1, 1.25])
def test_a_sharper_signal_counts_for_more(name: str, times: float) -> None:
    changed = signals(**{name: normal(times * USUAL_SHARPNESS[name])})
    factor = times ** SHARPNESS_POWER[name]
    expected = {**WHOLE, name: factor * WEIGHTS[name]}
    assert query_weights(WEIGHTS, changed) == pytest.approx(expected, rel=1e-2)


def test_a_weight_grows_to_three_times_at_most_and_falls_to_a_third() -> None:
    most, least = (query_weights(WEIGHTS, signals(image=normal(sharp))) for sharp in (1.4, 0.45))
    assert (most["image"], least["image"]) == pytest.approx((1.65, 0.165))


def test_products_without_a_part_do_not_sharpen_its_signal() -> None:
    pictured = np.arange(COUNT) % 2 == 0
    image = np.where(pictured, normal(), 0.0).astype(np.float32)
    found = query_weights(WEIGHTS, signals(image=image, has_image=pictured))
    alone = sharpness(image[pictured]) / USUAL_SHARPNESS["image"]
    assert found["image"] == pytest.approx(0.55 * alone ** SHARPNESS_POWER["image"])


@pytest.mark.parametrize("familiarity", [0.0, 0.5, 1.0])
def test_pictures_count_less_for_a_query_that_is_strange_to_the_model(familiarity: float) -> None:
    found = query_weights(WEIGHTS, signals(), familiarity)
    lost = 0.55 * 0.7 * (1 - familiarity)
    expected = {"lexical": 1.4 * (0.15 + 0.8 * lost), "text": 0.3, "image": 0.55 - lost}
    assert found == pytest.approx(expected, rel=1e-3)


def test_weights_of_a_picture_are_as_they_are() -> None:
    assert query_weights(WEIGHTS, signals(has_words=False, image=normal(3.0)), 0.5) == WEIGHTS


def test_variants_of_one_product_do_not_lift_what_lacks_a_picture() -> None:
    count = 12
    alike = np.full(count, 0.4, np.float32)
    text = alike.copy()
    text[-1] = 0.5  # has no picture, and is nearer than the others, which are all alike
    pictured = np.arange(count) < count - 1
    found = Signals(alike, text, alike * pictured, np.ones(count, np.bool_), pictured, True)
    ranked = rank(np.arange(count), found, learn(found, WEIGHTS, ()), Calibration(1.0, 0.0))
    assert ranked.score[:-1] == pytest.approx(0.4)
    assert ranked.score[-1] == pytest.approx(0.15 * 0.4 + 0.3 * 0.5 + 0.55 * 0.4)


def test_a_rare_code_leaves_the_vectors_a_tenth() -> None:
    found = query_weights(WEIGHTS, signals(has_rare_code=True))
    assert (found["text"], found["image"]) == pytest.approx((0.03, 0.055))
    assert found["lexical"] > 0.5


@pytest.mark.parametrize("count", [0, 1, 7])
def test_few_candidates_tell_nothing(count: int) -> None:
    short = {name: getattr(signals(), name)[-count:] for name in ("lexical", "text", "image")}
    present = np.ones(count, np.bool_)
    if not count:
        short = dict.fromkeys(short, np.zeros(0, np.float32))
    found = signals(**short, has_text=present, has_image=present)
    assert query_weights(WEIGHTS, found) == WHOLE


def test_candidates_that_are_all_alike_tell_nothing() -> None:
    alike = np.full(COUNT, 0.3, np.float32)
    assert query_weights(WEIGHTS, signals(text=alike, image=alike)) == WHOLE


@pytest.mark.parametrize("query", ["WIC310", "wi-c310", "wic 310", "wic310 headphones"])
def test_a_rare_code_is_before_what_only_has_its_pieces(query: str, tmp_path: Path) -> None:
    texts = ["Lipstick 310", "Foundation 310", "Headphones WI-C310 " + "with a long battery " * 9]
    texts += [f"lamp number {row}" for row in range(40)]
    table = pa.table({"product_id": [f"p{row}" for row in range(len(texts))], "text": texts})
    write_products(tmp_path / "p.sqlite", table.schema, table.to_batches())
    matches = Products(tmp_path / "p.sqlite").match(query)
    assert matches.rows[np.argmax(matches.scores)] == 2


def test_a_name_that_few_write_in_one_word_names_none_of_them(tmp_path: Path) -> None:
    titles = [f"iphone 13 {row}th" for row in range(12)] + ["iphone13 cable"]
    table = pa.table({"product_id": titles, "text": titles})
    write_products(tmp_path / "p.sqlite", table.schema, table.to_batches())
    found = Products(tmp_path / "p.sqlite").match("iphone 13")
    assert not found.has_rare_code
    assert found.named.tolist() == []


def test_a_code_is_rare_where_few_products_say_it(tmp_path: Path) -> None:
    texts = ["MX-518 mouse", *["GT-730 card"] * 11, "galaxy 22", "red mouse", *["cable"] * 9]
    table = pa.table({"product_id": [f"p{row}" for row in range(len(texts))], "text": texts})
    write_products(tmp_path / "p.sqlite", table.schema, table.to_batches())
    shop = Products(tmp_path / "p.sqlite")
    for query in ("MX-518", "mx518", "mouse mx 518", "mx518 gt-730"):
        assert shop.match(query).has_rare_code, query
    for query in ("gt-730", "gt730", "mouse", "red galaxy", "mx-777", "galaxy 22", "22 cm"):
        assert not shop.match(query).has_rare_code, query


def test_a_number_of_several_words_is_a_code(tmp_path: Path) -> None:
    texts = ["Bosch 0 986 424 797 pads", *["Bosch 0 986 424 798 disc"] * 11, "rope 0 797", "lamp"]
    table = pa.table({"product_id": [f"p{row}" for row in range(len(texts))], "text": texts})
    write_products(tmp_path / "p.sqlite", table.schema, table.to_batches())
    shop = Products(tmp_path / "p.sqlite")
    for query in ("0 986 424 797", "pads 0-986-424-797"):
        assert shop.match(query).named.tolist() == [0], query
    for query in ("0 797", "0 986 424 798", "red 0 986 424 797"):
        assert not shop.match(query).has_rare_code, query


def test_amperes_are_found_by_their_sign(tmp_path: Path) -> None:
    texts = ["Fuse 3A", *["Fuse 13A"] * 9, "Fuses 13 Amp"]
    table = pa.table({"product_id": [f"p{row}" for row in range(len(texts))], "text": texts})
    write_products(tmp_path / "p.sqlite", table.schema, table.to_batches())
    found = Products(tmp_path / "p.sqlite").match("3 amp fuse")
    assert int(np.argmax(found.of(np.arange(len(texts))))) == 0
    assert not found.has_rare_code  # a size is no name


def test_a_name_is_told_by_its_first_word_too(tmp_path: Path) -> None:
    texts = [
        "rose gold ring",
        "rose gold watch",
        "rose soap",
        "oak watch",
        "tin watch",
        *["gold ring"] * 9,
    ]
    ids = [f"p{row}" for row in range(len(texts))]
    table = pa.table({"product_id": ids, "text": texts, "title": texts})
    write_products(tmp_path / "p.sqlite", table.schema, table.to_batches())
    shop = Products(tmp_path / "p.sqlite")
    assert shop.contains_name(["rose", "gold"])
    assert shop.contains_name(["gold", "ring"])
    assert not shop.contains_name(["gold", "watch"])


@pytest.mark.parametrize("query", ["rug 200 cm", "200 cm rug", "rug 200cm"])
def test_a_size_counts_by_its_unit_and_less_without(tmp_path: Path, query: str) -> None:
    texts = ["ink 200 ml", "book of 20 cm", "rug", "rug of 200 cm", *["lamp"] * 9]
    table = pa.table({"product_id": [f"p{row}" for row in range(len(texts))], "text": texts})
    write_products(tmp_path / "p.sqlite", table.schema, table.to_batches())
    ink, book, rug, sized, *_ = Products(tmp_path / "p.sqlite").match(query).of(np.arange(13))
    assert sized > rug > max(ink, book)


def test_a_product_is_found_by_its_id_typed_as_text(tmp_path: Path) -> None:
    ids = ["sku-77", "0012345678905", "red-lamp", "A1", "\u7ea2-9"]
    texts = ["red lamp", "a1 lamp 0012345678905", "oak", "red red red lamp", "sku-77 case"]
    table = pa.table({"product_id": ids, "text": texts})
    write_products(tmp_path / "p.sqlite", table.schema, table.to_batches())
    shop = Products(tmp_path / "p.sqlite")
    for row, product_id in enumerate(ids):
        found = shop.match(product_id)
        assert found.rows[np.argmax(found.scores)] == row
        assert found.has_rare_code
        assert found.rows.tolist() == sorted(set(found.rows.tolist()))
        others = np.array([other for other in range(len(ids)) if other != row])
        assert row not in shop.match(product_id, others).rows
