"""The drawn catalogue, and what the shipped model makes of it."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from draw import COLOURS, KINDS, draw_catalogue

from prodmatch.build import BuildSettings, build
from prodmatch.embed import EmbedSettings
from prodmatch.search.product_index import ProductIndex, open_index
from prodmatch.search.queries import Query

SAMPLE = Path(__file__).parents[1] / "sample_data"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> ProductIndex:
    store = tmp_path_factory.mktemp("sample") / "store"
    settings = BuildSettings(EmbedSettings(workers=0, precision="float32"))
    report = build(SAMPLE / "catalogue.parquet", store, settings=settings)
    assert (report.embed.embedded, report.embed.rejected, report.index.products) == (616, 0, 616)
    return open_index(store)


def rows() -> dict[str, dict[str, object]]:
    table = pq.read_table(SAMPLE / "catalogue.parquet").to_pylist()
    return {row["product_id"]: row for row in table}


def test_the_sample_is_what_its_generator_draws() -> None:
    again = draw_catalogue(seed=7, count=616)
    assert again[:50] == list(rows().values())[:50]


def test_half_of_the_titles_say_no_colour() -> None:
    silent = [row for row in rows().values() if str(row["colour"]) not in str(row["title"]).lower()]
    assert len(silent) == 308
    assert not any(
        colour in str(row["description"]).split() for row in silent for colour in COLOURS
    )
    assert {row["type"] for row in silent} == {kind.name for kind in KINDS}


def test_red_t_shirts_are_found_those_with_a_silent_title_included(index: ProductIndex) -> None:
    wanted = {
        name for name, row in rows().items() if (row["colour"], row["type"]) == ("red", "t-shirt")
    }
    hits = index.search("red t-shirt", top=8)
    assert len(wanted) == 4
    assert any("red" not in str(rows()[name]["title"]).lower() for name in wanted)
    assert wanted <= {hit.product_id for hit in hits}


def test_the_hybrid_finds_more_than_words_alone(index: ProductIndex) -> None:
    lines = (SAMPLE / "queries.jsonl").read_text().splitlines()
    queries = [json.loads(line) for line in lines]
    queries = [Query(query["query_id"], query["text"]) for query in queries]
    wanted: dict[str, set[str]] = {}
    for row in pq.read_table(SAMPLE / "qrels.parquet").to_pylist():
        wanted.setdefault(row["query_id"], set()).add(row["product_id"])

    def recall(weights: dict[str, float] | None) -> float:
        found = index.search_many(queries, top=10, weights=weights)
        shares = [
            len({hit.product_id for hit in hits} & wanted[query.query_id])
            / min(10, len(wanted[query.query_id]))
            for query, hits in zip(queries, found, strict=True)
        ]
        return sum(shares) / len(shares)

    words, hybrid = recall({"lexical": 1.0}), recall(None)
    assert hybrid > words + 0.1
