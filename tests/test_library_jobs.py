"""Jobs called from Python: what is of another type is named, and numbers of numpy are numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prodmatch import ProductIndex, Query, open_index
from prodmatch.errors import QueryError
from prodmatch.evaluate import EvaluateSettings, evaluate_index
from prodmatch.evaluate_histories import evaluate_histories
from prodmatch.explain import explain_product
from prodmatch.histories.log import LogSettings
from prodmatch.recommend import recommend_products, recommend_to_users
from prodmatch.search.queries import RejectedQuery

QUERIES = [Query("a", "blue mug number 1"), Query("b", "red")]
LOG = Path("log.csv")


@pytest.fixture(scope="module")
def index(published: Path) -> ProductIndex:
    return open_index(published)


def test_grades_may_be_numbers_of_numpy_and_queries_an_iterator(index: ProductIndex) -> None:
    plain = {"a": {"p0001": 2, "p0004": 0}, "b": {"p0003": 1}}
    expected = evaluate_index(index, QUERIES, plain)
    other: Any = {"a": {"p0001": np.int64(2), "p0004": False}, "b": {"p0003": np.float64(1.0)}}
    assert evaluate_index(index, iter(QUERIES), other) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"queries": "queries.csv"}, "`queries`: 'q' is no query"),
        ({"queries": [RejectedQuery("a", "line 3 is no JSON.")]}, "line 3 is no JSON"),
        ({"queries": Path("q.csv")}, "`queries`: PosixPath.* is one. Give a list"),
        ({"qrels": "qrels.csv"}, "`qrels`: is of the type str. Give {query_id: {product_id"),
        ({"qrels": {"a": ["p0001"]}}, "`qrels`: 'a': is of the type list"),
        ({"qrels": {"a": {"p0001": 1.5}}}, "'a': the grade of 'p0001' is 1.5; grades are whole"),
        ({"qrels": {"a": {"p0001": "1"}}}, "the grade of 'p0001' is '1'"),
        ({"qrels": {"a": {"p0001": None}}}, "the grade of 'p0001' is None"),
        ({"qrels": {"a": {"p0001": np.nan}}}, "the grade of 'p0001' is nan"),
        ({"qrels": {"a": {"p0001": 10**7}}}, "the grade of 'p0001' is 10000000"),
        ({"settings": {"relevant": 2}}, "`settings`: is of the type dict"),
        ({"runs": "a.run"}, "`runs`: is of the type str"),
        ({"runs": {"x": {"a": "p0001"}}}, "`runs`: 'x': 'a': is of the type str"),
        ({"runs": {"x": {"a": [1]}}}, "`runs`: 'x': 'a': 1: is of the type int"),
        ({"runs": {"x": {"a": ["p1", "p2", "p1"]}}}, "`runs`: 'x': 'a': 'p1' stands twice"),
        ({"out": 5}, "`out`: is of the type int. Give a path"),
        ({"index": "store"}, "`index`: is of the type str. Give open_index"),
    ],
)
def test_what_cannot_be_evaluated_is_named(
    index: ProductIndex, arguments: dict[str, Any], message: str
) -> None:
    usual: dict[str, Any] = {"index": index, "queries": QUERIES, "qrels": {"a": {"p0001": 1}}}
    with pytest.raises(QueryError, match=message):
        evaluate_index(**{**usual, **arguments})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda _: EvaluateSettings(relevant="1"), "`relevant`: is of the type str"),
        (lambda _: EvaluateSettings(threshold="x"), "`threshold`: is of the type str"),
        (lambda _: EvaluateSettings(threshold=np.nan), "`threshold=nan`: must be 0 to 1"),
        (lambda _: LogSettings(events=[("view", 1)]), "`events`: is of the type list"),
        (lambda _: LogSettings(events={"view": "1"}), "`events`: view: is of the type str"),
        (lambda _: LogSettings(events={5: 1.0}), "`events`: 5: is of the type int"),
        (lambda _: LogSettings(half_life="30"), "`half_life`: is of the type str"),
        (lambda i: recommend_products(i, None), "`liked`: is of the type NoneType"),
        (lambda i: recommend_products(i, ["p0001"], None), "`disliked`: is of the type NoneType"),
        (lambda i: recommend_products(i, ["p0001"], (), {"top": 3}), "`options`: is of the type"),
        (lambda _: recommend_products("store", ["p0001"]), "`index`: is of the type str"),
        (lambda i: recommend_to_users(i, 5, LOG), "`histories`: is of the type int"),
        (lambda i: recommend_to_users(i, LOG, 5), "`out`: is of the type int"),
        (lambda i: recommend_to_users(i, LOG, LOG, None, {}), "`settings`: is of the type dict"),
        (lambda i: evaluate_histories(i, 5), "`histories`: is of the type int"),
        (lambda _: evaluate_histories("store", LOG), "`index`: is of the type str"),
        (lambda i: explain_product(i, "mug", "p0001"), "`query`: is of the type str"),
        (lambda i: explain_product(i, QUERIES[0], 1), "`product_id`: is of the type int"),
        (
            lambda i: explain_product(i, QUERIES[0], "p0001", pictures=b"abc"),
            "`pictures`: is of the type bytes. Give a list",
        ),
        (
            lambda i: explain_product(i, QUERIES[0], "p0001", pictures=["a.jpg"]),
            "`pictures`: one: is of the type str",
        ),
    ],
)
def test_what_a_job_cannot_use_is_named(
    index: ProductIndex, call: Callable[[Any], object], message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        call(index)
