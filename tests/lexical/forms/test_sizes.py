"""Sizes are found in the forms that products write them in."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from phrases import KNOWN
from tiny import embed_tiny, night, save_query_encoders

from prodmatch import (
    CatalogueOptions,
    ProductIndex,
    Query,
    SearchOptions,
    open_catalogue,
    open_index,
)
from prodmatch.index import index_embeddings
from prodmatch.lexical.forms.sizes import expand_sizes, find_sizes, unsearched_sizes
from prodmatch.lexical.terms import query_terms
from prodmatch.lexical.understanding import understand
from prodmatch.model.description import Model

LETTERS = {"xxl", "2xl", "xxlarge", "xl", "xs", "xxs", "2xs"}
JOINED = {"32/34", "32x34", "w32l34"}


@pytest.mark.parametrize(
    ("text", "words", "others"),
    [
        ("tee xxl", "xxl", {"2xl", "xxlarge"}),
        ("tee 2XL", "2xl", {"xxl", "xxlarge"}),
        ("tee XX-Large", "xx-large", {"xxl", "2xl"}),
        ("tee 2x large", "2x large", {"xxl", "2xl", "xxlarge"}),
        ("tee extra extra large", "extra extra large", {"xxl", "2xl", "xxlarge"}),
        ("tee extra large", "extra large", {"xl"}),
        ("tee xxs", "xxs", {"2xs"}),
        ("jeans W32 L34", "w32 l34", {"32/34", "32x34"}),
        ("jeans w32/l34", "w32/l34", {"32/34", "32x34"}),
        ("jeans 32w 34l", "32w 34l", JOINED),
        ("jeans 32/34", "32/34", {"32x34", "w32l34"}),
        ("jeans 32x34", "32x34", {"32/34", "w32l34"}),
    ],
)
def test_the_forms_of_a_size_are_searched_for(text: str, words: str, others: set[str]) -> None:
    (found,) = expand_sizes(text, (), (LETTERS | JOINED).__contains__)
    assert (found.words, {*found.alternatives}) == (words, others)
    assert text.lower()[found.start : found.end] == words


def test_the_forms_of_a_size_are_stemmed_by_the_language() -> None:
    (found,) = expand_sizes("tee xxl", (), {"xxlarge"}.__contains__, "russian")
    assert found.stems == ("xxlarge",)


def test_the_parts_are_searched_for_where_no_product_joins_them() -> None:
    (found,) = expand_sizes("jeans 32/34", (), {"w32", "l34"}.__contains__)
    assert found.alternatives == ("w32", "l34")


@pytest.mark.parametrize(
    "text", ["tee xl", 'tee "xxl"', "1/2 inch", "box 132x34", "rug 32/34/36", "xls file", "xxlt"]
)
def test_other_words_have_no_forms(text: str) -> None:
    assert expand_sizes(text, (), (LETTERS | JOINED).__contains__) == ()


def test_no_piece_of_a_size_is_searched_for() -> None:
    assert [term.typed for term in query_terms("2xl", lambda word: 1)] == [("2xl",)]


@pytest.mark.parametrize(
    "text", ["size 42", "Gr. 42", "Gr\u00f6\u00dfe 42", "taille 42", "size UK 8"]
)
def test_a_word_before_a_size_counts_little(text: str) -> None:
    first, *others = query_terms(text, lambda word: 1)
    assert first.weight < min(term.weight for term in others)


@pytest.mark.parametrize("text", ["size", "size chart", "taille basse"])
def test_a_word_before_no_size_counts(text: str) -> None:
    assert {term.weight for term in query_terms(text, lambda word: 1)} == {1.0}


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("shoes not size 42", "42"),
        ("shoes except size 8", "8"),
        ("shoes not size 8", "8"),
        ("shoes not Gr. 42", "42"),
        ("tee without size xl", "xl"),
    ],
)
def test_a_size_is_not_wanted(text: str, without: str) -> None:
    found = understand(text, KNOWN)
    assert (found.words, found.without) == (text.split()[0], (without,))


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("shoes size 42", ["size 42"]),
        ("shoes EU 42", ["eu 42"]),
        ("shoes uk8.5 blue", ["uk8.5"]),
        ("tee Gr. XL", ["gr. xl"]),
        ("tee xxl", ["xxl"]),
        ("jeans w32 l34", ["w32 l34"]),
        ("size chart", []),
        ("eu plug", []),
        ("large mug", []),
    ],
)
def test_a_size_is_known(text: str, sizes: list[str]) -> None:
    assert find_sizes(text) == sizes


def test_columns_of_sizes_that_are_not_searched_are_found() -> None:
    values: dict[str, object] = {
        "size": 42.0,
        "Schuhgr\u00f6\u00dfe": "42",
        "pack_size": "6",
        "price": 3,
    }
    texts = [{**values, "Gr\u00f6\u00dfe": "L"}, {**values, "Gr\u00f6\u00dfe": None}]
    assert unsearched_sizes(texts, lambda row, text: False) == [
        "size",
        "Schuhgr\u00f6\u00dfe",
        "Gr\u00f6\u00dfe",
    ]
    assert unsearched_sizes(texts, lambda row, text: text == "42") == ["Gr\u00f6\u00dfe"]


TITLES = ("red tee XXL", "red tee 2XL", "red tee XL", "red tee XXS", "red tee L")


@pytest.fixture(scope="module")
def index(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductIndex]:
    folder = tmp_path_factory.mktemp("sizes")
    save_query_encoders(folder / "store", tiny)
    table = {"product_id": [f"p{row}" for row in range(len(TITLES))], "title": TITLES}
    pq.write_table(pa.table(table), folder / "c.parquet")
    night(folder / "c.parquet", tiny, folder / "store")
    with open_index(folder / "store") as opened:
        yield opened


@pytest.mark.parametrize("size", ["xxl", "2XL", "xx-large"])
def test_products_of_the_size_are_first_or_left_out(index: ProductIndex, size: str) -> None:
    first, second = index.search(f"tee {size}", top=2, weights={"lexical": 1.0})
    assert {str(hit.metadata["title"]) for hit in (first, second)} == {*TITLES[:2]}
    left = {hit.metadata["title"] for hit in index.search(f"tee not {size}", top=5)}
    assert left == {*TITLES[2:]}


@pytest.mark.parametrize("kind", ["text", "number", "searched"])
def test_sizes_that_are_not_searched_are_hinted_at(kind: str, tiny: Model, tmp_path: Path) -> None:
    save_query_encoders(tmp_path / "store", tiny)
    sizes: list[object] = [42.0, 43.0] if kind == "number" else ["42", "43"]
    table = {"product_id": ["p0", "p1"], "title": ["red shoe", "blue shoe"], "size": sizes}
    pq.write_table(pa.table(table), tmp_path / "c.parquet")
    columns = ("title", "size") if kind == "searched" else ()
    catalogue = open_catalogue(tmp_path / "c.parquet", CatalogueOptions(text_columns=columns))
    embed_tiny(catalogue, tiny, tmp_path / "store")
    index_embeddings(tmp_path / "store", model=tiny)
    with open_index(tmp_path / "store") as index:
        for text in ("shoe size 42", "shoe not size 42"):
            (answer,) = index.answer([Query("a", text)], SearchOptions(top=1))
            hint = (
                "'size 42': looked for in the searched text, and column 'size' is none. "
                "Give a condition with `where`"
            )
            assert (hint in answer.hints) == (kind != "searched")
