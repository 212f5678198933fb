"""A product has one score and one probability for a query, on whatever page it is found."""

import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prodmatch import ProductIndex, Query, SearchOptions, build, open_index
from prodmatch.search.answers import result_page

SAMPLE = Path(__file__).parents[2] / "sample_data"
QUERIES = ["blue dress", "green shirt", "mug", "polka dot mug", "beige backpack", "black trousers"]


def build_mixed(folder: Path, seed: int) -> ProductIndex:
    """The sample, of which two in five have no picture and one has no text, shuffled."""
    rows = pq.read_table(SAMPLE / "catalogue.parquet").to_pylist()
    for number, row in enumerate(rows):
        row["image"] = None if number % 5 < 2 else row["image"]
        row["title"] = None if number % 5 == 2 else row["title"]
        row["description"] = None if number % 5 == 2 else row["description"]
    random.Random(seed).shuffle(rows)
    schema = pq.read_schema(SAMPLE / "catalogue.parquet")
    pq.write_table(pa.Table.from_pylist(rows, schema), folder / f"{seed}.parquet")
    build(folder / f"{seed}.parquet", folder / f"store{seed}")
    return open_index(folder / f"store{seed}")


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ProductIndex]]:
    folder = tmp_path_factory.mktemp("mixed")
    opened = [build_mixed(folder, seed) for seed in range(2)]
    yield opened
    for index in opened:
        index.close()


def find(index: ProductIndex, text: str, **options: object) -> dict[str, tuple[float, float]]:
    """Score and probability by id, in the order of the hits."""
    (answer,) = index.answer([Query(text=text)], SearchOptions(**options))  # type: ignore[arg-type]
    return {hit.product_id: (hit.score, hit.probability) for hit in answer.hits}


@pytest.mark.parametrize("query", QUERIES)
def test_neither_the_page_nor_the_order_of_the_rows_changes_a_score(
    indexes: list[ProductIndex], query: str
) -> None:
    first, shuffled = indexes
    longest = list(find(first, query, top=300).items())
    assert list(find(first, query, top=100).items()) == longest[:100]
    joined = [*find(first, query, top=90).items(), *find(first, query, top=90, offset=90).items()]
    assert joined == longest[:180]
    assert list(find(shuffled, query, top=300).items()) == longest


@pytest.mark.parametrize("query", QUERIES)
def test_a_condition_leaves_probabilities_as_they_are(
    indexes: list[ProductIndex], query: str
) -> None:
    whole = find(indexes[0], query, top=616)
    few = find(indexes[0], query, top=616, where="price < 12")
    assert len(few) > 10
    assert {name: few[name][1] for name in few} == {name: whole[name][1] for name in few}


@pytest.mark.parametrize("query", QUERIES)
def test_a_facet_counts_what_its_condition_finds(indexes: list[ProductIndex], query: str) -> None:
    options = SearchOptions(top=5, facets=("brand",))
    (answer,) = indexes[0].answer([Query(text=query)], options)
    assert answer.facets["brand"]
    for value in answer.facets["brand"]:
        chosen = SearchOptions(top=5, where=f"brand = '{value.value}'", count=True)
        (narrowed,) = indexes[0].answer([Query(text=query)], chosen)
        assert narrowed.match_count == value.count


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("least", [0.3, 0.5, 0.7])
def test_the_least_probability_leaves_all_that_reach_it(
    indexes: list[ProductIndex], query: str, least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = find(indexes[0], query, top=616)
    # Rounds of so few that the first ones may find nothing, as in a larger store.
    monkeypatch.setattr(result_page, "CANDIDATES", (4, 6, 8))
    expected = {name for name, (_, probability) in whole.items() if probability >= least}
    assert find(indexes[0], query, top=616, min_probability=least).keys() == expected


@pytest.mark.parametrize("query", ["red shirt under 20", "mug not blue", *QUERIES])
def test_an_explanation_has_the_score_of_the_hit(indexes: list[ProductIndex], query: str) -> None:
    searcher = indexes[0].searcher
    (answer,) = indexes[0].answer([Query(text=query)], SearchOptions(top=8))
    (encoded,) = searcher.encode([Query(text=query)])
    for hit in answer.hits:
        row = searcher.products.row_of(hit.product_id)
        placed = searcher.place(encoded, row, SearchOptions())  # type: ignore[arg-type]
        assert (placed.rank, placed.score, placed.probability) == (
            hit.rank,
            hit.score,
            hit.probability,
        )
