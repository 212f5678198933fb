"""BM25 by the share of a query that a product contains."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from prodmatch.lexical.bm25 import UNKNOWN_SHARE
from prodmatch.lexical.postings import idf
from prodmatch.products.product_db import Products
from prodmatch.products.product_db_writer import write_products

TEXTS = ("red lamp", "red red red", "blue lamp shade", "iPhone 13 case", "t-shirt", "desk")


def make(folder: Path, texts: Sequence[str]) -> Products:
    table = pa.table({"product_id": list(map(str, range(len(texts)))), "text": texts})
    write_products(folder / "products.sqlite", table.schema, table.to_batches(2))
    return Products(folder / "products.sqlite")


@pytest.fixture
def shop(tmp_path: Path) -> Products:
    return make(tmp_path, TEXTS)


def weight(products_with: int) -> float:
    return idf(len(TEXTS), products_with)


@pytest.mark.parametrize(
    ("query", "row", "share"),
    [
        ("red lamp", 0, 1.0),
        ("red lamp", 1, weight(2) / (weight(2) + weight(2))),
        ("lamps shade", 0, weight(2) / (weight(2) + weight(1))),
        ("red red red desk", 1, weight(2) / (weight(2) + weight(1))),
        ("red zebra", 0, weight(2) / (weight(2) + UNKNOWN_SHARE * weight(0))),
        ("iphone13 case", 3, 1.0),  # its pieces stand for a word that is written in one
        ("t shirt", 4, 1.0),
        ("tshirt desk", 4, weight(1) / (weight(1) + weight(1))),
    ],
)
def test_a_product_counts_by_the_share_of_the_query_that_it_contains(
    shop: Products, query: str, row: int, share: float
) -> None:
    matches = shop.match(query)
    at = matches.rows.tolist().index(row)
    assert matches.coverage[at] == pytest.approx(share, rel=1e-5)
    assert matches.of(np.array([row]))[0] == pytest.approx(share * matches.scores[at], rel=1e-5)


def test_a_word_said_thrice_is_no_two_words(shop: Products) -> None:
    matches = shop.match("red lamp")
    assert matches.best(1).tolist() == [0]
    assert matches.of(np.array([0]))[0] > 2 * matches.of(np.array([1]))[0]


def test_what_a_product_lacks_is_forgiven_as_far_as_it_is_likely(shop: Products) -> None:
    matches = shop.match("red lamp")
    rows, likely = np.array([0, 1, 2, 5]), np.array([0.2, 0.0, 1.0, 1.0], np.float32)
    full = dict(zip(matches.rows.tolist(), matches.scores.tolist(), strict=True))
    expected = [full[0], full[1] * matches.coverage[1], full[2], 0.0]
    np.testing.assert_allclose(matches.of(rows, likely), expected, rtol=1e-6)
    half = matches.of(np.array([1]), np.array([0.5], np.float32))[0]
    assert half == pytest.approx(full[1] * (1 + matches.coverage[1]) / 2)


def test_a_product_named_by_its_id_covers_the_query(shop: Products) -> None:
    matches = shop.match("red lamp").with_named(np.array([5]))
    assert matches.best(1).tolist() == [5]
    assert matches.of(np.array([0, 1])) == pytest.approx(
        shop.match("red lamp").of(np.array([0, 1]))
    )


@pytest.mark.parametrize("query", ["480 gb ssd", "480gb ssd", "ssd 480 gb"])
def test_a_quantity_is_contained_however_its_unit_is_written(tmp_path: Path, query: str) -> None:
    texts = ["SSD 480GB", "SSD 480 GB", "SSD 240 GB", "desk", "lamp", "chair"]
    table = pa.table({"product_id": list(map(str, range(len(texts)))), "text": texts})
    write_products(tmp_path / "products.sqlite", table.schema, table.to_batches(2))
    coverage = Products(tmp_path / "products.sqlite").match(query).coverage
    assert coverage[:2] == pytest.approx([1.0, 1.0])
    assert coverage[2] < 0.9


def test_the_best_are_those_of_most_words_and_not_of_the_highest_sum(tmp_path: Path) -> None:
    filler = " ".join(f"{letter}word" for letter in "abcdefgh")
    shop = make(tmp_path, ("lamp lamp lamp", f"red lamp {filler}", "red", "desk", "bed", "mug"))
    matches = shop.match("red lamp")
    assert matches.best(1).tolist() == [1]
    assert matches.rows[np.argmax(matches.scores)] == 0
