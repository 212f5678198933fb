"""Numbers and booleans of a catalogue compare as they are written, and come back as they came."""

import random
import sqlite3
from decimal import Context, Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from conftest import Counting

from prodmatch.errors import QueryError
from prodmatch.products.product_db import Products
from prodmatch.products.product_db_writer import write_products

WIDE = Context(prec=80)


def save(folder: Path, column: pa.Array) -> Products:
    ids = [f"p{row}" for row in range(len(column))]
    table = pa.table({"product_id": ids, "text": ids, "value": column})
    path = folder / "products.sqlite"
    write_products(path, table.schema, table.to_batches(max_chunksize=1000))
    return Products(path)


def values(products: Products) -> list[object]:
    rows = range(products.row_count)
    return [row["value"] for row in products.metadata(list(rows))]


def test_every_price_is_found_by_its_digits_and_printed_with_them(
    tmp_path: Path, count_cases: Counting
) -> None:
    prices = [Decimal(cents) / 100 for cents in range(1, 100_000)]
    products = save(tmp_path, pa.array(prices, pa.decimal128(12, 2)))
    assert list(map(str, values(products))) == [f"{price:.2f}" for price in prices]
    found = (
        sqlite3.connect(products.path)
        .execute(
            "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 99999) "
            "SELECT count(*) FROM c JOIN products ON row = n - 1 "
            "AND value = CAST(printf('%d.%02d', n / 100, n % 100) AS REAL)"
        )
        .fetchone()
    )
    assert found == (99_999,)
    for row in (0, 8, 1998, 13_928, 99_998):
        assert products.rows_where(f"value = {prices[row]:.2f}").tolist() == [row]
        assert products.rows_where(f"value >= {prices[row]:.2f}").tolist()[0] == row
    count_cases("prices", len(prices))


@pytest.mark.parametrize("digits", [5, 10, 15, 18, 30, 38])
@pytest.mark.parametrize("scale", [0, 1, 4, 18])
def test_a_decimal_of_any_digits_comes_back(tmp_path: Path, digits: int, scale: int) -> None:
    rng = random.Random(digits * 100 + scale)
    whole = [rng.randrange(-(10**digits) + 1, 10**digits) for _ in range(200)]
    cells = [Decimal(number).scaleb(-scale, context=WIDE) for number in [*whole, 0, 1]]
    expected: list[object] = list(cells) if scale else list(map(int, cells))
    products = save(tmp_path, pa.array([*cells, None], pa.decimal256(60, scale)))
    found = values(products)
    assert found == [*expected, None]
    if scale:
        assert [format(value, "f") for value in found[:-1]] == [f"{cell:f}" for cell in cells]
    if digits <= 15:
        for row, cell in enumerate(cells):
            assert row in products.rows_where(f"value = {cell:f}")


@pytest.mark.parametrize(
    "column",
    [
        pa.array([True, False, None]),
        pa.array([2**64 - 1, 2**63, 2**63 - 1, 0, None], pa.uint64()),
        pa.array([-(2**63), 2**63 - 1, 2**53 + 1, None], pa.int64()),
        pa.array([255, 0], pa.uint8()),
        pa.array([1.5, -0.1, 1e300]),
        pa.array(["007", "1.50", "true", ""]),
    ],
    ids=lambda column: str(column.type),
)
def test_a_value_comes_back_of_its_type(tmp_path: Path, column: pa.Array) -> None:
    found = values(save(tmp_path, column))
    assert found == column.to_pylist()
    assert [type(value) for value in found] == [type(value) for value in column.to_pylist()]


def test_booleans_and_large_numbers_are_compared_as_what_they_are(tmp_path: Path) -> None:
    products = save(tmp_path, pa.array([True, False, None]))
    assert products.rows_where("value").tolist() == [0]
    assert products.rows_where("value = false").tolist() == [1]
    products = save(tmp_path / "..", pa.array([2**64 - 1, 5], pa.uint64()))
    assert products.rows_where("value > 6").tolist() == [0]
    assert products.rows_where(f"value > {2**63 - 1}").tolist() == [0]


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, 2**64 - 2, 10**30])
@pytest.mark.parametrize("operator", ["=", "<", ">=", "!="])
def test_numbers_that_are_not_compared_exactly_are_refused(
    tmp_path: Path, number: int, operator: str
) -> None:
    products = save(tmp_path, pa.array([2**64 - 1, 2**63, 5], pa.uint64()))
    with pytest.raises(QueryError, match=f"{number} is beyond 9223372036854775807"):
        products.rows_where(f"value {operator} {number}")
    with pytest.raises(QueryError, match="is beyond"):
        products.rows_where(f"value BETWEEN 3 AND {number}")
