"""What exporters write around a table and across its columns: nothing is lost or made a product."""

import itertools
from pathlib import Path

import pytest
from conftest import Counting
from product_files import convert, write_csv

from prodmatch.errors import CatalogueError

PICTURES = ["https://x/1.jpg", "https://x/2.jpg?v=2", "front 3.png"]
NAMES = [
    ("IMAGE1", "IMAGE2", "IMAGE3"), ("Image", "Image 2", "Image 3"),
    ("image", "image_2", "image_3"),
    ("Main image", "Additional image 1", "Additional image 2"), ("Bild1", "Bild2", "Bild3"),
    ("image_url_1", "image_url_2", "image_url_3"), ("Image 1 URL", "Image 2 URL", "Image 3 URL"),
    ("Photo-1", "Photo-2", "Photo-3"), ("picture", "gallery_images", "other_image_url"),
]  # fmt: skip


@pytest.mark.parametrize("names", NAMES)
def test_pictures_in_columns_of_their_own_are_one_list(
    names: tuple[str, ...], tmp_path: Path, count_cases: Counting
) -> None:
    for used in itertools.product([True, False], repeat=3):
        cells = [each if there else "" for each, there in zip(PICTURES, used, strict=True)]
        rows, report = convert(
            tmp_path, "shop.csv", write_csv([["product_id", *names, "title"], ["7", *cells, "Tee"],
                                             ["8", *PICTURES, "Mug"]])
        )  # fmt: skip
        assert list(rows[0]) == ["product_id", "title", "image"]
        assert [row["image"] for row in rows] == [
            [each for each in cells if each] or None,
            PICTURES,
        ]
        assert (
            f"image: the pictures of 3 columns ({', '.join(map(repr, names))})" in report.warnings
        )
        count_cases("pictures in several columns", 1)


@pytest.mark.parametrize(
    ("names", "cells"),
    [
        (["image_alt_1", "image_alt_2"], ["a.jpg", "b.jpg"]),
        (["image", "image_2"], ["a.jpg", "a red mug"]),
        (["image_small", "image_large"], ["a.jpg", "b.jpg"]),
        (["image", "photo_count_2"], ["a.jpg", "2"]),
        (["image", "picture"], ["a.jpg", "b.jpg"]),
        (["image", "extra_image_1"], ["no list", "b.jpg"]),
    ],
)
def test_other_columns_stay_apart(names: list[str], cells: list[str], tmp_path: Path) -> None:
    rows, _ = convert(tmp_path, "shop.csv", write_csv([["product_id", *names], ["7", *cells]]))
    assert rows == [dict(zip(["product_id", *names], ["7", *cells], strict=True))]


TABLE = [["product_id", "title", "price"], ["7", "Tee", "5"], ["8", "Mug", "6"]]
RULES = ["---+---+---", "|---|:-:|--:|", "=== === ===", "--- | --- | ---", "-----"]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_headers_and_rules_among_the_rows_are_no_products(
    mark: str, tmp_path: Path, count_cases: Counting
) -> None:
    header, *lines = write_csv(TABLE, delimiter=mark).splitlines()
    for rule in RULES:
        joined = ["\ufeff" + header, rule, lines[0], "\ufeff" + header, rule, lines[1]]
        rows, report = convert(tmp_path, "shop.csv", "\n".join(joined) + "\n")
        assert [tuple(row.values())[:3] for row in rows] == [("7", "Tee", 5), ("8", "Mug", 6)]
        assert "3 lines passed over that repeat the header or draw a rule" in str(report.warnings)
        count_cases("tables with lines that are no products", 1)


def test_dashes_in_a_cell_are_no_rule(tmp_path: Path) -> None:
    text = "product_id,title\n--,Tee\n8,--\n9,\ufeffCap\n"
    rows, report = convert(tmp_path, "shop.csv", text)
    assert [row["product_id"] for row in rows] == ["--", "8", "9"]
    assert rows[2]["title"] == "\ufeffCap"
    assert "passed over" not in str(report.warnings)


def test_a_mark_of_the_order_of_bytes_begins_a_joined_file(tmp_path: Path) -> None:
    rows, _ = convert(tmp_path, "shop.csv", "\ufeffproduct_id,title\n7,Tee\n\ufeff8,Mug\n")
    assert [row["product_id"] for row in rows] == ["7", "8"]


def test_comments_above_a_header_are_passed_over(tmp_path: Path) -> None:
    text = "# Required | The id of the item,# Required,# Optional\nid,title,price\n07,Tee,5\n"
    rows, report = convert(tmp_path, "shop.csv", text)
    assert rows == [{"id": "07", "title": "Tee", "price": 5}]
    assert "1 line above the names of the columns passed over" in str(report.warnings)
    rows, _ = convert(tmp_path, "shop.csv", "#sku,title\nA7,title\n")
    assert rows == [{"#sku": "A7", "title": "title"}]


def test_rows_of_one_field_more_than_the_header_are_named(tmp_path: Path) -> None:
    shifted = '"product_id","title"\n"1","A1","Tee"\n"2","A2","Mug"\n'
    _, report = convert(tmp_path, "shop.csv", shifted)
    assert "every row has one field more than the header's 2" in str(report.warnings)
    _, report = convert(tmp_path, "shop.csv", shifted + '"A3","Cap"\n')
    assert "2 rows with more fields than the header's 2" in str(report.warnings)


PARAMETERS = "<param name='Size'>M</param><param name=' Colour '>Red</param>"
XML = f"<SHOP><{{0}}><ID>07</ID>{PARAMETERS}</{{0}}></SHOP>"


@pytest.mark.parametrize("item", ["SHOPITEM", "Product", "ARTICLE", "offer"])
def test_items_in_any_case_keep_the_names_of_their_parameters(item: str, tmp_path: Path) -> None:
    rows, _ = convert(tmp_path, "feed.xml", XML.format(item))
    assert rows == [{"ID": "07", "param_Size": "M", "param_Colour": "Red"}]


def test_a_table_of_html_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="is an HTML page"):
        convert(tmp_path, "shop.xls", "<table><tr><th>product_id</th></tr></table>")


VIEWS = [
    ["sku", "store_view_code", "product_type", "attribute_set_code", "name", "base_image"],
    ["TEE", "", "simple", "Top", "Tee", "/t/e/tee.jpg"],
    ["TEE", "fr", "simple", "Top", "T-shirt", ""],
    ["MUG", "default", "simple", "Top", "Mug", "/m/u/mug.jpg"],
]


def test_texts_of_magento_for_another_view_are_no_products(tmp_path: Path) -> None:
    rows, report = convert(tmp_path, "shop.csv", write_csv(VIEWS))
    assert [(row["product_id"], row["title"]) for row in rows] == [("TEE", "Tee"), ("MUG", "Mug")]
    assert "1 row passed over that are no product" in str(report.warnings)


def test_ids_that_json_writes_as_doubles_are_whole(tmp_path: Path) -> None:
    rows, report = convert(tmp_path, "shop.json", '[{"product_id": 1.0}, {"product_id": 2.0}]')
    assert [row["product_id"] for row in rows] == ["1", "2"]
    assert "product_id: every value ends with .0" in str(report.warnings)
    rows, _ = convert(tmp_path, "shop.json", '[{"product_id": "1.0"}, {"product_id": 2.0}]')
    assert [row["product_id"] for row in rows] == ["1.0", "2.0"]


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ('<property name="title" value="Tee"/>', {"property_title": "Tee"}),
        ('<price value="5.5"/>', {"price": 5.5}),
        ('<price amount="5.5" currency="EUR"/>', {"price_amount": 5.5, "price_currency": "EUR"}),
        ('<price currency="EUR">5.5</price>', {"price": 5.5, "price_currency": "EUR"}),
        ('<a kind="x"><b>Tee</b></a>', {"a_b": "Tee", "a_kind": "x"}),
        ('<a><b size="M"/></a>', {"a_b_size": "M"}),
        ('<a><b size="M"/>text</a>', {"a_b_size": "M", "a": "text"}),
        ('<picture url="a.jpg" width="5"/>', {"picture": "a.jpg", "picture_width": "5"}),
    ],
)
def test_attributes_of_elements_are_kept(
    inner: str, expected: dict[str, object], tmp_path: Path
) -> None:
    rows, _ = convert(tmp_path, "feed.xml", f"<items><item><id>7</id>{inner}</item></items>")
    assert rows == [{"id": "7", **expected}]


def test_a_workbook_in_xml_is_named(tmp_path: Path) -> None:
    text = '<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>'
    with pytest.raises(CatalogueError, match="is an Excel workbook in XML"):
        convert(tmp_path, "shop.xls", text)


def test_numbers_that_a_spreadsheet_may_have_rounded_are_named(tmp_path: Path) -> None:
    rows, report = convert(tmp_path, "shop.csv", "product_id,price\n7,1E+05\n8,20.5\n")
    assert [row["price"] for row in rows] == [100000.0, 20.5]
    assert "price: 1 x a number such as '1E+05', which a spreadsheet may" in str(report.warnings)
    _, report = convert(tmp_path, "shop.csv", "product_id,price\n7,100000\n8,20.5\n")
    assert report.warnings == []


def test_versions_stay_text(tmp_path: Path) -> None:
    rows, _ = convert(tmp_path, "shop.csv", "product_id,version\n7,1.10\n8,1.9\n")
    assert [row["version"] for row in rows] == ["1.10", "1.9"]


BLANK = "image: no row names a picture, so there is no such column"
EXPORT = "Handle,Title,Vendor,Option1 Value,Variant SKU,Image Src\n"


@pytest.mark.parametrize(
    ("name", "text", "left_out"),
    [
        ("shop.csv", EXPORT + "tee,Tee,Own,S,t-1,\ntee,,,M,t-2,\n", True),
        ("shop.csv", EXPORT + "tee,Tee,Own,S,t-1,\ntee,,,M,t-2,https://x/1.jpg\n", False),
        ("table.csv", "product_id,title,image\n1,Tee, \n2,Mug,\n", True),
        ("table.csv", "product_id,title,image\n1,Tee, \n2,Mug,m.png\n", False),
        ("table.json", '[{"product_id": 1, "image": ""}, {"product_id": 2, "image": []}]', True),
        ("table.json", '[{"product_id": 1, "image": ""}, {"product_id": 2, "image": "m"}]', False),
    ],
)  # fmt: skip
def test_a_column_without_a_picture_is_left_out(
    name: str, text: str, left_out: bool, tmp_path: Path
) -> None:
    rows, report = convert(tmp_path, name, text)
    assert ("image" not in rows[0]) == left_out == (BLANK in report.warnings)
    assert len(rows) == 2
