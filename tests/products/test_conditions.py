"""Filters: what SQLite would take without a word is refused, and messages say what to write."""

import itertools
import re
import sys
from types import FrameType

import pyarrow as pa
import pytest

from prodmatch.errors import QueryError
from prodmatch.products.product_db import Products
from prodmatch.products.product_db_writer import write_products


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> Products:
    table = pa.table(
        {
            "product_id": ["a", "b", "c"],
            "text": ["x", "y", "z"],
            "title": ["men's shoe", "lamp", "mug"],
            "price": [1.5, 20.0, 99.0],
            "paid": pa.array(["19.99", "0.10", "5.00"]).cast(pa.decimal128(8, 2)),
            "listed": ["1,299.00", "20", "30"],
            "added": [None, "2025-07-09", "2026-01-31"],
            "colour": ["Red", "Blue", "navy blue"],
            "in_stock": [True, False, True],
            "order": [1, 2, 3],
            "group": ["x", "y", "z"],
            "desc": ["d1", "d2", "d3"],
            "index": ["1", "2", "3"],
            "sale price": [1.0, 2.0, 3.0],
            "unit-price": [1.0, 2.0, 3.0],
        }
    )
    path = tmp_path_factory.mktemp("products") / "products.sqlite"
    write_products(path, table.schema, table.to_batches())
    return Products(path)


TEXT = r"listed is text \('1,299.00'\); compare with quotes or convert the column"
CAST = r"listed is text \('1,299.00'\); .* CAST\(REPLACE\(listed, ',', ''\) AS REAL\)"
READ_IN_PART = (
    r"listed is text \('1,299.00'\), of which a number is read only up to .* CAST\(REPLACE"
)
REFUSED = [
    ("CAST(listed AS REAL) = 1", READ_IN_PART),
    ("cast(listed as integer) > 1000", READ_IN_PART),
    ('CAST( "listed" AS NUMERIC) < 50', READ_IN_PART),
    ("listed + 0 < 50", READ_IN_PART),
    ("price < 9 AND 0 + listed > 50", READ_IN_PART),
    ("1 * listed > 50", READ_IN_PART),
    ("listed / 100 > 5", READ_IN_PART),
    ("abs(listed) > 5", READ_IN_PART),
    ("round(listed, 0) > 5", READ_IN_PART),
    ("listed < 50", CAST),
    ("50 > listed", CAST),
    ("listed BETWEEN 10 AND 20", CAST),
    ("listed IN (1, 2)", TEXT),
    ("NOT listed < 50", CAST),
    ("listed = -5", TEXT),
    ("listed IS 5", TEXT),
    ("LISTED >= 5.5 AND price < 9", CAST),
    ("price < 9 OR (listed<>5)", TEXT),
    ("listed = true", TEXT),
    ("colour in ('Red', 5)", "colour is text"),
    ("product_id = 007", r"product_id is text \('a'\)"),
    ("price < '50'", "price is a number, '50' is text; write price < 50, without quotes"),
    ("price = '19.99'", "write price = 19.99, without quotes"),
    ('price = "50"', "write price = 50, without quotes"),
    ("price IN ('1', '2')", "price is a number, '1' is text"),
    ("price NOT BETWEEN '1' AND '2'", "price is a number, '1' is text"),
    ("paid < '5'", "paid is a number"),
    ("'5' < paid", "paid is a number"),
    ("in_stock = 'true'", "in_stock is true or false; write in_stock = true"),
    ("colour = 'Red' OR 'Blue'", "'Blue' stands alone"),
    ("colour = NULL", "write IS NULL"),
    ("price != null", "write IS NULL"),
    ("colour NOT IN ('Red', NULL)", "write IS NULL"),
    ("price IN (NULL, 5)", "write IS NULL"),
    ("price < 50 || colour = 'Red'", "write OR"),
    ("price < 50 && colour = 'Red'", "Write AND"),
    ("pric < 5", "no such column: pric. There is price"),
    ('"pric" < 5', "there is no column 'pric'; there is price"),
    ("colr = 'Red'", "There is colour"),
    ("color = 'Red'", "There is colour"),
    ("colour = Red", "Text stands in single quotes: 'Red'"),
    ("colour IN (Red)", "Text stands in single quotes: 'Red'"),
    ("title LIKE '%men's%'", "Write an apostrophe inside a text twice"),
    ("title = 'men's'", "Write an apostrophe inside a text twice"),
    ("order = 1", 'write it in double quotes, "order"'),
    ("group = 'x'", 'write it in double quotes, "group"'),
    ("index = '1'", 'write it in double quotes, "index"'),
    ("price < 5 AND order > 1", 'write it in double quotes, "order"'),
    ("sale price < 5", 'write it in double quotes, "sale price"'),
    ("unit-price < 5", 'write it in double quotes, "unit-price"'),
    ("price < $50", "is no value"),
    ("price < ?", "is no value"),
    ("price < 1,299", "Write 1299, without commas"),
    ("price <", "incomplete input"),
    ("listed < '50'", CAST),
    ("listed BETWEEN '1' AND '2'", CAST),
    ("added > 2025-06-01", r"added is a date \('2025-07-09'\); write dates like that, in quotes"),
    ("added > '06/01/2025'", "write dates like that"),
    ("added BETWEEN '1 June 2025' AND '2025-07'", "write dates like that"),
    ("colour = 'Red' & price < 5", "& joins bits; write AND"),
    ("price < 5 | colour = 'Red'", "| joins bits; write OR"),
    ("colour = 'Red' || 'Blue'", "|| joins texts; write OR"),
    ("colour = 'Red' || colour = 'Blue'", "|| joins texts; write OR"),
    ("'red'", "'red' stands alone"),
    ("5", "5 stands alone; repeat the column: price = 5"),
    ("price < 5 AND 3", "3 stands alone"),
    ("colour = 'Red' OR 1.5", "1.5 stands alone"),
    *((f"{name} < 5", f"there is no column '{name}'") for name in ("row", "rowid", "oid")),
    ("has_text", "there is no column 'has_text'"),
    ("colour", "colour stands alone; compare it: colour = 'Red'"),
    ("price < 5 OR colour", "colour stands alone"),
    ("price < 5 AND colour", "colour stands alone"),
    ("colour AND price < 5", "colour stands alone"),
    ("price < 5 AND (colour)", "colour stands alone"),
    ("(colour AND price < 5) OR price > 9", "colour stands alone"),
    ("price BETWEEN 1 AND 5 AND colour = 'Red' AND 'Blue'", "'Blue' stands alone"),
    ("price", "price stands alone; compare it: price > 0"),
    ("NOT price", "price stands alone"),
    ("colour = 'Red' AND price", "price stands alone"),
    ("'colour' = 'Red'", "'colour' is a text; write \"colour\""),
    ("price < 9 AND 'sale price' < 5", "'sale price' is a text; write \"sale price\""),
    ("sale price < 2", 'write it in double quotes, "sale price"'),
    ("price < 5) OR (1 = 1", "a bracket is closed that was not opened"),
    ("", "is empty"),
    (" -- nothing", "is empty"),
    ("colour IN ['Red']", "IN takes round brackets"),
    ("colour = \u2018Red\u2019", "Write straight quotes"),
    ("price =< 5", "Write <= or >="),
    ("price < 20,50", "Write a point before decimals"),
    ("price < 20 euros", "Write a number alone"),
    ("title CONTAINS 'shoe'", "Write LIKE '%word%'"),
    ("title ILIKE '%shoe%'", "Write LIKE '%word%'"),
    ("title ~ 'shoe'", "Write LIKE '%word%'"),
    ("-listed < 0", READ_IN_PART),
    ("listed > price", READ_IN_PART),
    ("price <= listed", READ_IN_PART),
    ("paid * listed > 5", READ_IN_PART),
    ("colour + 1 = 1", r"colour is text \('Red'\), of which a number is read only"),
    ("colour < price", r"colour is text \('Red'\), of which a number is read only"),
    ("coalesce(listed, 0) > 5", TEXT),
    ('ifnull("index", 0) > 5', r"index is text \('1'\); compare with quotes"),
    (
        "added + 7 > '2025-07-09'",
        r"added is a date \('2025-07-09'\); write date\(added, '\+7 days'",
    ),
    ("price < 5 OR added - 1 < '2026'", "added is a date"),
    *[
        (f"added {sign} '{date}'", "added is a date .*write dates like that")
        for date in ("2025-13-01", "2025-02-30", "09.07.2025", "07/09/2025", "9-7-25")
        for sign in ("<", ">=", "=", "<>", "!=")
    ],
    ("added > '2025-13'", "write dates like that"),
    ("added IN ('09.07.2025')", "write dates like that"),
    ("price \u2265 5", "Write <= or >="),
    ("colour \u2260 'Red'", "Write <>"),
    ("price = '2e1'", "write price = 2e1, without quotes"),
]


@pytest.mark.parametrize(("condition", "message"), REFUSED)
def test_a_mistaken_condition_is_refused_with_the_remedy(
    products: Products, condition: str, message: str
) -> None:
    with pytest.raises(QueryError, match=message) as caught:
        products.rows_where(condition)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("CAST(REPLACE(listed, ',', '') AS REAL) > 1000", [0]),
        ('CAST("index" AS INTEGER) > 1', [1, 2]),
        ("CAST(listed AS TEXT) = '20'", [1]),
        ("price < 50", [0, 1]),
        ("50 > price", [0, 1]),
        ("PRICE < 5 and COLOUR = 'Red'", [0]),
        ("paid = 19.99", [0]),
        ("paid = 0.1 OR paid = 5", [1, 2]),
        ("replace(listed, ',', '') + 0 > 1000", [0]),
        ("listed = '20'", [1]),
        ("in_stock", [0, 2]),
        ("in_stock = true", [0, 2]),
        ("in_stock = FALSE", [1]),
        ("(in_stock)", [0, 2]),
        ("colour IS NOT colour", []),
        ("price BETWEEN price AND price", [0, 1, 2]),
        ("in_stock = 1 AND NOT price > 50", [0]),
        ("colour NOT IN ('Red')", [1, 2]),
        ("colour NOT LIKE '%blue%'", [0]),
        ("colour IS NOT NULL", [0, 1, 2]),
        ("lower(colour) = 'blue'", [1]),
        ("title LIKE '%men''s%'", [0]),
        ('"order" = 1', [0]),
        ("\"group\" = 'x'", [0]),
        ("desc = 'd1'", [0]),
        ('"sale price" < 2.5', [0, 1]),
        ("[unit-price] >= 2 AND `unit-price` < 3", [1]),
        ("(price < 50) AND (colour = 'Red' OR colour = 'Blue')", [0, 1]),
        ("colour || ' ' || title LIKE '%x%'", []),
        ("price < 5 -- cheap", [0]),
        ('"order" & 2 = 2', [1, 2]),
        ("added > '2025-08' OR added = '2025-07-09'", [1, 2]),
        ("added >= '2025-07-09' AND added < '2026-01-31'", [1]),
        ("added IS NULL", [0]),
        ("colour = 'null' OR price = 20", [1]),
        ("colour IN ('null', 'Red') AND (price IS NOT NULL)", [0]),
        ("product_id > 'a'", [1, 2]),
        ("\"index\" >= '2'", [1, 2]),
        ("price BETWEEN 20 AND 99", [1, 2]),
        ("title = 'don''t 5' OR colour = 'Red'", [0]),
        ("-price < -50", [2]),
        ("paid < price AND price - paid > 50", [2]),
        ('"index" < price', [0, 1, 2]),
        ("coalesce(price, 0) > 50", [2]),
        ("coalesce(colour, 'none') = 'Red'", [0]),
        ("date(added, '+7 days') = '2025-07-16'", [1]),
        ("added = 'to come' OR added = '20260131'", [2]),
        ("added <> 'n/a'", [1, 2]),
    ],
)
def test_a_right_condition_finds_its_rows(
    products: Products, condition: str, rows: list[int]
) -> None:
    assert products.rows_where(condition).tolist() == rows


@pytest.mark.parametrize(
    ("condition", "hints"),
    [
        ("colour = 'blue'", ["no product has colour = 'blue'; there is 'Blue'"]),
        ("colour = ' RED '", ["no product has colour = ' RED '; there is 'Red'"]),
        ("colour = 'Navy  Blue'", ["no product has colour = 'Navy  Blue'; there is 'navy blue'"]),
        ("colour = 'navy bleu'", ["no product has colour = 'navy bleu'; there is 'navy blue'"]),
        ('colour = "red"', ["no product has colour = 'red'; there is 'Red'"]),
        ("colour = 'purple'", ["no product has colour = 'purple'"]),
        ("colour = 'Red' AND title = 'lamp'", []),
        ("colour LIKE '%green%'", []),
        (
            "colour IN ('blue', 'red')",
            [
                "no product has colour = 'blue'; there is 'Blue'",
                "no product has colour = 'red'; there is 'Red'",
            ],
        ),
    ],
)
def test_a_value_that_no_product_has_is_hinted_at(
    products: Products, condition: str, hints: list[str]
) -> None:
    assert products.rows_where(condition).tolist() == []
    assert products.suggest_values(condition) == hints


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Products:
    """Products of a shop that writes no English, with numbers and dates as texts."""
    table = pa.table(
        {
            "product_id": ["a", "b", "c"],
            "text": ["x", "y", "z"],
            "brand": ["Öko", "ÉTÉ 100%", None],
            "preis": ["13,13", "2,50", "1,99"],
            "betrag": ["1.299,00", "20,00", "5,00"],
            "cost": ["$ 1,299.00", "$ 20.00", "$ 5.00"],
            "gewicht": ["1,200 g", "800 g", "90 g"],
            "tag": ["05.01.2025", "04.02.2025", "03.03.2024"],
        }
    )
    path = tmp_path_factory.mktemp("foreign") / "products.sqlite"
    write_products(path, table.schema, table.to_batches())
    return Products(path)


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("brand LIKE 'öko'", [0]),
        ("brand LIKE 'ö_o%'", [0]),
        ("brand NOT LIKE 'öko%'", [1]),
        ("lower(brand) = 'öko'", [0]),
        ("upper(brand) = 'ÖKO' OR upper(brand) = 'X'", [0]),
        ("brand LIKE 'été 100!%' ESCAPE '!'", [1]),
        ("brand LIKE 'été !1__%' ESCAPE '!'", [1]),
        ("brand LIKE 'été 100!_' ESCAPE '!'", []),
        ("brand LIKE 'té%'", []),
        ("lower(brand) LIKE '%été%' AND brand GLOB 'É*'", [1]),
        ("brand LIKE NULL OR brand = 'ü'", []),
    ],
)
def test_letters_of_every_language_have_a_case(
    foreign: Products, condition: str, rows: list[int]
) -> None:
    assert foreign.rows_where(condition).tolist() == rows


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("preis < '5'", [1, 2]),
        ("CAST(preis AS REAL) < 2.2", [2]),
        ("betrag > '10'", [0, 1]),
        ("CAST(cost AS REAL) > 10", [0, 1]),
        ("gewicht >= '800 g'", [0, 1]),
        ("gewicht < '1000'", [1, 2]),
    ],
)
def test_the_remedy_for_a_text_finds_what_was_meant(
    foreign: Products, condition: str, rows: list[int]
) -> None:
    with pytest.raises(QueryError) as caught:
        foreign.rows_where(condition)
    found = re.search(r"(CAST\((?:REPLACE|LTRIM).* AS REAL\))", str(caught.value))
    sign, number = re.findall(r"([<>]=?) '?([\d.]+)", condition)[0]
    assert found is not None
    assert foreign.rows_where(f"{found[1]} {sign} {number}").tolist() == rows


def test_dates_with_the_day_first_are_not_compared_by_their_letters(foreign: Products) -> None:
    for condition in ("tag > '04.01.2025'", "tag BETWEEN '01.01.2025' AND '31.01.2025'"):
        with pytest.raises(QueryError, match="letter by letter, the day first; convert"):
            foreign.rows_where(condition)
    assert foreign.rows_where("tag = '04.02.2025' OR tag > 'x'").tolist() == [1]


LONG = {  # a piece of a long condition, and what joins it to the next
    "in": ("'red'", ", "),
    "or": ("colour = 'red'", " OR "),
    "between": ("price BETWEEN 1 AND 2", " OR "),
    "null": ("added IS NOT NULL", " AND "),
}


def long_condition(kind: str, count: int) -> str:
    piece, joint = LONG[kind]
    condition = joint.join([piece] * count)
    return f"colour IN ({condition})" if kind == "in" else condition


@pytest.mark.parametrize("kind", LONG)
def test_a_filter_twice_as_long_is_twice_the_work(kind: str, products: Products) -> None:
    """A service gives the ten thousand products of a branch in one IN."""
    counts = []

    def count(frame: FrameType, event: str, argument: object) -> object:
        counts[-1] += 1
        return count

    for length in (100, 200, 400):
        counts.append(0)
        sys.settrace(count)
        try:
            products.rows_where(long_condition(kind, length))
        finally:
            sys.settrace(None)
    for shorter, longer in itertools.pairwise(counts):
        assert longer < 2.1 * shorter


def test_too_many_conditions_are_to_be_written_as_one(products: Products) -> None:
    with pytest.raises(QueryError, match=r"Write product_id IN \('a', 'b'\)"):
        products.rows_where(long_condition("or", 2000))


def test_a_few_of_many_values_without_a_product_are_named(products: Products) -> None:
    hints = products.suggest_values(f"colour IN ('Red', {', '.join(map(repr, 'abcdefgha'))})")
    assert hints == [
        *(f"no product has colour = {letter!r}" for letter in "abcde"),
        "no product has 3 more of the values given for colour",
    ]
