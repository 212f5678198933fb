"""What a column is read as: identifiers stay text, numbers are exact, nothing is guessed."""

import datetime
from pathlib import Path

import pyarrow as pa
import pytest
from product_files import column, convert, write_csv

IDS = (
    "id", "ID", "sku", "SKU", "gtin", "GTIN13", "ean", "EAN", "upc", "UPC-A", "mpn", "MPN", "asin",
    "barcode", "Variant SKU", "g:gtin", "item_id", "productId", "parentProductID", "variant_sku",
    "seller-sku", "ProductSKU", "zip", "Artikelnummer", "model number", "isbn", "store id",
    "Artikelnr.", "Herstellernummer", "r\u00e9f\u00e9rence", "C\u00f3digo", "PZN",
    "\u0430\u0440\u0442\u0438\u043a\u0443\u043b", "\u5546\u54c1\u30b3\u30fc\u30c9",
)  # fmt: skip


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("values", [["1", "22"], ["1.50", "2.5"], ["1e5", "true"]])
def test_identifiers_stay_as_they_are(tmp_path: Path, name: str, values: list[str]) -> None:
    assert column(tmp_path, name, values)[0] == values


@pytest.mark.parametrize("name", ["title", "description"])
@pytest.mark.parametrize("values", [["1984", "7"], ["1.50", "2.5"], ["true", ""], ["2024-01-01"]])
def test_titles_and_descriptions_are_texts(tmp_path: Path, name: str, values: list[str]) -> None:
    assert column(tmp_path, name, values)[0] == [value or None for value in values]


TEXTS = {
    "leading zero": ["1", "007"],
    "leading zero late": ["12.5", "00.5"],
    "beyond int64": ["12345678901234567890", "1"],
    "beyond a float": ["0.12345678901234567891", "1.5"],
    "a long integer among fractions": ["9007199254740993", "1.5"],
    "an exponent of a part number": ["1e5", "2e7"],
    "a word": ["1", "2", "call"],
    "a plus": ["+49123", "+1"],
    "a version": ["1.2.3", "1.2.4"],
    "a list": ["36,38", "40,42"],
    "a range": ["10-20", "5-8"],
    "a size": ["10 cm", "5 cm"],
    "an infinite number": ["1e999", "1.5"],
    "no such day": ["2024-02-30", "2024-01-01"],
    "a date otherwise": ["01/02/2024", "03/04/2024"],
    "yes and no": ["yes", "no"],
    "no value in text": ["NA", "null", "blue", "N/A"],
    "only no values": ["N/A", "N/A"],
    "numbers beside booleans": ["true", "1"],
    "a doubtful comma": ["1,299", "2,500"],
    "two ways to write a number": ["1,299.50 €", "1.299,50 €"],
    "spaces": [" a ", "b "],
}


@pytest.mark.parametrize("kind", TEXTS)
def test_what_a_number_would_lose_stays_text(tmp_path: Path, kind: str) -> None:
    assert column(tmp_path, "attribute", TEXTS[kind])[0] == TEXTS[kind]


NUMBERS: dict[str, tuple[str, list[str], list[object]]] = {
    "integers": ("stock", ["1", "-2", "0", ""], [1, -2, 0, None]),
    "the largest": ("n", [str(2**63 - 1), str(-(2**63))], [2**63 - 1, -(2**63)]),
    "fractions": ("price", ["19.99", "5", ".5"], [19.99, 5.0, 0.5]),
    "as Python writes them": ("x", ["1e-05", "1.5e+16", "0.30000000000000004"],
                              [1e-05, 1.5e16, 0.30000000000000004]),
    "no values": ("price", ["1.5", "NA", "N/A", "null", "nan", "-"], [1.5] + [None] * 5),
    "euros": ("price", ["1.299,00 €", "5,00 €"], [1299.0, 5.0]),
    "dollars": ("price", ["$1,299.00", "$5"], [1299.0, 5.0]),
    "a code before": ("cost", ["EUR 1.299,50", "EUR 2"], [1299.5, 2.0]),
    "a code after": ("cost", ["19.99 USD", "1299.00 USD"], [19.99, 1299.0]),
    "francs": ("preis", ["CHF 1'299.00", "CHF 15.50"], [1299.0, 15.5]),
    "spaces for thousands": ("prix", ["1\u00a0299,00 €", "5,50 €"], [1299.0, 5.5]),
    "spaces for thousands alone": ("preis", ["1\u00a0299", "2 500", "7"], [1299.0, 2500.0, 7.0]),
    "thousands": ("reviews", ["1,200", "3,400,000", "7"], [1200.0, 3400000.0, 7.0]),
    "a comma that is told by another": ("price", ["1,299", "12,5"], [1.299, 12.5]),
    "booleans": ("new", ["true", "False", "TRUE", ""], [True, False, True, None]),
    "days": ("released", ["2024-02-29", ""], [datetime.date(2024, 2, 29), None]),
    "times": ("added", ["2024-02-29 10:00:00", "2024-03-01T00:30:00.5"],
              [datetime.datetime(2024, 2, 29, 10),
               datetime.datetime(2024, 3, 1, 0, 30, 0, 500000)]),
    "not an id": ("paid", ["1", "2"], [1, 2]),
    "not one either": ("fluid", ["1.5", "2"], [1.5, 2.0]),
}  # fmt: skip


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_are_exact(tmp_path: Path, kind: str) -> None:
    name, values, expected = NUMBERS[kind]
    found, _ = column(tmp_path, name, values)
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]


def test_a_decimal_comma_is_read_where_commas_do_not_separate(tmp_path: Path) -> None:
    rows, report = convert(tmp_path, "p.csv", "product_id;x;größe\n1;1,5;36,38\n2;2,25;40,42\n")
    assert [(row["x"], row["größe"]) for row in rows] == [(1.5, "36,38"), (2.25, "40,42")]
    assert "x: numbers with a decimal comma (such as '1,5')" in report.warnings


def test_the_currency_has_a_column_of_its_own(tmp_path: Path) -> None:
    table = [["product_id", "price"], ["1", "5,00 €"], ["2", "7,50"], ["3", "N/A"]]
    rows, report = convert(tmp_path, "p.csv", write_csv(table))
    assert [(row["price"], row["price_currency"]) for row in rows] == [
        (5.0, "€"), (7.5, None), (None, None)
    ]  # fmt: skip
    assert report.columns["price_currency"] == "string"
    assert "1 x 'N/A' read as no value" in report.warnings[0]


@pytest.mark.parametrize(
    ("name", "values", "note"),
    [
        ("price", ["1", "2", "call"], "price: text, as 'call' in row 3 is no plain number"),
        ("price", ["$1", "$2", "call"], "price: text, as 'call' in row 3 is no plain number"),
        ("price", ["1.299", "2.500"], "price: text, as its numbers (such as 1.299) may have"),
        ("n", ["12345678901234567890", "1"], "n: text, as its numbers have more digits"),
        ("n", ["1", "NA"], "n: integer values; 1 x 'NA' read as no value"),
        ("price", ["5,00 €", "6,50 €"], "price: numbers with a decimal comma (such as '5,00 €')"),
    ],
)
def test_what_is_not_plain_is_named(
    tmp_path: Path, name: str, values: list[str], note: str
) -> None:
    _, report = column(tmp_path, name, values)
    assert [text for text in report.warnings if text.startswith(note)], report.warnings


@pytest.mark.parametrize(
    ("last", "expected"), [("call", "1"), ("1.5", 1.0), ("007", "1"), ("", 1), ("N/A", 1)]
)
def test_the_last_row_of_many_has_its_say(tmp_path: Path, last: str, expected: object) -> None:
    values = ["1"] * 10_000 + [last]
    found, _ = column(tmp_path, "price", values)
    assert (found[0], type(found[0])) == (expected, type(expected))
    assert found[-1] in (last, 1.5, None)


def test_a_column_without_values_is_text(tmp_path: Path) -> None:
    found, report = column(tmp_path, "x", ["", ""])
    assert (found, report.columns["x"]) == ([None, None], str(pa.string()))


@pytest.mark.parametrize(
    ("name", "delimiter", "kept"),
    [("stock", ";", True), ("price", ",", True), ("stock", ",", False), ("attribute", ";", False)],
)
def test_a_point_that_may_stand_for_thousands_stays_text(
    name: str, delimiter: str, kept: bool, tmp_path: Path
) -> None:
    table = [["id", name], ["1", "1.299"], ["2", "2.500"]]
    rows, report = convert(tmp_path, "c.csv", write_csv(table, delimiter=delimiter))
    assert [row[name] for row in rows] == (["1.299", "2.500"] if kept else [1.299, 2.5])
    assert any("may have a decimal point or comma" in text for text in report.warnings) == kept


def test_identifiers_that_a_spreadsheet_rounded_are_named(tmp_path: Path) -> None:
    content = "id,ean,mpn\n1,4.00638E+12,1E5\n2,9E+12,2.5E4\n3,4006381333931,x\n"
    rows, report = convert(tmp_path, "c.csv", content)
    assert [row["ean"] for row in rows] == ["4.00638E+12", "9E+12", "4006381333931"]
    assert [text for text in report.warnings if "rounded" in text] == [
        "ean: 2 x an identifier that a spreadsheet has rounded, such as '4.00638E+12'; "
        "export the column as text"
    ]


def test_amounts_in_lakhs_and_crores_are_numbers(tmp_path: Path) -> None:
    values = ["₹1,29,999.50", "₹99", "₹2,499", "₹1,00,00,000"]
    assert column(tmp_path, "price", values)[0] == [129999.5, 99.0, 2499.0, 10000000.0]


@pytest.mark.parametrize("value", ["1,2,999", "1,29,99", "1,299,99,999", "01,29,999"])
def test_commas_at_other_places_are_no_lakhs(tmp_path: Path, value: str) -> None:
    assert column(tmp_path, "price", [value, "5.25"])[0] == [value, "5.25"]
