"""What a person does with an index at a prompt: its size, its vectors, and every kind of query."""

import io
import json
from dataclasses import fields
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small import draw

from prodmatch import ProductIndex, Query, SearchOptions, open_index
from prodmatch.errors import QueryError
from prodmatch.storage.vectors import split_parts

RED = draw((210, 20, 30), 500)


@pytest.fixture(scope="module")
def index(published: Path) -> ProductIndex:
    return open_index(str(published))


def test_an_index_has_as_many_products_as_it_says(index: ProductIndex, published: Path) -> None:
    assert len(index) == 60
    assert repr(index) == f"<ProductIndex {published}: 60 products, generation 1>"


def test_a_vector_is_the_row_of_its_product(index: ProductIndex) -> None:
    vector = index.vector("p0007")
    (row,) = index.searcher.ann.vectors(np.array([7]))
    assert vector.shape == (index.generation.dim,)
    np.testing.assert_array_equal(vector, row)
    with pytest.raises(QueryError, match="`product_id=nobody`: the index has no product"):
        index.vector("nobody")


def test_an_encoded_query_is_the_vector_that_candidates_are_found_with(index: ProductIndex) -> None:
    weights = {"text": 0.3, "image": 0.7}
    vector = index.encode("red shirt", weights=weights)
    encoded = index.searcher.encode_one(Query(text="red shirt"))
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    text, image = split_parts(vector)
    np.testing.assert_allclose(text / 0.3, encoded.text / np.hypot(0.3, 0.7), atol=1e-6)
    np.testing.assert_allclose(image / 0.7, encoded.image / np.hypot(0.3, 0.7), atol=1e-6)


def test_vectors_rank_products_as_a_search_by_them_does(index: ProductIndex) -> None:
    weights = {"text": 0.3, "image": 0.7}
    all_vectors = index.searcher.ann.vectors(np.arange(60))
    for query in ({"text": "red shirt"}, {"image": RED}, {"text": "blue", "image": RED}):
        cosines = all_vectors @ index.encode(**query, weights=weights)
        best = [f"p{row:04d}" for row in np.argsort(-cosines, kind="stable")[:10]]
        hits = index.search(**query, weights=weights)
        assert [hit.product_id for hit in hits] == best


def test_the_weights_of_the_index_count_where_none_are_given(index: ProductIndex) -> None:
    vector = index.encode("red shirt")
    np.testing.assert_array_equal(vector, index.encode("red shirt", weights=index.searcher.weights))
    assert (vector != index.encode("red shirt", weights={"text": 1.0})).any()


def test_an_encoded_query_is_corrected_unless_it_is_exact(index: ProductIndex) -> None:
    np.testing.assert_array_equal(index.encode("red shrit"), index.encode("red shirt"))
    assert (index.encode("red shrit", exact=True) != index.encode("red shirt")).any()


def test_a_query_without_a_vector_is_refused(index: ProductIndex) -> None:
    with pytest.raises(QueryError, match="the query has no vector"):
        index.encode("red shirt", weights={"lexical": 1.0})
    with pytest.raises(QueryError, match="neither text nor picture"):
        index.encode()


def test_a_picture_is_bytes_or_a_path_or_one_of_pillows(
    index: ProductIndex, tmp_path: Path
) -> None:
    path = tmp_path / "red.png"
    path.write_bytes(RED)
    expected = index.search(image=RED)
    assert expected != index.search(image=draw((20, 60, 200), 501))
    for image in (path, str(path), Image.open(path), Image.open(io.BytesIO(RED)).convert("RGBA")):
        assert index.search(image=image) == expected


def test_a_large_picture_of_pillows_is_made_smaller_and_a_broken_one_is_named(
    index: ProductIndex,
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3000, 3000, 3), dtype=np.uint8)
    assert len(index.search(image=Image.fromarray(noise))) == 10
    with pytest.raises(QueryError, match="`image`: the picture cannot be used"):
        index.search(image=Image.open(io.BytesIO(RED[:600])))


def test_a_turned_picture_of_pillows_is_seen_upright(index: ProductIndex, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    halves = np.zeros((40, 60, 3), np.uint8)
    halves[:, 30:] = (210, 20, 30)
    path = tmp_path / "turned.png"
    Image.fromarray(halves).save(path, exif=exif)
    np.testing.assert_array_equal(index.encode(image=Image.open(path)), index.encode(image=path))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"text": 5}, "`text`: is of the type int (5)."),
        ({"text": float("nan")}, "`text`: is of the type float (nan)."),
        ({"like": 5}, "`like`: is of the type int. Give"),
        ({"image": [1, 2]}, "`image`: is of the type list. Give bytes, a path"),
        ({"image": "nowhere.jpg"}, "`image` nowhere.jpg: there is no such file"),
        ({"text": "shirt", "like": "p0001"}, "give an id, or text and picture, not both"),
        ({"like": "nobody"}, "the index has no product of this id"),
        ({}, "has neither text nor picture nor id"),
    ],
)
def test_a_query_that_cannot_be_used_is_named(
    index: ProductIndex, query: dict[str, object], message: str
) -> None:
    with pytest.raises(QueryError) as raised:
        index.search(**query)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        (["shirt"], "`queries`: 'shirt' is no query. Give Query(text=...)."),
        (Query(text="shirt"), "`queries`: Query(query_id='q'"),
        ("shirt", "`queries`: 's' is no query"),
        ([Query(text="shirt"), None], "`queries`: None is no query"),
    ],
)
def test_what_is_no_query_is_named(index: ProductIndex, queries: list[Query], message: str) -> None:
    for answer in (index.answer, index.search_many):
        with pytest.raises(QueryError) as raised:
            answer(queries)
        assert message in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"), [("text", 5), ("text", b"a"), ("image", "a.jpg"), ("product_id", 5)]
)
def test_a_field_of_a_query_of_another_type_is_named(name: str, value: object) -> None:
    with pytest.raises(QueryError, match=f"`{name}`: is of the type {type(value).__name__}"):
        Query(**{name: value})


def test_queries_may_come_from_an_iterator(index: ProductIndex) -> None:
    names = ("shirt", "mug")
    found = index.search_many(Query(name, name) for name in names)
    assert [hits[0].query_id for hits in found] == [*names]


@pytest.mark.parametrize("store", [None, 5, b"store"])
def test_a_store_that_is_no_path_is_named(store: Path) -> None:
    with pytest.raises(QueryError, match="`store`: is of the type"):
        open_index(store)


def test_a_model_that_is_none_is_named(published: Path) -> None:
    with pytest.raises(QueryError, match="`model`: is of the type str"):
        open_index(published, model="compact")  # type: ignore[arg-type]


def test_numbers_of_numpy_are_those_of_python(index: ProductIndex) -> None:
    expected = index.search("shirt", top=200, offset=100)
    found = index.search("shirt", top=np.uint8(200), offset=np.uint8(100))
    assert found == expected
    assert json.dumps([hit.rank for hit in found]) == json.dumps([hit.rank for hit in expected])


def test_one_facet_may_be_a_text_and_an_array_is_no_boost(index: ProductIndex) -> None:
    (answer,) = index.answer([Query(text="shirt")], SearchOptions(facets="price"))
    assert answer.facets == index.search("shirt", facets=["price"]).facets
    with pytest.raises(QueryError, match=r"`boost=.*: must be a weight by column"):
        index.search("shirt", boost=np.ones(2))  # type: ignore[arg-type]


def test_other_options_are_named(index: ProductIndex) -> None:
    with pytest.raises(QueryError, match=r"`options`: .* are no SearchOptions"):
        index.answer([], {"top": 3})  # type: ignore[arg-type]


def test_a_page_behind_the_last_hit_says_so(index: ProductIndex) -> None:
    found = index.search("shirt", offset=5000)
    assert (list(found), found.hints) == ([], ("no hit is behind the first 5000",))


def test_products_like_one_are_those_of_a_query_by_its_id(index: ProductIndex) -> None:
    (expected,) = index.search_many([Query(product_id="p0007")], top=5)
    assert index.search(like="p0007", top=5) == expected
    assert "p0007" not in [hit.product_id for hit in expected]


def test_every_option_of_a_search_has_a_name_and_does_what_it_does_in_an_answer(
    index: ProductIndex,
) -> None:
    named = signature(index.search).parameters
    for option in fields(SearchOptions):
        assert option.name in named
        if option.name not in ("boost", "facets"):
            assert named[option.name].default == option.default
    chosen = SearchOptions(
        where="price < 50",
        top=2,
        weights={"lexical": 0.5, "text": 0.5},
        exact=True,
        min_probability=0.01,
        offset=1,
        one_per="colour",
        diverse=0.2,
        boost={"price": 0.3},
        facets=("colour",),
    )
    (answer,) = index.answer([Query(text="red shirt")], chosen)
    found = index.search("red shirt", **vars(chosen))
    assert (found, found.facets) == (answer.hits, answer.facets)
    assert list(index.search("shirt", facets="colour").facets) == ["colour"]


def test_an_index_may_be_asked_from_another_folder(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(published.parent)
    index = open_index("store")
    assert "img" in index.search("red shirt")._repr_html_()
    monkeypatch.chdir("/")
    assert "img" in index.search("red shirt")._repr_html_()


def test_weight_on_words_alone_is_refused_for_a_query_without_words(index: ProductIndex) -> None:
    with pytest.raises(QueryError, match="all weight is on lexical, and the query has no words"):
        index.search(like="p0001", weights={"lexical": 1})
    assert index.search(like="p0001", weights={"lexical": 1, "text": 0.1})[0].score > 0
    assert index.search("red", weights={"lexical": 1})[0].score > 0
