"""A code of a product, typed in any spelling, finds it though its column is not searched."""

import sqlite3
from pathlib import Path

import pyarrow as pa
import pytest

from prodmatch.products.codes import is_code_column
from prodmatch.products.product_db import Products
from prodmatch.products.product_db_writer import write_products

COLUMNS: dict[str, list[object]] = {
    "ean": ["4006381333931", "5901234123457", None],
    "gtin": [4006381333931, 5901234123457, None],
    "GTIN13": [4006381333931.0, 5901234123457.0, None],
    "upc": ["036000291452", "012345678905", ""],
    "isbn": ["978-0-7475-3849-3", "0-7432-6951-9", None],
    "sku": ["MK-DHP453Z", "B.GSR/12", "red"],
    "Variant SKU": ["MK DHP453Z", "B GSR 12", "s"],
    "mpn": ["GSR 12V-15", "W 712/95", "x"],
    "oe_number": ["06A 115 561 B", "34 11 6 794 300", None],
    "part_no": ["002.638.50", "802.758.87", None],
    "modelNumber": ["WH-1000XM5", "WF-1000XM4", None],
    "barcode": ["00012345678905", "4006381333931", "n/a"],
}


def open_products(folder: Path, columns: dict[str, list[object]]) -> Products:
    rows = len(next(iter(columns.values())))
    ids = [f"p{row}" for row in range(rows)]
    table = pa.table({"product_id": ids, "text": ["mug"] * rows, **columns})
    write_products(folder / "products.sqlite", table.schema, table.to_batches())
    return Products(folder / "products.sqlite")


@pytest.mark.parametrize("name", COLUMNS)
def test_a_code_finds_its_product_in_any_spelling(tmp_path: Path, name: str) -> None:
    products = open_products(tmp_path, {name: COLUMNS[name]})
    for row, value in enumerate(COLUMNS[name][:2]):
        code = str(int(value) if isinstance(value, float) else value)
        plain = "".join(filter(str.isalnum, code))
        for typed in (code, plain, plain.lower(), code.replace("-", " "), f" {code} "):
            assert products.rows_named(typed).tolist() == [row]
            assert products.match(typed).named.tolist() == [row]
        assert products.rows_named(f"a case for {plain}").tolist() == [row]
        if sum(map(str.isdigit, code)) >= 5:
            for typed in (f"filter {code} new", f"part no. {code} oil", f"{name}:{plain} mug"):
                assert products.rows_named(typed).tolist() == [row]
        assert products.rows_named(plain[:-1]).tolist() == []


@pytest.mark.parametrize("separator", [";", "; ", ", ", "|", "\n", " ; "])
def test_each_of_several_codes_in_a_value_is_found(tmp_path: Path, separator: str) -> None:
    numbers = ["1K0 615 301 AA", "8J0615301A"]
    products = open_products(tmp_path, {"oem_numbers": [separator.join(numbers), "W 712/95"]})
    for typed in (*numbers, "1k0615301aa", "8J0-615-301-A"):
        assert products.rows_named(typed).tolist() == [0]
    assert products.rows_named("w712/95").tolist() == [1]


def test_an_id_is_found_in_any_spelling(tmp_path: Path) -> None:
    ids = ["SKU-003", "Ab.1234", "P0002", "4a7d1ed4-1474-4d0a-9b3e-0123456789ab", "13"]
    rows = pa.table({"product_id": ids, "text": ["mug"] * len(ids)})
    write_products(tmp_path / "products.sqlite", rows.schema, rows.to_batches())
    products = Products(tmp_path / "products.sqlite")
    for row, spellings in enumerate((["sku003", "SKU003", "a SKU.003"], ["ab1234"], ["p0002"])):
        for typed in spellings:
            assert products.rows_named(typed).tolist() == [row]
    assert products.rows_named(ids[3].upper()).tolist() == [3]
    with sqlite3.connect(tmp_path / "products.sqlite") as connection:
        codes = connection.execute("SELECT code FROM codes ORDER BY code").fetchall()
    assert codes == [("ab1234",), ("sku003",)]  # the others are found as ids


@pytest.mark.parametrize("text", ["red", "s", "x", "n/a", "mug", "", "5", "s2"])
def test_other_words_name_none(tmp_path: Path, text: str) -> None:
    columns: dict[str, list[object]] = {
        "sku": ["red", "s"],
        "mpn": ["x", "n/a"],
        "ean": ["5", "s2"],
    }
    assert open_products(tmp_path, columns).rows_named(text).tolist() == []


@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_a_number_is_found_with_other_zeros_before_it(tmp_path: Path, zeros: int) -> None:
    products = open_products(tmp_path, {"ean": ["0" * zeros + "36000291452", "12345678905"]})
    for typed in range(4):
        assert products.rows_named("0" * typed + "36000291452").tolist() == [0]
    assert products.rows_named("3600029145200").tolist() == []


def test_a_number_as_it_is_typed_goes_first(tmp_path: Path) -> None:
    products = open_products(tmp_path, {"sku": ["0123456", "123456", "AB-0123", "00012"]})
    assert products.rows_named("123456").tolist() == [1]
    assert products.rows_named("0123456").tolist() == [0]
    assert products.rows_named("00123456").tolist() == [1]
    assert products.rows_named("ab123").tolist() == []


def test_a_code_of_many_products_names_none(tmp_path: Path) -> None:
    products = open_products(tmp_path, {"sku": ["AB-1234"] * 11 + ["CD-1234"] * 10})
    assert products.rows_named("ab1234").tolist() == []
    assert products.rows_named("cd1234").tolist() == list(range(11, 21))


def test_only_columns_of_codes_are_looked_at() -> None:
    assert all(map(is_code_column, COLUMNS))
    names = ("id", "title", "price", "model", "type", "hs_code", "category_id", "colour", "phone")
    assert not any(map(is_code_column, names))


def test_a_generation_of_before_has_no_codes(tmp_path: Path) -> None:
    open_products(tmp_path, {"ean": ["4006381333931"]}).close()
    with sqlite3.connect(tmp_path / "products.sqlite") as connection:
        connection.execute("DROP TABLE codes")
    assert Products(tmp_path / "products.sqlite").rows_named("4006381333931").tolist() == []
