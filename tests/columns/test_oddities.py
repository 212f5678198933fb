"""`check` and `convert` name ids, numbers and texts that are not what they seem."""

import re
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small import run

from prodmatch.catalogue.reader import open_catalogue
from prodmatch.catalogue.text import clean_text
from prodmatch.check import check_catalogue

TITLES = ["red shirt", "blue mug", "green chair", "lamp", "boot", "vase"]


def warnings(folder: Path, columns: dict[str, object]) -> list[str]:
    table = {"product_id": [f"p{row}" for row in range(6)], "title": TITLES, **columns}
    pq.write_table(pa.table(table), folder / "c.parquet")
    found = check_catalogue(open_catalogue(folder / "c.parquet"), workers=0).warnings
    return [text for text in found if "picture" not in text]


SAME_IDS = ["a1", " A1", "A1 ", "\tA1", " a1 ", "A1\u00a0", "A1\u200b", "\ufeffA1",
    "\u202aA1\u202c", "\uff211", "A\uff11", "A\u00b9", "A\u00ad1"]  # fmt: skip


@pytest.mark.parametrize("other", SAME_IDS)
def test_ids_that_look_equal_are_named(other: str, tmp_path: Path) -> None:
    found = warnings(tmp_path, {"product_id": ["A1", other, "A2", "A3", "A 1", "A-1"]})
    what = "an id that differs from another's in case, spaces or the form of its characters only"
    assert found == [f"product_id: 1 x {what} ({other!r})"]


def test_ids_in_two_forms_of_unicode_are_named(tmp_path: Path) -> None:
    found = warnings(tmp_path, {"product_id": ["caf\u00e9", "cafe\u0301", "cafe", "7", "07", "8"]})
    assert [text.split(" (")[1] for text in found] == ["'cafe\u0301')"]


@pytest.mark.parametrize(
    "name",
    [
        "nan",
        "None",
        "NULL",
        "N/A",
        "#N/A",
        "-",
        "undefined",
        "#REF!",
        "#DIV/0!",
        "#VALUE!",
        "#NUM!",
        "#NV",
        "#WERT!",
    ],
)
def test_ids_that_stand_for_none_are_named(name: str, tmp_path: Path) -> None:
    found = warnings(tmp_path, {"product_id": [name, "nana", "x-1", "0", "no", "A-1"]})
    assert found == [f"product_id: 1 x an id that stands for none ({name!r})"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, float("inf"), float("nan"), None, 0.0, 1e18],
         ["price: 2 x a value that is no finite number ('p1', 'p2')"]),
        ([1.0, -5.0, 0.0, None, -0.01, 3.0], ["price: 2 x a value below zero ('p1', 'p4')"]),
        ([1, -5, 0, None, 4, 3], ["price: 1 x a value below zero ('p1')"]),
        ([Decimal("1.50"), Decimal("-0.01")] * 3,
         ["price: 3 x a value below zero ('p1', 'p3', 'p5')"]),
        ([1.0, 2.0, 0.0, None, 4.5, 3.0], []),
        (["1", "-2", "3", "4", "5", "6"], []),
    ],
)  # fmt: skip
def test_prices_that_are_none_are_named(
    values: list[object], expected: list[str], tmp_path: Path
) -> None:
    found = warnings(tmp_path, {"price": values})
    assert [text for text in found if not text.startswith("prices that are text")] == expected
    assert not [text for text in warnings(tmp_path, {"longitude": values}) if "below" in text]


INVISIBLE = ["\u200b", "\ufeff", "\u200d\u200c", " \u2060 ", "\u00ad", "\u202a\u202c", "\u3164",
    "\u2800\u2800", "&#8203;", "<p>\u200b</p>", "\u200e&nbsp;\u200f", "\u061c"]  # fmt: skip


@pytest.mark.parametrize("text", INVISIBLE)
def test_a_text_that_shows_nothing_is_none(text: str) -> None:
    assert clean_text(text) == ""
    assert clean_text(f"{text}mug") not in ("", "mug " * 2)


MARKUP = {
    "escapes": [
        "Caf\\u00e9 mug",
        "Tom\\x27s mug",
        "red\\n mug",
        "red%20mug",
        "Caf%C3%A9",
        "mug\\t",
    ],
    "tags": ["<b>red</b> mug", "red<br>mug", "<span class='x'>mug</span>", "<P>mug", "mug<br/>"],
    "entities": ["Tom &amp; Jerry", "mug&nbsp;red", "5&#34; mug", "caf&eacute;", "&#x27;mug"],
}
PLAIN = [
    "a<b and c>d",
    "R&B; soul",
    "C:\\new",
    "50% off",
    "Black & Decker; drill",
    "<large> mug",
    "&",
]


@pytest.mark.parametrize("kind", MARKUP)
def test_titles_with_markup_are_named(kind: str, tmp_path: Path) -> None:
    assert len(MARKUP[kind]) >= 5
    for text in MARKUP[kind]:
        (found,) = warnings(tmp_path, {"title": [text, *TITLES[1:]]})
        assert found.startswith(f"title: 1 text holds {kind} ('{text}'; 'p0'): ")
        others = warnings(tmp_path, {"notes": [text] * 6})
        assert [kind] * (kind == "escapes") == [
            kind for each in others if each.startswith(f"notes: 6 texts hold {kind} ")
        ]


@pytest.mark.parametrize("text", PLAIN)
def test_signs_are_no_markup(text: str, tmp_path: Path) -> None:
    assert warnings(tmp_path, {"title": [text, *TITLES[1:]]}) == []


def test_spaces_around_the_name_of_a_column_are_shown(tmp_path: Path) -> None:
    table = {"product_id": ["a", "b"], "title ": ["red shirt", "blue mug"], " sku": ["1", "2"]}
    pq.write_table(pa.table(table), tmp_path / "c.parquet")
    refused = run("check", tmp_path / "c.parquet")
    assert refused.code == 1
    assert "found product_id, 'title ', ' sku'." in refused.err
    taken = run("check", tmp_path / "c.parquet", "--columns", "title=title ")
    assert taken.code == 0
    assert re.search(r"\n  'title ' +text\n", taken.out)
    assert re.search(r"\n  ' sku' +metadata\n", taken.out)


@pytest.mark.parametrize("mark", ["\ufeff", "\u200b", "\u00a0", "\u2060"])
def test_what_shows_nothing_in_the_name_of_a_column_is_shown(mark: str, tmp_path: Path) -> None:
    table = {f"{mark}product_id": ["a", "b"], "title": ["red shirt", "blue mug"]}
    pq.write_table(pa.table(table), tmp_path / "c.parquet")
    refused = run("check", tmp_path / "c.parquet")
    assert refused.code == 1
    assert f"found {mark + 'product_id'!r}, title." in refused.err
    assert "--columns product_id=product_id." in refused.err
    taken = run("check", tmp_path / "c.parquet", "--columns", "product_id=product_id")
    assert taken.code == 0


@pytest.mark.parametrize(
    ("text", "cause"),
    [("CafÃ© noir", "UTF-8 was read as Windows-1252"), ("Caf\ufffd noir", "U+FFFD")],
)
@pytest.mark.parametrize(("head", "name"), [("product_id", "'x1'"), ("sku", "'row 1'")])
def test_convert_names_wrong_encodings(
    text: str, cause: str, head: str, name: str, tmp_path: Path
) -> None:
    (tmp_path / "c.csv").write_text(f"{head},title\nx1,{text}\nx2,red mug\n")
    done = run("convert", tmp_path / "c.csv", tmp_path / "c.parquet")
    assert done.code == 0
    (found,) = [line for line in done.err.splitlines() if line.startswith("warning: title: 1 text")]
    assert cause in found
    assert name in found


SPOILT = ["3-Apr", "10-Dec", "Mar-12", "8.71E+12", "8,71E+12", "4.00638E+12", "4E+12"]
INTACT = ["3-4", "MAR12", "3-april", "XS-12", "1E+5", "8.71", "May-5", "E+12", "12-XII"]


@pytest.mark.parametrize("value", SPOILT)
def test_what_a_spreadsheet_made_of_a_value_is_named(value: str, tmp_path: Path) -> None:
    what = "rounded" if "E+" in value else "made of a size or a code"
    for name in ("size", "ean", "product_id"):
        found = warnings(tmp_path, {name: [value, *INTACT[:5]]})
        assert [text for text in found if what in text and text.startswith(f"{name}: 1 x")] != []


def test_what_no_spreadsheet_made_is_not_named(tmp_path: Path) -> None:
    for rows in (INTACT[:6], INTACT[3:]):
        assert not [text for text in warnings(tmp_path, {"size": rows}) if "spreadsheet" in text]
    dates = {"release_date": SPOILT[:3] * 2}
    assert not [text for text in warnings(tmp_path, {**dates}) if "spreadsheet" in text]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("status", ["active", "draft", "Archived"]),
        ("product_status", ["published", "deleted", " inactive "]),
        ("is_deleted", [False, True, True]),
        ("Published", [True, False, False]),
        ("active", [True, False, False]),
    ],
)
def test_products_that_are_not_sold_are_named(
    name: str, values: list[object], tmp_path: Path
) -> None:
    table = {"product_id": ["a", "b", "c"], "title": ["mug", "cup", "lamp"], name: values}
    pq.write_table(pa.table(table), tmp_path / "c.parquet")
    warnings = check_catalogue(open_catalogue(tmp_path / "c.parquet"), workers=0).warnings
    found = [
        each for each in warnings if each.startswith(f"{name}: 2 x a product that is not sold")
    ]
    assert found
    assert found[0].endswith("('b', 'c')")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("status", ["active", "active", None]),
        ("availability", ["in stock", "out of stock", "discontinued"]),
        ("active", [True, True, None]),
        ("ice_active", [True, False, False]),
        ("style", ["hidden", "draft", "x"]),
    ],
)
def test_other_columns_tell_nothing_of_what_is_sold(
    name: str, values: list[object], tmp_path: Path
) -> None:
    table = {"product_id": ["a", "b", "c"], "title": ["mug", "cup", "lamp"], name: values}
    pq.write_table(pa.table(table), tmp_path / "c.parquet")
    warnings = check_catalogue(open_catalogue(tmp_path / "c.parquet"), workers=0).warnings
    assert not [each for each in warnings if "not sold" in each]


def test_ids_with_spaces_around_them_are_named(tmp_path: Path) -> None:
    table = {"product_id": [" a ", "b\u00a0", "c d"], "title": ["mug", "cup", "lamp"]}
    pq.write_table(pa.table(table), tmp_path / "c.parquet")
    warnings = check_catalogue(open_catalogue(tmp_path / "c.parquet"), workers=0).warnings
    (found,) = [each for each in warnings if each.startswith("product_id: ")]
    assert found.startswith("product_id: 2 x an id with spaces or invisible characters around it")
    assert "' a '" in found
