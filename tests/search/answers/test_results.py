"""The result of a search: a list of hits, a table of pandas, and what a notebook shows."""

import builtins
import copy
import json
import pickle
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deadly import deadly
from small import Row, embed, products, write

from prodmatch import Answer, Hit, ProductIndex, Query, SearchResult, open_index
from prodmatch.errors import NotInstalledError, QueryError
from prodmatch.index import index_embeddings
from prodmatch.model.description import Model


@pytest.fixture(scope="module")
def index(published: Path) -> ProductIndex:
    return open_index(published)


def test_a_result_is_the_list_of_its_hits(index: ProductIndex) -> None:
    found = index.search("red shirt", top=5)
    (answer,) = index.answer([Query(text="red shirt")])
    assert isinstance(found, list)
    assert found == answer.hits[:5]
    assert answer.hits[:5] == found
    assert [hit.rank for hit in found] == [1, 2, 3, 4, 5]
    assert isinstance(found[-1], Hit)
    assert found != index.search("blue lamp", top=5)


def test_a_slice_and_a_copy_are_results_too(index: ProductIndex) -> None:
    found = index.search("red shirt", top=5, facets=["colour"])
    for other in (found[:2], copy.copy(found)[:2], pickle.loads(pickle.dumps(found))[:2]):  # noqa: S301
        assert isinstance(other, SearchResult)
        assert other == list(found)[:2]
        assert (other.facets, other.store) == (found.facets, found.store)


def test_a_result_knows_what_was_searched_for(index: ProductIndex) -> None:
    found = index.search("red shrit under 30", facets=["colour", "price"], min_probability=1e-4)
    assert found.searched_for == "red shirt"
    assert found.understood == "price < 30"
    assert {each.value: each.count for each in found.facets["colour"]} == dict.fromkeys(
        ("red", "blue", "green"), 10
    )
    hint = index.search("shirt", where="colour = 'Red'").hints
    assert any("'red'" in text for text in hint)


def test_a_table_of_pandas_has_a_row_a_hit(index: ProductIndex) -> None:
    found = index.search("red shirt", top=7, one_per="colour", boost={"price": 0.1})
    table = found.to_pandas()
    assert table["product_id"].tolist() == [hit.product_id for hit in found]
    assert table["price"].tolist() == [hit.metadata["price"] for hit in found]
    assert table["group_size"].tolist() == [20, 20, 20]
    assert table["score"].tolist() == [hit.score for hit in found]
    assert "query_id" not in table
    nothing = index.search("red shirt", where="price > 1000").to_pandas()
    shown = index.search("red shirt", top=1).to_pandas()
    assert (len(nothing), list(nothing)) == (0, list(shown))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"top": "3"}, "`top='3'`: must be a whole number."),
        ({"top": 3.0}, "`top=3.0`: must be a whole number."),
        ({"offset": None}, "`offset=None`: must be a whole number."),
        ({"diverse": "much"}, "`diverse='much'`: must be a number."),
        ({"where": ["price < 3"]}, "`where=['price < 3']`: must be a condition, as text."),
        ({"boost": ["price"]}, "`boost=['price']`: must be a weight by column"),
        ({"boost": {"price": "0.1"}}, "`boost`: price='0.1' must be a number."),
        ({"weights": {"text": None}}, "`weights`: text=None must be a number."),
        ({"facets": 3}, "`facets=3`: must be names of columns."),
    ],
)
def test_options_of_another_type_are_refused_in_one_line(
    index: ProductIndex, given: dict[str, object], text: str
) -> None:
    with pytest.raises(QueryError) as caught:
        index.search("red shirt", **given)
    assert str(caught.value).startswith(text)
    assert len(index.search("red shirt", top=np.int64(3), diverse=np.float32(0.5))) == 3


def test_the_vector_of_a_number_is_refused(index: ProductIndex) -> None:
    with pytest.raises(QueryError, match="`product_id`: is of the type int"):
        index.vector(5)


def test_without_pandas_one_line_says_what_to_do(
    index: ProductIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: object, **more: object) -> object:
        if name == "pandas":
            raise ModuleNotFoundError("No module named 'pandas'", name="pandas")
        return real(name, *rest, **more)

    found = index.search("red shirt")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(NotInstalledError, match="pip install pandas"):
        found.to_pandas()


class Tags(HTMLParser):
    """The tags of a page, and the attributes of its pictures."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img":
            self.pictures.append(dict(attrs))


def test_a_notebook_shows_each_hit_with_a_small_picture(index: ProductIndex) -> None:
    found = index.search("red shirt", top=3, facets=["colour"], min_probability=1e-4)
    page = Tags(found._repr_html_())
    assert page.tags.count("tr") == 4
    assert [each["alt"] for each in page.pictures] == [hit.metadata["title"] for hit in found]
    assert all(str(each["src"]).startswith("data:image/webp;base64,") for each in page.pictures)
    assert "<p>60 products match</p>" in found._repr_html_()
    assert "<p>colour: blue 20, green 20, red 20</p>" in found._repr_html_()
    assert f"<td>{found[0].score:.3f}</td>" in found._repr_html_()
    assert set(page.tags) == {"p", "table", "thead", "tbody", "tr", "th", "td", "img"}


def test_what_strangers_wrote_is_text_and_a_deadly_picture_is_left_out(
    store: Path, tmp_path: Path, model: Model
) -> None:
    rows: list[Row] = products(4)
    rows[0]["title"] = "<script>alert(1)</script> \"shirt\" onerror='x'"
    rows[1]["title"] = "shirt &amp; \ud83d\udc55".encode("utf-16", "surrogatepass").decode("utf-16")
    catalogue = write(tmp_path / "c.parquet", rows)
    embed(catalogue, model, store)
    index_embeddings(store)
    rows[2]["image"] = deadly("exit")
    write(catalogue, rows)
    shown = open_index(store).search("shirt", top=4)._repr_html_()
    page = Tags(shown)
    assert "script" not in page.tags
    assert len(page.pictures) == 3
    assert all(set(each) == {"alt", "src"} for each in page.pictures)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &#34;shirt&#34; onerror=&#39;x&#39;" in shown
    assert "shirt &amp;amp; \U0001f455" in shown


def test_without_the_catalogue_it_is_a_table_and_says_why(published: Path, tmp_path: Path) -> None:
    shutil.copytree(published, tmp_path / "store")
    settings = tmp_path / "store" / "store.json"
    settings.write_text(settings.read_text().replace("sixty.parquet", "gone.parquet"))
    shown = open_index(tmp_path / "store").search("red shirt", top=3)._repr_html_()
    assert re.search(r"<p>no pictures are shown: .*gone\.parquet", shown)
    assert Tags(shown).tags.count("tr") == 4
    assert "img" not in Tags(shown).tags


@pytest.mark.parametrize(
    ("column", "reason"),
    [("title", "has no column of pictures"), ("image", "has no picture of these products")],
)
def test_says_whether_the_catalogue_or_the_products_have_no_pictures(
    column: str, reason: str, published: Path, tmp_path: Path
) -> None:
    shutil.copytree(published, tmp_path / "store")
    settings = tmp_path / "store" / "store.json"
    other = tmp_path / "other.parquet"
    columns = {"product_id": pa.array(["nobody"]), "title": pa.array(["x"])}
    if column == "image":
        columns["image"] = pa.nulls(1, pa.binary())
    table = pa.table(columns)
    pq.write_table(table, other)
    content = json.loads(settings.read_text())
    settings.write_text(json.dumps({**content, "catalogue": str(other)}))
    shown = open_index(tmp_path / "store").search("red shirt", top=3)._repr_html_()
    assert f"no pictures are shown: the catalogue {reason}" in shown


def test_of_many_hits_the_first_are_shown_and_of_none_nothing(index: ProductIndex) -> None:
    many = index.search("red shirt", top=60)
    assert "the first 50 of 60 hits" in many._repr_html_()
    assert Tags(many._repr_html_()).tags.count("tr") == 51
    none = index.search("red shirt", where="price > 1000")
    assert "<p>no product matches</p>" in none._repr_html_()


def test_a_notebook_shows_an_error_as_its_message(index: ProductIndex) -> None:
    with pytest.raises(QueryError) as raised:
        index.search("red shirt", top=0)
    assert raised.value._render_traceback_() == ["QueryError: `top=0`: must be from 1 to 10000."]


def test_an_answer_becomes_a_result(published: Path, index: ProductIndex) -> None:
    (answer,) = index.answer([Query(text="red shirt")])
    assert isinstance(answer, Answer)
    assert SearchResult(answer, published) == answer.hits
