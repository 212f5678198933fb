"""Synonyms in the lexical signal: a product that says one scores as if it said the query's word."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from prodmatch.errors import SynonymsError
from prodmatch.lexical.synonym_files import read_synonyms
from prodmatch.lexical.synonyms import Rule, Synonyms, describe, rewrite
from prodmatch.products.product_db import Products
from prodmatch.products.product_db_writer import write_products

GROUPS = [["couch", "sofa", "settee"], ["zorb", "quill"]]
OTHERS = ["red", "lamp", "oak", "chair", "480gb", "brass", "velvet"]


def group(*phrases: str) -> list[Rule]:
    return [Rule(one, tuple(each for each in phrases if each != one)) for one in phrases]


def make(path: Path, texts: list[str], rules: list[Rule]) -> tuple[Products, Synonyms]:
    ids = [f"p{row}" for row in range(len(texts))]
    table = pa.table({"product_id": ids, "text": texts})
    synonyms = Synonyms(rules)
    write_products(path, table.schema, table.to_batches(7), synonyms)
    return Products(path), synonyms


def score(shop: tuple[Products, Synonyms], query: str) -> np.ndarray:
    products, synonyms = shop
    matches = products.match(query, None, synonyms.expand(query))
    return matches.of(np.arange(products.row_count))


@pytest.mark.parametrize("seed", range(30))
def test_scores_are_those_of_a_shop_that_says_one_word_for_all(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    words = [*OTHERS, *GROUPS[0], *GROUPS[1]]
    texts = [" ".join(rng.choices(words, k=rng.randint(1, 9))) for _ in range(40)]
    query = " ".join(rng.choices(words, k=rng.randint(1, 4)))
    first = {word: group[0] for group in GROUPS for word in group}
    one = [" ".join(first.get(word, word) for word in text.split()) for text in texts]
    rules = [rule for each in GROUPS for rule in group(*each)]
    found = score(make(tmp_path / "a", texts, rules), query)
    plain = " ".join(first.get(word, word) for word in query.split())
    np.testing.assert_allclose(found, score(make(tmp_path / "b", one, []), plain), rtol=2e-5)


@pytest.mark.parametrize("seed", range(20))
def test_one_way_rules_score_as_if_the_right_side_were_the_left_one(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    texts = [
        " ".join(rng.choices([*OTHERS, "shoe", "pump"], k=rng.randint(1, 9))) for _ in range(30)
    ]
    shop = make(tmp_path / "a", texts, [Rule("shoe", ("pump",))])
    merged = make(tmp_path / "b", [text.replace("pump", "shoe") for text in texts], [])
    np.testing.assert_allclose(score(shop, "red shoe"), score(merged, "red shoe"), rtol=2e-5)
    plain = make(tmp_path / "c", texts, [])
    np.testing.assert_array_equal(score(shop, "red pump"), score(plain, "red pump"))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Products, Synonyms]:
    texts = [
        "sneaker in red",
        "running shoes red",
        "Running-Shoe red",
        "runningshoe in red",
        "shoe of running red",
        "T-Shirt, black",
        "tee black",
        "disk of 480 GB",
        "disk of half a terabyte",
        "large disk",
        "红色沙发椅",
        "divan",
        "running water red",
    ]
    rules = [
        *group("sneakers", "running shoe", "plimsoll"),
        *group("t shirt", "tee"),
        *group("480gb", "half a terabyte"),
        *group("divan", "沙发椅"),
    ]
    return make(tmp_path_factory.mktemp("shop") / "p.sqlite", texts, rules)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("sneaker", {0, 1, 2, 3}),
        ("plimsolls", {0, 1, 2, 3}),
        ("plimsoll", {0, 1, 2, 3}),
        ("Running shoes", {0, 1, 2, 3, 4, 12}),
        ("tee", {5, 6}),
        ("tees", {5, 6}),
        ("t-shirt", {5, 6}),
        ("tshirts", {5, 6}),
        ("480 gigabytes", {7, 8}),
        ("half a terabyte", {7, 8}),
        ("divan", {10, 11}),
        ("沙发椅", {10, 11}),
        ('"tee"', {6}),
        ('"running shoe"', {1, 2, 3, 4, 12}),
    ],
)
def test_phrases_are_found_however_they_are_written(
    shop: tuple[Products, Synonyms], query: str, rows: set[int]
) -> None:
    assert set(np.flatnonzero(score(shop, query)).tolist()) == rows


def test_a_phrase_scores_as_the_word_that_it_stands_for(shop: tuple[Products, Synonyms]) -> None:
    found = score(shop, "sneaker")
    assert found[0] == found[3] > 0  # as long as each other
    assert 0.8 < found[2] / found[1] < 1.0  # "Running-Shoe" is longer by a compound
    both = score(shop, "running shoe")
    assert both[0] > both[12]  # "sneaker" counts as both words, "running" as one
    assert abs(float(both[0] - both[1])) < 0.2 * both[0]


def test_alternatives_that_a_query_names_itself_count_once(
    shop: tuple[Products, Synonyms],
) -> None:
    np.testing.assert_array_equal(score(shop, "tee tee"), score(shop, "tee"))
    np.testing.assert_array_equal(score(shop, "sneaker plimsoll"), score(shop, "sneaker"))


def test_the_longest_side_goes_first() -> None:
    synonyms = Synonyms([*group("bag", "sack"), *group("sleeping bag", "bivvy")])
    assert [each.alternatives for each in synonyms.expand("bag, sleeping bags or sacks")] == [
        ("sack",),
        ("bivvy",),
        ("bag",),
    ]


def test_what_is_searched_for_is_described_in_place() -> None:
    synonyms = Synonyms([*group("couch", "sofa", "love seat"), *group("café au lait", "latte")])

    def described(text: str) -> str:
        return describe(text, synonyms.expand(text))

    assert described("Red COUCH, oak") == "Red COUCH, (or sofa, love seat) oak"
    assert described('"couch" Café au Lait') == '"couch" Café au Lait (or latte)'
    assert described("oak lamp") == "oak lamp"


def test_a_text_is_encoded_in_the_words_that_products_say() -> None:
    synonyms = Synonyms([*group("couch", "sofa", "settee"), *group("lamp", "light")])

    def encoded(text: str, **counts: int) -> str:
        count_of: Callable[[str], int] = lambda phrase: counts.get(phrase, 0)  # noqa: E731
        return rewrite(text, synonyms.expand(text), count_of)

    assert encoded("Red couch", sofa=3, settee=9) == "red settee"
    assert encoded("Red couch", sofa=1) == "Red couch"  # hardly more than none
    assert encoded("Red couch", couch=5, sofa=9) == "Red couch"
    assert encoded("Red couch", couch=4, sofa=9) == "red sofa"
    assert encoded("couch with lamp", light=9, sofa=5) == "sofa with light"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('groups = "mug"', "'groups' is no list"),
        ('groups = []\none_way = ["mug"]', "'one_way' is no table"),
        ('groups = [["mug", 3]]', "group 1 is no list of words"),
        ('[one_way]\ntrainer = "sneaker"', "one_way.trainer is no list of words"),
        ('groups = [["mug"]]', "group 1 has only one phrase, 'mug'"),
        ("groups = []", "has no rule"),
    ],
)
def test_a_file_in_toml_is_told_how_to_write_toml(
    tmp_path: Path, content: str, problem: str
) -> None:
    (tmp_path / "shop.toml").write_text(content)
    with pytest.raises(SynonymsError) as raised:
        read_synonyms(tmp_path / "shop.toml")
    assert problem in str(raised.value)
    assert "Write 'groups', a list of lists of words" in str(raised.value)
    assert "=>" not in str(raised.value)
