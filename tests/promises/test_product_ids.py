"""An id of a product, typed as text, finds that product first."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small import SCHEMA, products
from tiny import night, save_query_encoders

from prodmatch import ProductIndex, Query, SearchOptions, open_index
from prodmatch.errors import QueryError
from prodmatch.model.description import Model


@pytest.fixture(scope="module")
def index(base: Path) -> Iterator[ProductIndex]:
    with open_index(base / "store") as opened:
        yield opened


@pytest.mark.parametrize("text", ["p0005", "P0005", " p0005 ", "red lamp p0005", "sku p0005"])
@pytest.mark.parametrize("exact", [False, True])
def test_a_product_is_found_by_its_id(index: ProductIndex, text: str, exact: bool) -> None:
    (answer,) = index.answer([Query("a", text)], SearchOptions(exact=exact))
    assert answer.hits[0].product_id == "p0005"
    assert answer.hits[0].lexical > 0
    assert answer.searched_for is None
    assert answer.hints == ()


def test_a_product_that_the_filter_leaves_out_is_not_found_by_its_id(index: ProductIndex) -> None:
    (answer,) = index.answer([Query("a", "p0005")], SearchOptions(where="price < 3"))
    assert "p0005" not in {hit.product_id for hit in answer.hits}


@pytest.mark.parametrize("text", ["p00", "lamp", "number 5"])
def test_other_words_name_no_product(index: ProductIndex, text: str) -> None:
    assert index.searcher.products.rows_named(text).tolist() == []


@pytest.mark.parametrize("text", ["p0005", "sku P0005"])
def test_what_is_named_by_its_id_is_certain(index: ProductIndex, text: str) -> None:
    (answer,) = index.answer([Query("a", text)], SearchOptions(min_probability=0.99))
    assert [(hit.product_id, hit.probability) for hit in answer.hits] == [("p0005", 1.0)]


@pytest.fixture(scope="module")
def spaced(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductIndex]:
    """Ids with spaces around them, and titles with model numbers."""
    folder = tmp_path_factory.mktemp("spaced")
    save_query_encoders(folder / "store", tiny)
    rows = [{**row, "product_id": f"  {row['product_id']} "} for row in products(12)]
    rows[3]["title"] = "headphones WH-1000XM5"
    rows[4]["title"] = "case for WH-1000XM5 headphones"
    rows[5]["title"], rows[6]["title"] = "cup X8", "mug 5 of 8 pieces"
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), folder / "c.parquet")
    night(folder / "c.parquet", tiny, folder / "store")
    with open_index(folder / "store") as opened:
        yield opened


def test_an_id_with_outer_spaces_is_found_without_them(spaced: ProductIndex) -> None:
    for text in ("p0005", "P0005", "  p0005 ", "sku p0005"):
        (answer,) = spaced.answer([Query("a", text)], SearchOptions(min_probability=0.9))
        assert [hit.product_id for hit in answer.hits] == ["  p0005 "]
    assert "p0005" in spaced
    assert "  p0005 " in spaced
    assert "p05" not in spaced
    assert spaced.answer([Query("a", product_id="p0005")])[0].error is None


def test_what_says_a_model_number_and_all_else_is_certain(spaced: ProductIndex) -> None:
    options = SearchOptions(min_probability=0.99)
    for text, found in {
        "WH-1000XM5": {"  p0003 ", "  p0004 "},
        "wh1000xm5 case": {"  p0004 "},
        "wh-1000xm5 headphones": {"  p0003 ", "  p0004 "},
        "wh-1000xm5 mug": set(),
    }.items():
        (answer,) = spaced.answer([Query("a", text)], options)
        assert {hit.product_id for hit in answer.hits} == found


def test_only_what_contains_the_code_itself_is_named(spaced: ProductIndex) -> None:
    (answer,) = spaced.answer([Query("a", "mug 5'x8'")])
    hits = {str(hit.metadata["title"]): hit.probability for hit in answer.hits}
    assert hits["mug 5 of 8 pieces"] < 1


def test_an_id_that_the_index_lacks_is_named_whole(index: ProductIndex) -> None:
    ids = ["x" * 100 + end for end in "ab"]
    messages = {str(each.error) for each in index.answer([Query("q", product_id=id) for id in ids])}
    assert len(messages) == 2
    with pytest.raises(QueryError, match=f"`product_id={ids[0]}`: the index has no product"):
        index.vector(ids[0])
