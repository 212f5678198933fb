"""Rounds that look for the nearest rows find what a search of each round finds, in one search."""

from collections.abc import Iterator

import numpy as np
import pytest

from prodmatch.search.answers.result_page import CANDIDATES, deepest_count
from prodmatch.search.ranker import DeepSearch
from prodmatch.search.vectors.index_builder import Kind, build_index
from prodmatch.search.vectors.vector_index import AnnIndex, Neighbours, exact_neighbours
from prodmatch.storage.vectors import Vectors, normalise

COUNT, DIM = 30_000, 8


def unit_rows(seed: int, count: int) -> Vectors:
    return normalise(np.random.default_rng(seed).normal(size=(count, DIM)))


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    """Rows of which every second is as the one before it."""
    return np.repeat(unit_rows(0, COUNT // 2), 2, axis=0)


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each search of the index looked for."""
    counts: list[int] = []
    search = AnnIndex.search

    def counted(
        self: AnnIndex, queries: Vectors, count: int, *, within: np.ndarray | None = None
    ) -> list[Neighbours]:
        counts.append(count)
        return search(self, queries, count, within=within)

    monkeypatch.setattr(AnnIndex, "search", counted)
    return counts


def rounds(within: np.ndarray | None, found: DeepSearch) -> Iterator[tuple[Neighbours, np.ndarray]]:
    """The nearest of each round of a page down to the thousandth, and the rows to choose among."""
    rows = np.arange(COUNT) if within is None else within
    for count in CANDIDATES[:3]:
        (near,) = found.nearest(count, within)
        yield near, rows
        rows = within = np.setdiff1d(rows, near.rows[: count // 2])


@pytest.mark.parametrize("filtered", [1, 3, 40])
def test_rounds_find_the_nearest_in_one_search(
    vectors: Vectors, searches: list[int], filtered: int
) -> None:
    ann = build_index(lambda: [vectors], COUNT, DIM, "flat")
    query = unit_rows(1, 1)
    within = None if filtered == 1 else np.arange(0, COUNT, filtered)
    for near, rows in rounds(within, DeepSearch(ann, query, deepest_count(1_000))):
        (true,) = exact_neighbours([vectors[rows]], query, len(near.rows))
        np.testing.assert_allclose(near.scores, true.scores, atol=1e-6)
        assert set(near.rows) <= set(rows)
        assert len(near.rows) in (*CANDIDATES, len(rows))
    assert len(searches) == 1


def test_the_first_round_is_the_same_however_deep_the_search(vectors: Vectors) -> None:
    ann = build_index(lambda: [vectors], COUNT, DIM, "flat")
    query = unit_rows(2, 1)
    (shallow,) = DeepSearch(ann, query, deepest_count(10)).nearest(199, None)
    (deep,) = DeepSearch(ann, query, deepest_count(5_000)).nearest(199, None)
    assert shallow.rows.tolist() == deep.rows.tolist()
    assert shallow.rows[198] % 2 == 0  # of two equal rows the first


def test_more_than_the_depth_is_searched_for_again(vectors: Vectors, searches: list[int]) -> None:
    ann = build_index(lambda: [vectors], COUNT, DIM, "flat")
    found = DeepSearch(ann, unit_rows(3, 1), 200)
    found.nearest(200, None)
    (near,) = found.nearest(900, None)
    assert (len(near.rows), searches[1:]) == (900, [900])


@pytest.mark.parametrize(("kind", "wanted"), [("hnsw", [200, 600, 2_000]), ("codes", [2_464])])
def test_an_index_of_links_is_searched_each_round(
    searches: list[int], kind: Kind, wanted: list[int]
) -> None:
    rows = unit_rows(4, 3_000)
    ann = build_index(lambda: [rows], 3_000, DIM, kind)
    found = DeepSearch(ann, unit_rows(5, 1), deepest_count(1_000))
    for count in CANDIDATES[:3]:
        found.nearest(count, None)
    assert searches == wanted
    nobody = found.nearest(10, np.zeros(0, np.int64))
    assert [len(near.rows) for near in nobody] == [0]


def test_the_rounds_of_a_page_add_up() -> None:
    assert [deepest_count(last) for last in (10, 100, 101, 400, 401, 1_400)] == [
        *(200, 200, 700, 700, 2_400, 2_400),
    ]
