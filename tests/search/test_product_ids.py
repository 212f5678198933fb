"""An id of a product, typed as text, finds that product first."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from prodmatch import ProductIndex, Query, SearchOptions, open_index


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
