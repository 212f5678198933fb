"""Recommendations against numpy over the stored vectors."""

from pathlib import Path

import numpy as np
import pytest
from small import embed, products, run, write

from prodmatch import ProductIndex, Query, open_index
from prodmatch.errors import QueryError
from prodmatch.index import index_embeddings
from prodmatch.model.description import Model
from prodmatch.recommend import recommend_products
from prodmatch.search.options import SearchOptions
from prodmatch.storage.vectors import normalise, split_parts


@pytest.fixture(scope="module")
def index(published_in_each: Path) -> ProductIndex:
    return open_index(published_in_each)


def expected_cosines(
    index: ProductIndex, liked: list[int], disliked: list[int], half: int
) -> dict[str, float]:
    """The cosine of one part of every product to the taste, the history left out."""
    parts = split_parts(index.searcher.ann.vectors(np.arange(60)))[half]
    taste = normalise(parts[liked].sum(axis=0))
    if disliked:
        taste = taste - 0.25 * normalise(parts[disliked].sum(axis=0))
    cosines = normalise(parts) @ normalise(taste)
    return {f"p{row:04d}": float(cosines[row]) for row in range(60) if row not in liked + disliked}


@pytest.mark.parametrize("disliked", [[], [7, 11]])
@pytest.mark.parametrize(("half", "signal"), [(0, "text"), (1, "image")])
def test_the_nearest_to_a_taste_come_first_without_the_history(
    index: ProductIndex, disliked: list[int], half: int, signal: str
) -> None:
    liked = [3, 5, 40]
    found = recommend_products(
        index,
        [f"p{row:04d}" for row in liked],
        [f"p{row:04d}" for row in disliked],
        SearchOptions(top=60, weights={signal: 1.0}),
    )
    expected = expected_cosines(index, liked, disliked, half)
    assert {hit.product_id for hit in found} == set(expected)
    in_order = [expected[hit.product_id] for hit in found]
    # of pictures that bf16 does not tell apart the order is that of rounding
    np.testing.assert_allclose(in_order, sorted(expected.values(), reverse=True), atol=1e-6)


def test_one_liked_product_is_the_same_as_asking_by_its_id(index: ProductIndex) -> None:
    (like,) = index.search_many([Query(product_id="p0007")], top=5)
    column = np.array(["p0007"])  # of a table in a notebook
    for liked in (["p0007"], "p0007", column, (each for each in column)):
        found = recommend_products(index, liked, options=SearchOptions(top=5))
        assert [hit.product_id for hit in found] == [hit.product_id for hit in like]
        parts = [[(hit.score, hit.text, hit.image) for hit in hits] for hits in (found, like)]
        np.testing.assert_allclose(*parts, rtol=0, atol=2e-6)  # a mean is scaled anew


def test_a_filter_and_the_number_of_hits_hold(index: ProductIndex) -> None:
    found = recommend_products(index, ["p0001"], options=SearchOptions("price >= 50", top=4))
    assert len(found) == 4
    assert all(hit.metadata["price"] >= 50 for hit in found)


def test_a_liked_product_without_a_picture_has_no_say_in_the_pictures(
    store: Path, tmp_path: Path, model: Model
) -> None:
    rows = products(20)
    rows[4]["image"] = None
    embed(write(tmp_path / "c.parquet", rows), model, store)
    index_embeddings(store)
    index, pictures = open_index(store), SearchOptions(top=20, weights={"image": 1.0})
    both = recommend_products(index, ["p0003", "p0004"], options=pictures)
    one = recommend_products(index, ["p0003"], options=pictures)
    assert [hit.product_id for hit in both] == [
        hit.product_id for hit in one if hit.product_id != "p0004"
    ]


@pytest.mark.parametrize(
    ("liked", "disliked", "message"),
    [
        ([], [], "names no product"),
        (["nobody"], [], "`liked=nobody`: the index has no product of this id"),
        (["p0001"], ["nobody"], "`disliked=nobody`"),
        (["p0001", "p0002"], ["p0002"], "both name p0002"),
        ([7], [], "`liked`: 7 is no id"),
    ],
)
def test_a_history_that_cannot_be_used_is_refused(
    index: ProductIndex, liked: list[object], disliked: list[str], message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        recommend_products(index, liked, disliked)  # type: ignore[arg-type]


def test_the_command_prints_what_the_library_finds(published: Path, index: ProductIndex) -> None:
    arguments = ["--liked", "p0003", "--liked", "p0005", "--disliked", "p0007", "--top", "3"]
    done = run("recommend", *arguments, "--store", published, "--format", "csv")
    found = recommend_products(index, ["p0003", "p0005"], ["p0007"], SearchOptions(top=3))
    assert done.code == 0
    assert [line.split(",")[2] for line in done.out.splitlines()[1:]] == [
        hit.product_id for hit in found
    ]
