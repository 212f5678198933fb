"""Filters by order: dates in any form compare as moments, and letters never stand for numbers."""

import operator
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pytest
from conftest import Counting

from prodmatch.errors import QueryError
from prodmatch.products.product_db import Products
from prodmatch.products.product_db_writer import write_products

COUNT, LITERALS = 60, 40
RANDOM = random.Random(7)
MOMENTS = [
    datetime(2026, 1, 31, 12) + timedelta(minutes=RANDOM.choice([0, 1, 30, 45, 720, 1440]) * row)
    for row in range(COUNT)
]
SIZES = [str(size) for size in (9, 10, 36, 7.5, 100, 42)]
COLUMNS = {
    "zoned": pa.array(MOMENTS, pa.timestamp("us", "UTC")),
    "plain": pa.array(MOMENTS, pa.timestamp("us")),
    "day": pa.array([moment.date() for moment in MOMENTS]),
    "spaced": pa.array([moment.isoformat(" ") for moment in MOMENTS]),
    "short": pa.array([moment.isoformat("T", "minutes") + "Z" for moment in MOMENTS]),
    "size": pa.array([SIZES[row % len(SIZES)] for row in range(COUNT)]),
    "code": pa.array([f"{row:03d}" for row in range(COUNT)]),
    "price": pa.array([float(row) for row in range(COUNT)]),
}
SIGNS: dict[str, Callable[[object, object], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "=": operator.eq, "<>": operator.ne,
}  # fmt: skip
SUMMER = timezone(timedelta(hours=2))
FORMS: dict[str, list[Callable[[datetime], str]]] = {
    "plain": [str, datetime.isoformat, lambda moment: moment.isoformat(" ", "minutes")],
    "zoned": [
        str,
        lambda moment: moment.isoformat() + "Z",
        lambda moment: moment.replace(tzinfo=UTC).isoformat(" "),
        lambda moment: moment.replace(tzinfo=UTC).astimezone(SUMMER).isoformat(),
    ],
}  # fmt: skip
FORMS |= {"spaced": FORMS["plain"], "short": FORMS["zoned"]}


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> Products:
    ids = {"product_id": [f"p{row}" for row in range(COUNT)], "text": ["x"] * COUNT}
    table = pa.table({**ids, **COLUMNS})
    path: Path = tmp_path_factory.mktemp("ordered") / "products.sqlite"
    write_products(path, table.schema, table.to_batches())
    return Products(path)


def test_moments_compare_however_they_are_written(
    products: Products, count_cases: Counting
) -> None:
    for name, forms in FORMS.items():
        for limit in RANDOM.sample(MOMENTS, LITERALS):
            written = RANDOM.choice(forms)(limit)
            sign = RANDOM.choice(list(SIGNS))
            wanted = [row for row, moment in enumerate(MOMENTS) if SIGNS[sign](moment, limit)]
            assert products.rows_where(f"{name} {sign} '{written}'").tolist() == wanted, written
            count_cases("moments in filters", 1)


def test_days_compare_however_they_are_written(products: Products) -> None:
    for limit in MOMENTS:
        wanted = [row for row, moment in enumerate(MOMENTS) if moment.date() >= limit.date()]
        for written in (f"{limit:%Y-%m-%d}", f"{limit:%Y-%m-%d}T00:00:00"):
            assert products.rows_where(f"day >= '{written}'").tolist() == wanted
    february = [row for row, moment in enumerate(MOMENTS) if moment.month >= 2]
    assert products.rows_where("day >= '2026-02'").tolist() == february


REFUSED = [
    ("day > '2026-1-5'", r"day is a date \('2026-01-31'\); write dates like that"),
    ("day <= '2026-02-01T10:00:00'", "day is a date"),
    ("plain < '2026-02-01T10:00:00Z'", "plain is a date"),
    ("zoned BETWEEN '1 Feb 2026' AND '2026-03-01'", "zoned is a date"),
    ("zoned > 'yesterday'", "zoned is a date"),
    ("3 < price < 5", "two sides; write price > 3 AND price < 5"),
    ("price > 1 AND 3 <= price <= 5", "two sides"),
    ("5 > price >= 3", "two sides"),
    ("price > 3 < 5", "two sides; write price > 3 AND price < 5"),
    ("day > '2026-01-01' < '2026-02-02'", "two sides; write day > 3"),
    ("'2026-01-01' < day < '2026-02-02'", "two sides"),
    ("price BETWEEN 7 AND 5", "write BETWEEN 5 AND 7"),
    ("price NOT BETWEEN 10 AND 9.5", "write BETWEEN 9.5 AND 10"),
    ("day BETWEEN '2026-03-01' AND '2026-02-01'", "write BETWEEN '2026-02-01' AND '2026-03-01'"),
    ("size > '9'", "letter by letter: '10' < '9'; .* CAST\\(size AS REAL\\) with 9"),
    ("'38' < size", "letter by letter"),
    ("size BETWEEN '36' AND '42'", "letter by letter"),
    ("code > '7'", "letter by letter"),
    ("size IN '9'", "IN takes round brackets"),
    ("price IN 9", "IN takes round brackets"),
]


@pytest.mark.parametrize(("condition", "message"), REFUSED)
def test_an_order_that_means_something_else_is_refused(
    products: Products, condition: str, message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        products.rows_where(condition)


def test_right_orders_are_taken(products: Products) -> None:
    assert products.rows_where("code > '057'").tolist() == [58, 59]
    assert products.rows_where("CAST(size AS REAL) > 99").tolist()[:2] == [4, 10]
    assert products.rows_where("price BETWEEN 3 AND 3").tolist() == [3]
    assert products.rows_where("size > 'a'").tolist() == []
    assert products.rows_where("(price > 3) = 0 AND price > 1").tolist() == [2, 3]
