"""Decimals of any number of digits are compared as they are written, or are refused."""

import random
import sqlite3
from collections.abc import Callable
from decimal import Context, Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from conftest import Counting

from prodmatch.errors import QueryError
from prodmatch.products.product_db import Products
from prodmatch.products.product_db_writer import write_products

WIDE = Context(prec=80)
OPERATORS: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "=": lambda a, b: a == b, "!=": lambda a, b: a != b, "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}  # fmt: skip
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def save(folder: Path, cells: list[Decimal | None], kind: pa.DataType) -> Products:
    ids = [f"p{row}" for row in range(len(cells))]
    table = pa.table({"product_id": ids, "text": ids, "value": pa.array(cells, kind)})
    write_products(folder / "products.sqlite", table.schema, table.to_batches())
    return Products(folder / "products.sqlite")


def neighbours(digits: int, scale: int) -> list[Decimal | None]:
    """Decimals that differ in their last digits, and some others; one is missing."""
    rng = random.Random(100 * digits + scale)
    cells = []
    for _ in range(6):
        start = rng.randrange(10 ** (digits - 1), 10**digits - 3)
        for number in (start, start + 1, start + 2, -start, -start - 1):
            cells.append(Decimal(number).scaleb(-scale, context=WIDE))
    return [*cells, Decimal(0), None]


@pytest.mark.parametrize(
    ("digits", "scale"),
    [(5, 2), (15, 2), (16, 2), (17, 4), (18, 18), (18, 0), (20, 10), (22, 2), (30, 15), (38, 2),
     (38, 20), (38, 37), (38, 38)],
)  # fmt: skip
def test_every_comparison_is_exact(
    digits: int, scale: int, tmp_path: Path, count_cases: Counting
) -> None:
    cells = neighbours(digits, scale)
    products = save(tmp_path, cells, pa.decimal128(38, scale))
    present = [(row, cell) for row, cell in enumerate(cells) if cell is not None]

    def rows(holds: Callable[[Decimal], bool]) -> list[int]:
        return [row for row, cell in present if holds(cell)]

    for number in [cell for _, cell in present[:15]]:
        for sign, holds in OPERATORS.items():
            expected = rows(lambda cell: holds(cell, number))  # noqa: B023
            others = [row for row, _ in present if row not in expected]
            mirrored = f"{number:f} {MIRRORED.get(sign, sign)} value"
            assert products.rows_where(f"value {sign} {number:f}").tolist() == expected
            assert products.rows_where(mirrored).tolist() == expected
            assert products.rows_where(f"NOT (value {sign} {number:f})").tolist() == others
        low, high = sorted([number, present[3][1]])
        inside = rows(lambda cell: low <= cell <= high)  # noqa: B023
        between = f"BETWEEN {low:f} AND {high:f}"
        assert products.rows_where(f"value {between}").tolist() == inside
        assert products.rows_where(f"value {between} AND value IS NOT NULL").tolist() == inside
        outside = [row for row, _ in present if row not in inside]
        assert products.rows_where(f"value NOT {between}").tolist() == outside
        chosen = rows(lambda cell: cell in (low, high))  # noqa: B023
        listed = f"value IN ({low:f}, {high:f})"
        assert products.rows_where(listed).tolist() == chosen
        assert products.rows_where(f"{listed} OR product_id = 'p0'").tolist() == sorted(
            {0, *chosen}
        )
        count_cases("comparisons of decimals", 18)


def test_a_number_of_more_digits_than_the_column_has_is_no_other(tmp_path: Path) -> None:
    products = save(tmp_path, [Decimal("19.99"), Decimal("20.00"), None], pa.decimal128(12, 2))
    for condition, expected in {
        "value = 19.990000000000000001": [], "value < 19.990000000000000001": [0],
        "value >= 19.990000000000000001": [1], "value = 19.990": [0], "value = 1.999e1": [0],
        "value != 19.990000000000000001": [0, 1], "value = 19.99000000000000000000": [0],
        "value > 19.98999999999999999999": [0, 1], "-value = -19.99": [0],
    }.items():  # fmt: skip
        assert products.rows_where(condition).tolist() == expected, condition


@pytest.mark.parametrize("scale", [0, 2])
@pytest.mark.parametrize(
    "condition",
    ["value + 0 > 5", "abs(value) < 7", "value * 2 = 8", "-value < 3", "value > 1 + 1",
     "value < value", "round(value) = 3", "5 - value > 1", "value = (SELECT 1)", "value > 1 = 1",
     "coalesce(value, 0) > 2", "value IS NOT 5"],
)  # fmt: skip
def test_what_cannot_be_exact_is_refused_with_a_remedy(
    condition: str, scale: int, tmp_path: Path
) -> None:
    cells = [Decimal("12345678901234567890123"), Decimal(5), None]
    products = save(tmp_path, cells, pa.decimal128(38, scale))
    with pytest.raises(QueryError, match=r"more than 15 digits \(1234.*write value >= 1 AND val"):
        products.rows_where(condition)
    for asked in ("value IS NULL", "value ISNULL", "NOT value NOT NULL"):
        assert products.rows_where(asked).tolist() == [2]
    for asked in ("value IS NOT NULL", "value NOTNULL"):
        assert products.rows_where(asked).tolist() == [0, 1]


def test_few_digits_may_be_calculated_with(tmp_path: Path) -> None:
    products = save(tmp_path, [Decimal("19.99"), Decimal("20.00")], pa.decimal128(12, 2))
    assert products.rows_where("value * 2 > 39.99").tolist() == [1]
    assert products.rows_where("abs(value) < 20").tolist() == [0]


@pytest.mark.parametrize("name", ["a b", 'say "x"', "order", "Größe"])
def test_columns_of_any_name_are_compared(name: str, tmp_path: Path) -> None:
    cells = [Decimal("1234567890123456.01"), Decimal("1234567890123456.02")]
    table = {"product_id": ["a", "b"], "text": ["a", "b"], name: pa.array(cells)}
    written = pa.table(table)
    write_products(tmp_path / "p.sqlite", written.schema, written.to_batches())
    quoted = name.replace('"', '""')
    rows = Products(tmp_path / "p.sqlite").rows_where(f'"{quoted}" = {cells[1]}')
    assert rows.tolist() == [1]


def test_the_doubles_of_sqlite_are_in_order(tmp_path: Path) -> None:
    """What `NEAR` stands on: SQLite reads a long number within a few units of its last place."""
    rng = random.Random(3)
    connection = sqlite3.connect(":memory:")
    for _ in range(2000):
        number = Decimal(rng.randrange(10**37, 10**38)).scaleb(-rng.randrange(39), context=WIDE)
        (read,) = connection.execute(f"SELECT CAST('{number:f}' AS REAL)").fetchone()
        assert abs(read / float(number) - 1) < 1e-15
