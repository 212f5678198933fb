"""Exports of WooCommerce and Magento: variants with the title and the pictures of their product."""

from pathlib import Path

import pytest
from product_files import convert, write_csv

WOO = [
    ["ID", "Type", "SKU", "Name", "Description", "Regular price", "Categories", "Images", "Parent",
     "Attribute 1 name", "Attribute 1 value(s)"],
    ["10", "variable", "TEE", "Tee", "Soft", "", "Shirts", "https://x/1.jpg, https://x/2.jpg", "",
     "Colour", "Red, Blue"],
    ["11", "variation", "TEE-R", "", "", "19.99", "", "https://x/r.jpg", "TEE", "Colour", "Red"],
    ["12", "variation", "", "Tee - Blue", "", "20.99", "", "", "id:10", "Colour", "Blue"],
    ["13", "simple", "MUG", "Mug", "", "5.00", "Mugs", "https://x/m.jpg", "", "", ""],
    ["14", "variation", "LOST", "Lost", "", "6", "", "", "GONE", "", ""],
]  # fmt: skip
MAGENTO = [
    ["sku", "product_type", "attribute_set_code", "name", "description", "price", "base_image",
     "small_image", "additional_images", "color", "configurable_variations"],
    ["TEE-R", "simple", "Top", "", "", "19.99", "/r/e/red.jpg", "/r/e/red.jpg", "", "Red", ""],
    ["TEE-B", "simple", "Top", "Tee Blue", "", "20.99", "no_selection", "", "", "Blue", ""],
    ["TEE", "configurable", "Top", "Tee", "Soft", "", "/t/e/tee.jpg", "/t/e/tee.jpg",
     "/t/e/a.jpg,/t/e/b.jpg", "", "sku=TEE-R,color=Red|sku=TEE-B,color=Blue"],
    ["MUG", "simple", "Default", "Mug", "", "5.00", "/m/u/mug.jpg", "", "", "", ""],
]  # fmt: skip


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_variants_of_woocommerce_have_what_their_product_has(
    tmp_path: Path, delimiter: str
) -> None:
    rows, report = convert(tmp_path, "woo.csv", write_csv(WOO, delimiter=delimiter))
    assert report.layout == "shop export"
    assert report.read_as.startswith("WooCommerce export")
    assert [row["product_id"] for row in rows] == ["TEE-R", "12", "MUG", "LOST"]
    assert [row["title"] for row in rows] == ["Tee", "Tee - Blue", "Mug", "Lost"]
    assert [row["description"] for row in rows] == ["Soft", "Soft", None, None]
    assert [row["price"] for row in rows] == [19.99, 20.99, 5.0, 6.0]
    assert [row["category"] for row in rows] == ["Shirts", "Shirts", "Mugs", None]
    assert [row["attribute_1_value_s"] for row in rows] == ["Red", "Blue", None, None]
    tee = ["https://x/1.jpg", "https://x/2.jpg"]
    pictures = [["https://x/r.jpg", *tee], tee, ["https://x/m.jpg"], None]
    assert [row["image"] for row in rows] == pictures
    said = " ".join(report.warnings)
    assert "1 product with variants" in said
    assert "1 variant of products that are not there" in said


def test_variants_of_magento_have_what_their_product_has(tmp_path: Path) -> None:
    rows, report = convert(tmp_path, "magento.csv", write_csv(MAGENTO))
    assert report.read_as.startswith("Magento export")
    assert [row["product_id"] for row in rows] == ["TEE-R", "TEE-B", "MUG"]
    assert [row["title"] for row in rows] == ["Tee", "Tee Blue", "Mug"]
    assert [row["description"] for row in rows] == ["Soft", "Soft", None]
    tee = ["t/e/tee.jpg", "t/e/a.jpg", "t/e/b.jpg"]
    assert [row["image"] for row in rows] == [["r/e/red.jpg", *tee], tee, ["m/u/mug.jpg"]]


def test_products_without_variants_stay(tmp_path: Path) -> None:
    rows, _ = convert(tmp_path, "woo.csv", write_csv([WOO[0], WOO[1], WOO[4]]))
    assert [row["product_id"] for row in rows] == ["TEE", "MUG"]
    rows, _ = convert(tmp_path, "m.csv", write_csv([MAGENTO[0], MAGENTO[4]]))
    assert [row["product_id"] for row in rows] == ["MUG"]


@pytest.mark.parametrize("name", ["Typ", "Tipo", "Type"])
def test_an_export_of_woocommerce_in_another_language_is_named(tmp_path: Path, name: str) -> None:
    table = [
        ["ID", name, "Artikelnummer", "Bilder"],
        ["1", "variable", "TEE", "https://x/1.jpg"],
        ["2", "variation", "TEE-R", ""],
    ]
    _, report = convert(tmp_path, "woo.csv", write_csv(table))
    assert [w for w in report.warnings if w.startswith(f"{name}: some rows are 'variation'")]
    _, report = convert(tmp_path, "woo.csv", write_csv([table[0], table[1]]))
    assert not [w for w in report.warnings if "variation" in w]
