"""What spreadsheets add to a table: lines above it, wrapped ids, several pictures in a cell."""

import itertools
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from conftest import Counting

from prodmatch.convert import ConvertReport, convert_catalogue

Rows = list[dict[str, object]]


def convert(folder: Path, text: str) -> tuple[ConvertReport, Rows]:
    source, target = folder / "shop.csv", folder / "shop.parquet"
    source.write_text(text, newline="")
    report = convert_catalogue(source, target)
    return report, pq.read_table(target).to_pylist()


ABOVE = [
    "Export of 2026-01-31", "# made by a shop", "", "Shop: Acme, all products", '"All products"',
    "Report", "// 12 rows",
]  # fmt: skip
HEADERS = [("product_id", "title", "price"), ("SKU", "Name", "Price"), ("id", "name", "qty")]


def test_lines_above_the_names_are_passed_over_and_said(
    tmp_path: Path, count_cases: Counting
) -> None:
    for mark, names, count in itertools.product(",;\t|", HEADERS, range(4)):
        above = [line for line in ABOVE if mark not in line][:count]
        lines = [*above, mark.join(names), mark.join(("1", "Red mug", "5")), f"2{mark}Cup{mark}6"]
        report, rows = convert(tmp_path, "\r\n".join(lines))
        assert [list(row) for row in rows] == [list(names)] * 2
        assert [row[names[1]] for row in rows] == ["Red mug", "Cup"]
        said = [text for text in report.warnings if "above the names of the columns" in text]
        assert len(said) == bool(count)
        count_cases("lines above a table", 1)


@pytest.mark.parametrize(
    "text",
    [
        "title\nRed, large\nBlue, small\n",
        "name,price\nProduct id\nx,5\n",
        "colour;shade;tone\nred;dark;deep\n",
        "sep=;\nid;title\n1;Red\n",
        "a,b\n1,title\n2,name\n",
    ],
)
def test_a_table_that_begins_at_once_is_read_from_there(text: str, tmp_path: Path) -> None:
    report, _ = convert(tmp_path, text)
    assert not [each for each in report.warnings if "above the names" in each]
    first = text.removeprefix("sep=;\n").splitlines()[0].replace(";", ",").split(",")[0]
    assert next(iter(report.columns)) == first


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("1,Red shirt,5\n2,Blue mug,6\n", "the first line looks like a product ('1', 'Red shirt'"),
        ("007;Red shirt;5,50\n008;Blue mug;6,00\n", "looks like a product"),
        ("product_id^title\n1^Red\n", "only one column, 'product_id^title': give its `delimiter`"),
        ("product_id\x01title\n1\x01Red\n", "only one column"),
        ("id:title:price\n1:Red:5\n", "only one column"),
        ("product_id  title    price\n1  Red  5\n", "only one column"),
    ],
)
def test_what_is_no_line_of_names_is_said(text: str, warning: str, tmp_path: Path) -> None:
    report, _ = convert(tmp_path, text)
    assert [each for each in report.warnings if warning in each] != []


ODD_IDS = {
    "a float's": (lambda name: f"{name}.0", "ends with .0"),
    "a formula": (lambda name: f'"=""{name}"""', 'written as ="text"'),
    "an apostrophe": (lambda name: f"'{name}", "begins with an apostrophe"),
    "nothing": (lambda name: name, ""),
}


@pytest.mark.parametrize("column", ["product_id", "ean", "GTIN", "Variant SKU", "mpn", "barcode"])
@pytest.mark.parametrize("kind", ODD_IDS)
def test_what_programs_add_to_identifiers_is_taken_off_and_said(
    column: str, kind: str, tmp_path: Path
) -> None:
    write, warning = ODD_IDS[kind]
    names = ["4006381333931", "0012", "", "77"]
    cells = [write(name) if name else "" for name in names]
    lines = [f"key,{column}", *(f"k{row},{cell}" for row, cell in enumerate(cells))]
    report, rows = convert(tmp_path, "\n".join(lines) + "\n\x1a")
    assert [row[column] for row in rows] == ["4006381333931", "0012", None, "77"]
    said = [text for text in report.warnings if "read without" in text or "by a spread" in text]
    assert len(said) == (kind != "nothing")
    assert any(warning in text for text in [*report.warnings, ""])


def test_identifiers_of_which_some_are_other_stay_as_they_are(tmp_path: Path) -> None:
    _, rows = convert(tmp_path, "product_id,model\n1.0,2.0\n2,5.0\n'3-B,A-1\n")
    assert [row["product_id"] for row in rows] == ["1.0", "2", "'3-B"]
    assert [row["model"] for row in rows] == ["2.0", "5.0", "A-1"]


def test_digits_behind_an_apostrophe_lose_it_among_other_identifiers(tmp_path: Path) -> None:
    report, rows = convert(tmp_path, "sku,height\n'0012,5'11\nTEE-1,6'\n5'11,'7\n'13,8\n")
    assert [row["sku"] for row in rows] == ["0012", "TEE-1", "5'11", "13"]
    assert [row["height"] for row in rows] == ["5'11", "6'", "'7", "8"]
    found = "sku: 2 x digits behind an apostrophe, such as '0012; read without it"
    assert found in report.warnings


PICTURES = [
    ["a.jpg", "b.jpg"],
    ["photos/red mug.PNG", "photos/red mug 2.png", "c.webp"],
    ["https://x.example/a?w=1", "https://x.example/b"],
    ["https://x.example/w_1,h_2/a.jpg", "https://x.example/w_3,h_4/b.jpg"],
]


@pytest.mark.parametrize("name", ["image", "images", "Photo", "image_url"])
@pytest.mark.parametrize("pictures", PICTURES, ids=lambda pictures: str(pictures[0]))
def test_several_pictures_in_a_cell_become_a_list(
    name: str, pictures: list[str], tmp_path: Path, count_cases: Counting
) -> None:
    for mark in ("|", " | ", ";", "; ", ",", ", ", "\n", "json"):
        if mark.strip() == "," and any("," in picture for picture in pictures):
            continue
        joined = json.dumps(pictures) if mark == "json" else mark.join(pictures)
        cell, one = (text.replace('"', '""') for text in (joined, pictures[0]))
        report, rows = convert(tmp_path, f'product_id,{name}\n1,"{cell}"\n2,"{one}"\n3,\n')
        assert [row[name] for row in rows] == [pictures, pictures[:1], None]
        assert [text for text in report.warnings if "several pictures in a cell" in text] != []
        count_cases("lists of pictures in cells", 1)


@pytest.mark.parametrize(
    "cells",
    [
        ["a, b.jpg", "c.jpg"],
        ["red mug.jpg", "blue mug.jpg"],
        ["https://x.example/w_200,h_200/a.jpg"],
        ["data:image/png;base64,AAAA", "data:image/png;base64,BBBB"],
        ["a.jpg|b.jpg", "none|c.jpg"],
        ["[a].jpg"],
    ],
)
def test_one_picture_with_a_mark_in_its_name_stays_one(cells: list[str], tmp_path: Path) -> None:
    lines = [f'{row},"{cell}"' for row, cell in enumerate(cells)]
    _, rows = convert(tmp_path, "\n".join(["product_id,image", *lines]))
    assert [row["image"] for row in rows] == cells
