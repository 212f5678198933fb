"""Weights that depend on the query."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from prodmatch.model.calibration import Calibration
from prodmatch.products.product_db import Products
from prodmatch.products.product_db_writer import write_products
from prodmatch.search.scoring import FIRST_HITS, Signals, learn, query_weights, rank

WEIGHTS = {"lexical": 0.15, "text": 0.3, "image": 0.55}
COUNT = 3 * FIRST_HITS


def signals(**changes: object) -> Signals:
    """The first products say the words; text and image put the products in this order, too."""
    lexical = np.zeros(COUNT, np.float32)
    lexical[:FIRST_HITS] = 0.5
    falling = np.linspace(0.9, 0.1, COUNT, dtype=np.float32)
    present = np.ones(COUNT, np.bool_)
    parts = {
        "lexical": lexical,
        "text": falling,
        "image": falling,
        "has_text": present,
        "has_image": present,
        "has_words": True,
    }
    return Signals(**{**parts, **changes})  # type: ignore[arg-type]


def agreeing(share: float) -> np.ndarray:
    """Scores whose first hits are by this share those that say the words."""
    scores = np.zeros(COUNT, np.float32)
    right = round(share * FIRST_HITS)
    scores[:right] = 1.0
    scores[FIRST_HITS : 2 * FIRST_HITS - right] = 1.0
    return scores


def test_signals_that_know_the_words_count_in_full() -> None:
    assert query_weights(WEIGHTS, signals()) == WEIGHTS
    enough = signals(text=agreeing(0.5), image=agreeing(0.25))
    assert query_weights(WEIGHTS, enough) == pytest.approx(WEIGHTS)


@pytest.mark.parametrize("known", [0.0, 0.2, 0.4, 0.6, 0.8])
def test_a_signal_that_does_not_know_the_words_loses_weight_to_them(known: float) -> None:
    found = query_weights(WEIGHTS, signals(image=agreeing(0.25 * known)))
    image = 0.55 * max(0.05, known**2)
    assert found == pytest.approx(
        {"lexical": 0.15 + 0.5 * (0.55 - image), "text": 0.3, "image": image}
    )
    found = query_weights(WEIGHTS, signals(text=agreeing(0.5 * known)))
    assert (found["text"], found["image"]) == pytest.approx((0.3 * max(0.05, known), 0.55))


@pytest.mark.parametrize("familiarity", [0.0, 0.5, 1.0])
def test_pictures_count_less_for_a_query_that_is_strange_to_the_model(familiarity: float) -> None:
    found = query_weights(WEIGHTS, signals(), familiarity)
    image = 0.55 * (0.3 + 0.7 * familiarity)
    assert found == pytest.approx(
        {"lexical": 0.15 + 0.5 * (0.55 - image), "text": 0.3, "image": image}
    )


def test_words_that_nobody_says_change_nothing() -> None:
    nothing = np.zeros(COUNT, np.float32)
    assert query_weights(WEIGHTS, signals(lexical=nothing, image=agreeing(0.0))) == WEIGHTS
    assert query_weights(WEIGHTS, signals(has_words=False, image=agreeing(0.0))) == WEIGHTS


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


def test_fewer_candidates_than_first_hits_tell_nothing() -> None:
    few = 5
    short = {name: getattr(signals(), name)[:few] for name in ("lexical", "text", "image")}
    present = np.ones(few, np.bool_)
    found = signals(**short, has_text=present, has_image=present)
    assert query_weights(WEIGHTS, found) == WEIGHTS


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
