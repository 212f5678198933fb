"""Amounts and counts in the ways that products and people write them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from prodmatch.lexical.folding import fold
from prodmatch.lexical.quantities import find_measures, find_quantities
from prodmatch.lexical.terms import query_terms, split_terms
from prodmatch.products.product_db import Products
from prodmatch.products.product_db_writer import write_products

WAYS = {  # of one amount, and others that are none of it
    "ring": (
        ["9ct", "9 ct", "9 carat", "9-carat", "9 karat", "9kt", "9k gold"],
        ["18 carat", "4k"],
    ),
    "relay": (["24VDC", "24 V DC", "24v", "24 volt", "24 voltios", "24 VAC"], ["12VDC", "230 V"]),
    "bank": (["10000mAh", "10,000 mAh", "10Ah", "10 Ah"], ["20000mAh", "1 Ah"]),
    "case": (
        ['2.5"', "2,5 inch", "2\u00bd inch", '2 1/2"', '2-1/2"', "2.5 zoll"],
        ['1/2"', '1.5"'],
    ),
    "hose": (
        ['1/2"', "\u00bd inch", "1/2in", "0.5 inch", "half inch"],
        ["2 inch", '1 1/2"', '3/4"'],
    ),
    "jug": (
        ["500ml", "\u00bd litre", "1/2 L", "half a litre", "0,5 litros", "50cl"],
        ["2 l", "1 l"],
    ),
    "cells": (["4 pack", "pack of 4", "4pk", "4-pack", "packs of 4"], ["12 pack", "pack of 40"]),
    "jigsaw": (["100 piece", "100pc", "100 pcs", "100-teilig", "100 St\u00fcck"], ["1000pc"]),
    "candle": (["8 hours", "8hr", "8 hrs"], ["80 hours"]),
    "cheese": (["200gr", "200 gram", "200 Gramm", "0,2 kg", "200 grammi"], ["20 g", "2 kg"]),
}


def open_shop(texts: list[str], path: Path) -> Products:
    ids = [f"p{row}" for row in range(len(texts))]
    table = pa.table({"product_id": ids, "text": texts})
    write_products(path, table.schema, table.to_batches())
    return Products(path)


@pytest.mark.parametrize("name", WAYS)
def test_an_amount_is_found_in_every_way_to_write_it(name: str, tmp_path: Path) -> None:
    ways, others = WAYS[name]
    texts = [f"{name} {way}" for way in (*ways, *others)]
    shop = open_shop([*texts, "lamp", "table"], tmp_path / "p.sqlite")
    for way in ways:
        scores = shop.match(f"{way} {name}").of(np.arange(len(texts)))
        assert min(scores[: len(ways)]) > max(scores[len(ways) :]), (way, scores)


def test_a_count_is_found_by_its_short_forms(tmp_path: Path) -> None:
    shop = open_shop(["cells x4", "cells 4x", "cells 12 pack", "bulb 2700K"], tmp_path / "p.sqlite")
    matches = shop.match("cells pack of 4")
    assert matches.of(np.arange(4)).argsort().tolist()[:2] == [3, 2]
    assert not matches.has_rare_code  # a count is no name
    beans = open_shop(["beans 12x40g", "beans 4x40g"], tmp_path / "q.sqlite")
    assert beans.rows_with("4 pack beans").tolist() == [1]
    assert shop.rows_with("2700 kelvin bulb").tolist() == [3]


@pytest.mark.parametrize("query", ["h&m", "H & M", "hm", "h & m shirt"])
def test_a_name_of_letters_and_an_ampersand_is_one(query: str, tmp_path: Path) -> None:
    texts = ["H&M shirt", "shirt size M", "M shirt with H logo", "shirt", "hem"]
    shop = open_shop(texts, tmp_path / "p.sqlite")
    assert shop.match(query).of(np.arange(5)).argmax() == 0
    assert open_shop(["salt & pepper", "salt"], tmp_path / "q").rows_with(
        "salt&pepper"
    ).tolist() == [0]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ('2\u00bd inch, 3/4" and 10/20 ml', ["2.5inch", "0.75inch", "20ml"]),
        ("size 6 3/4 sleeve, 80/20 cotton", []),
        ("half price, half kilo, 1-1/2in", ["0.5kg", "1.5inch"]),
        ('1/2TB 15/16"', ["0.5tb", "0.9375inch"]),
    ],
)
def test_fractions_are_numbers_where_a_unit_follows(text: str, terms: list[str]) -> None:
    assert [quantity.term for quantity in find_quantities(fold(text))] == terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("18k white gold, 4k tv, 2700k", ["18ct"]),
        ("pack of 4, six pack, 35pc", ["4pack", "35pcs"]),
        ("a pack of 2.5 kg", ["2.5kg"]),
    ],
)
def test_what_is_counted_is_a_measure(text: str, terms: list[str]) -> None:
    assert [quantity.term for quantity in find_measures(fold(text))] == terms


@pytest.mark.parametrize("digits", ["1" * 5000, "1" * 400, "1234567"])
def test_no_number_is_too_long_for_a_fraction_behind_it(digits: str) -> None:
    for text in (f"{digits}\u00bd", f"{digits} 1/2 inch", f"{digits} ml", f"{digits} pack"):
        assert fold(text).startswith(digits)
        assert split_terms(text)
        assert query_terms(text, lambda word: 0)
