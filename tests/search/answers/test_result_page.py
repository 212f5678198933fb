"""Result pages equal what brute force makes of the full ranking: groups, facets, pages, boosts."""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from drawn import COUNT, columns, encoded, publish_drawn, unit

from prodmatch import ProductIndex, Query, SearchOptions, open_index
from prodmatch.errors import QueryError
from prodmatch.explain import explain_product
from prodmatch.search.answers import result_page
from prodmatch.search.answers.explanation import explanation_fields
from prodmatch.search.answers.hits import Facets, Hit, hit_fields
from prodmatch.search.answers.result_page import diversify
from prodmatch.search.searcher import Searcher
from prodmatch.storage.vectors import normalise

Row = Mapping[str, Any]


@pytest.fixture(scope="module")
def opened(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    return publish_drawn(published, tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="module")
def index(published: Path) -> ProductIndex:
    return open_index(published)


def ids(hits: list[Hit]) -> list[str]:
    return [hit.product_id for hit in hits]


@dataclass(frozen=True)
class Case:
    """One generated search: its options, and the same condition in Python."""

    options: SearchOptions
    holds: Callable[[Row], bool]


def draw_case(rng: np.random.Generator) -> Case:
    """A search by one signal, of which the candidates are exactly the nearest products."""
    limit = int(rng.integers(1, 90))
    conditions: list[tuple[str | None, Callable[[Row], bool]]] = [
        (None, lambda row: True),
        (f"price < {limit}", lambda row: row["price"] is not None and row["price"] < limit),
        ("stock = 1 AND brand = 'Ash'", lambda row: row["stock"] and row["brand"] == "Ash"),
        ("day = '2026-01-04'", lambda row: row["day"] == "2026-01-04"),
    ]
    where, holds = conditions[rng.integers(len(conditions))]
    groups = (None, "parent", "brand", "rare", "one", "stock", "a.b", "empty")
    options = SearchOptions(
        where,
        top=int(rng.integers(1, 60)),
        weights={str(rng.choice(["text", "image"])): 1.0},
        min_probability=float(rng.choice([0.0, 0.0, 0.5, 0.9])),
        offset=int(rng.choice([0, 0, 7, 30, 150])),
        one_per=groups[rng.integers(len(groups))],
        facets=("brand", "stock", "day", "price", "a.b", "empty", "odd"),
    )
    return Case(options, holds)


def best_per_group(hits: list[Hit], column: str | None) -> list[Hit]:
    found: dict[object, Hit] = {}
    for hit in hits:
        value = None if column is None else hit.metadata[column]
        found.setdefault(("none", hit.product_id) if value is None else value, hit)
    return list(found.values())


def test_groups_facets_and_pages_of_a_hundred_searches_equal_brute_force(
    opened: Searcher, count_cases: Callable[[str, int], None]
) -> None:
    rng = np.random.default_rng(5)
    for seed in range(100):
        case = draw_case(rng)
        options = case.options
        everything = opened.find_page(
            encoded(seed), SearchOptions(top=COUNT, weights=options.weights)
        ).hits
        assert len(everything) == COUNT
        matching = [
            hit
            for hit in everything
            if case.holds(hit.metadata) and hit.probability >= options.min_probability
        ]
        page = opened.find_page(encoded(seed), options)
        best = best_per_group(matching, options.one_per)
        assert ids(page.hits) == ids(best[options.offset :][: options.top]), options
        for hit in page.hits if options.one_per else ():
            value = hit.metadata[options.one_per]
            same = [each for each in matching if each.metadata[options.one_per] == value]
            assert hit.group_size == (1 if value is None else len(same))
        least = options.min_probability or 0.3
        counted = [hit for hit in matching if hit.probability >= least]
        assert page.match_count == len(counted)
        assert_counts(page.facets, counted)
    count_cases("searches with groups, facets and offsets", 100)


def assert_counts(facets: Facets, counted: list[Hit]) -> None:
    for name, found in facets.items():
        counts = Counter(hit.metadata[name] for hit in counted)
        del counts[None]
        in_order = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        assert [(each.value, each.count) for each in found] == in_order


def contained(query: str, products: Path) -> set[str]:
    """The products that contain two thirds of what the best one contains, by their weights."""
    rows = pq.read_table(products, columns=["product_id", "text"]).to_pylist()
    texts = {row["product_id"]: row["text"].split() for row in rows}
    weights = {}
    for word in query.split():
        count = sum(word in text for text in texts.values())
        weights[word] = math.log(1 + (len(texts) - count + 0.5) / (count + 0.5))
    shares = {
        product_id: sum(weight for word, weight in weights.items() if word in text)
        for product_id, text in texts.items()
    }
    best = max(shares.values())
    return {product_id for product_id, share in shares.items() if 0 < 2 / 3 * best <= share + 1e-5}


def test_what_contains_the_words_or_is_likely_is_counted_in_a_hundred_searches(
    opened: Searcher, count_cases: Callable[[str, int], None]
) -> None:
    rng = np.random.default_rng(6)
    words = ("red", "blue", "shirt", "mug", "lamp", "zorb")
    for seed in range(100):
        case = draw_case(rng)
        options = replace(case.options, weights={"lexical": 0.4, "text": 0.3, "image": 0.3})
        text = " ".join(rng.choice(words, int(rng.integers(1, 4)), replace=False))
        query = replace(encoded(seed), words=text)
        everything = opened.find_page(query, SearchOptions(top=COUNT, weights=options.weights)).hits
        said = contained(text, opened.products.path.with_name("products.parquet"))
        assert said or text == "zorb"
        if options.min_probability:
            counted = [hit for hit in everything if hit.probability >= options.min_probability]
        else:
            counted = [
                hit for hit in everything if hit.probability >= 0.3 or hit.product_id in said
            ]
        counted = [hit for hit in counted if case.holds(hit.metadata)]
        page = opened.find_page(query, options)
        assert page.match_count == len(counted), (options, text)
        assert_counts(page.facets, counted)
    count_cases("searches of words with facets", 100)


@pytest.mark.parametrize(
    "options",
    [
        SearchOptions(),
        SearchOptions(one_per="parent"),
        SearchOptions("price < 40", one_per="brand"),
        SearchOptions("price < 40", diverse=0.3),
        SearchOptions(one_per="parent", diverse=0.7, boost={"price": 0.2}),
    ],
)
@pytest.mark.parametrize("size", [3, 40, 170])
def test_pages_are_disjoint_and_together_one_page(
    opened: Searcher, options: SearchOptions, size: int
) -> None:
    query = replace(encoded(1), words="red lamp")
    pages = [
        opened.find_page(query, replace(options, top=size, offset=size * number)).hits
        for number in range(4)
    ]
    together = [hit for page in pages for hit in page]
    whole = opened.find_page(query, replace(options, top=4 * size)).hits
    assert len(set(ids(together))) == len(together) == len(whole)
    assert set(ids(together)) == set(ids(whole))
    if 4 * size <= 100 or options.diverse:  # of one round
        assert together == whole
    assert [hit.rank for hit in together] == list(range(1, len(together) + 1))


def test_a_value_that_all_the_nearest_share_leaves_room_for_the_others(opened: Searcher) -> None:
    hits = opened.find_page(
        encoded(2), SearchOptions("brand IS NOT NULL", one_per="brand", top=30)
    ).hits
    assert len(hits) == len({brand for brand in columns()["brand"] if brand})
    assert ids(opened.find_page(encoded(2), SearchOptions(one_per="one")).hits) == ids(
        opened.find_page(encoded(2), SearchOptions(top=1)).hits
    )


def test_a_floor_over_more_products_than_are_scored_counts_the_candidates(
    opened: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(result_page, "MOST_RANKED", 10)
    options = SearchOptions(weights={"text": 1.0}, min_probability=0.001, facets=("one",))
    page = opened.find_page(encoded(3), options)
    (found,) = page.facets["one"]
    assert page.match_count == found.count
    halves = np.zeros((2, 16), np.float32)
    halves[0, :8], halves[1, 8:] = unit(3), unit(1003)
    near = [each.rows for each in opened.ann.search(halves, 200)]
    assert found.count == len(np.union1d(*near)) < COUNT


def test_no_diversity_changes_nothing(opened: Searcher) -> None:
    for seed in range(5):
        plain = opened.find_page(encoded(seed), SearchOptions(top=40)).hits
        assert opened.find_page(encoded(seed), SearchOptions(top=40, diverse=0.0)).hits == plain


@pytest.mark.parametrize("diverse", [0.1, 0.5, 1.0])
def test_diverse_candidates_are_those_of_the_formula(diverse: float) -> None:
    rng = np.random.default_rng(7)
    scores = np.sort(rng.random(50).astype(np.float32))[::-1]
    vectors = normalise(rng.normal(size=(50, 6)))
    relevance = [
        (float(score) - float(scores[-1])) / float(scores[0] - scores[-1]) for score in scores
    ]
    expected: list[int] = []
    for _ in range(20):
        expected.append(
            max(
                (position for position in range(50) if position not in expected),
                key=lambda position: (
                    (1 - diverse) * relevance[position]
                    - diverse
                    * max(
                        (float(vectors[position] @ vectors[other]) for other in expected), default=0
                    )
                ),
            )
        )
    assert diversify(scores, vectors, diverse, 20).tolist() == expected


def test_diverse_hits_are_less_alike(opened: Searcher) -> None:
    def likeness(diverse: float) -> float:
        hits = opened.find_page(encoded(4), SearchOptions(top=10, diverse=diverse)).hits
        rows = np.array([opened.products.row_of(hit.product_id) for hit in hits])
        vectors = opened.ann.vectors(rows)
        return float((vectors @ vectors.T).mean())

    assert likeness(0.6) < likeness(0.2) < likeness(0.0)


@pytest.mark.parametrize("boost", [{"price": 0.5}, {"price": -0.3, "stock": 0.1}, {"odd": 0.2}])
def test_a_boost_is_the_rank_among_distinct_values_and_part_of_the_score(
    opened: Searcher, boost: dict[str, float]
) -> None:
    query = replace(encoded(6), words="blue mug")
    plain = opened.find_page(query, SearchOptions(top=COUNT)).hits
    hits = opened.find_page(query, SearchOptions(top=100, boost=boost)).hits
    values = columns()
    scores = {hit.product_id: hit.score for hit in plain}
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    for hit in hits:
        expected = 0.0
        for name, weight in boost.items():
            known = sorted({v for v in values[name] if v is not None and v == v})
            value = hit.metadata[name]
            if value is not None:
                rank = known.index(value) / (len(known) - 1)
                expected += weight * rank if weight > 0 else -weight * (1 - rank)
        assert hit.boost == pytest.approx(expected, abs=1e-5)
        assert hit.score == pytest.approx(hit.lexical + hit.text + hit.image + hit.boost, abs=1e-5)
        assert hit.score == pytest.approx(scores[hit.product_id] + expected, abs=1e-4)


def test_the_explanation_of_a_boosted_hit_is_the_hit(index: ProductIndex) -> None:
    options = SearchOptions(top=60, boost={"price": 0.4})
    for hit in index.search("red shirt", **vars(options))[::7]:
        found = explain_product(index, Query(text="red shirt"), hit.product_id, options=options)
        assert found.hit == hit
        assert explanation_fields(found)["boost"] == hit.boost


def test_what_is_not_wanted_is_not_in_the_json(index: ProductIndex) -> None:
    (hit,) = index.search("red shirt", top=1)
    assert not {"boost", "group_size"} & set(hit_fields(hit))


def test_a_product_that_hits_are_like_is_not_counted(index: ProductIndex) -> None:
    options = SearchOptions(facets=("colour",), one_per="colour")
    (answer,) = index.answer([Query(product_id="p0000")], options)
    assert sorted(hit.group_size or 0 for hit in answer.hits) == [19, 20, 20]
    likely = index.search(like="p0000", top=60, min_probability=0.3)
    assert {each.value: each.count for each in answer.facets["colour"]} == Counter(
        hit.metadata["colour"] for hit in likely
    )
    assert answer.match_count == len(likely) < 60


def test_a_query_has_an_offset_of_its_own(index: ProductIndex) -> None:
    plain, own, bad = index.answer(
        [Query("a", "red shirt"), Query("b", "red shirt", offset=4), Query("c", "red", offset=-1)],
        SearchOptions(top=5, offset=2),
    )
    whole = index.search("red shirt", top=10)
    assert ids(plain.hits) == ids(whole[2:7])
    assert ids(own.hits) == ids(whole[4:9])
    assert bad.error == "query 'c': offset -1: must be from 0 to 9995 with top 5."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            SearchOptions(one_per="color"),
            "`one_per`: there is no column 'color'; did you mean col",
        ),
        (
            SearchOptions(facets=("colour", "brnad")),
            "`facets`: there is no column 'brnad'. There",
        ),
        (
            SearchOptions(boost={"Price": 1}),
            "no column 'Price'; did you mean price? There are",
        ),
        (
            SearchOptions(boost={"colour": 1}),
            "'colour' holds text. Numeric columns are: price.",
        ),
        (SearchOptions(boost={"price": float("nan")}), "`boost`: price=nan is no weight"),
        (SearchOptions(boost={"price": float("inf")}), "`boost`: price=inf is no weight"),
        (SearchOptions(boost={"price": 1e39}), "`boost`: price=1e+39 is no weight"),
        (SearchOptions(diverse=1.5), "`diverse=1.5`: must be 0 to 1"),
        (SearchOptions(diverse=float("nan")), "`diverse=nan`: must be 0 to 1"),
        (SearchOptions(offset=-1), "`offset=-1`: must be from 0 to 9990"),
        (SearchOptions(offset=9991), "`offset=9991`: must be from 0 to 9990"),
        (SearchOptions(exact="no"), "`exact='no'`: must be True or False"),
        (SearchOptions(count="false"), "`count='false'`: must be True or False"),
        (SearchOptions(facets=[None]), "`facets`: None is no name of a column"),
        (SearchOptions(boost={3: 1.0}), "`boost`: 3 is no name. Give text."),
        (SearchOptions(boost={"price": True}), "`boost`: price=True must be a number"),
    ],
)
def test_options_that_cannot_be_used_are_named(
    index: ProductIndex, options: SearchOptions, message: str
) -> None:
    with pytest.raises(QueryError) as raised:
        index.search("red shirt", **vars(options))
    assert message in str(raised.value)
