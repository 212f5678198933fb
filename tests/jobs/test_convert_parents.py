"""Shop exports: variants have the title and the pictures of their product."""

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


def test_an_export_of_woocommerce_has_its_lines_back(tmp_path: Path) -> None:
    table = [["Type", "SKU", "Name", "Parent", "Short description", "Description"],
             ["simple", "MUG", r"Mug\new", "", r"Red\nBig", r"Soft.\n\nC:\\n.txt\nx"]]  # fmt: skip
    rows, _ = convert(tmp_path, "woo.csv", write_csv(table))
    assert rows[0]["title"] == r"Mug\new"
    assert rows[0]["short_description"] == "Red\nBig"
    assert rows[0]["description"] == "Soft.\n\nC:\\n.txt\nx"


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


LABELS = ["SKU", "Product Name", "Parentage", "Parent SKU", "Color", "Price", "Image", "Image 2"]
FLAT = [
    ["item_sku", "item_name", "parent_child", "parent_sku", "color_name", "standard_price",
     "main_image_url", "other_image_url1"],
    ["TEE", "Cotton tee", "parent", "", "", "", "https://x/t.jpg", "https://x/u.jpg"],
    ["TEE-R", "", "child", "TEE", "red", "9.99", "https://x/r.jpg", ""],
    ["TEE-B", "Blue tee", "child", "tee", "blue", "8.99", "", ""],
    ["MUG", "Mug", "", "", "", "5.00", "https://x/m.jpg", ""],
]  # fmt: skip
NEW = [
    ["contribution_sku#1.value", "item_name[marketplace_id=A1][language_tag=en_US]#1.value",
     "parentage_level[marketplace_id=A1]#1.value",
     "child_parent_sku_relationship[marketplace_id=A1]#1.parent_sku",
     "color_name", "standard_price",
     "main_product_image_locator[marketplace_id=A1]#1.media_location",
     "other_product_image_locator_1[marketplace_id=A1]#1.media_location"],
    *FLAT[1:],
]  # fmt: skip
TEMPLATES = {
    "plain": ([["TemplateType=fptcustom", "Version=2021"], LABELS], FLAT),
    "settings": ([["TemplateType=fptcustom", "settings=attributeRow=3&dataRow=4"], LABELS], FLAT),
    "an example": (
        [["TemplateType=x", "settings=attributeRow=5&dataRow=7"], ["a"], ["b"], LABELS],
        [NEW[0], ["EXAMPLE", "An example"], *NEW[1:]],
    ),
}


@pytest.mark.parametrize("delimiter", [",", "\t"])
@pytest.mark.parametrize("name", TEMPLATES)
def test_flat_files_of_amazon_have_their_names_below_a_template(
    tmp_path: Path, name: str, delimiter: str
) -> None:
    above, table = TEMPLATES[name]
    rows, report = convert(tmp_path, "flat.txt", write_csv([*above, *table], delimiter=delimiter))
    assert report.read_as.startswith("Amazon flat file")
    assert [row["product_id"] for row in rows] == ["TEE-R", "TEE-B", "MUG"]
    assert [row["title"] for row in rows] == ["Cotton tee", "Blue tee", "Mug"]
    assert [row["colour"] for row in rows] == ["red", "blue", None]
    assert [row["price"] for row in rows] == [9.99, 8.99, 5.0]
    tee = ["https://x/t.jpg", "https://x/u.jpg"]
    pictures = [["https://x/r.jpg", *tee], tee, ["https://x/m.jpg"]]
    assert [row["image"] for row in rows] == pictures
    assert any("above the names of the columns" in text for text in report.warnings)


BIG = [
    ["Item Type", "Product ID", "Product Name", "Product Code/SKU", "Price",
     "Product Image File - 1", "Product Image File - 2", "Product Description"],
    ["Product", "77", "Tee", "TEE", "19.99", "a.jpg", "b.jpg", "Soft"],
    ["  SKU", "", "[S]Size=S", "TEE-S", "", "", "", ""],
    ["  SKU", "", "[S]Size=L,[CS]Colour=Red", "", "21.99", "l.jpg", "", ""],
    ["  Rule", "", "[S]Size=S", "", "1", "", "", ""],
    ["Product", "78", "Mug", "", "5", "m.jpg", "", ""],
]  # fmt: skip
BIG_3 = [
    ["Item", "ID", "Name", "SKU", "Options", "Price", "Description", "Image URL (Import)"],
    ["Product", "77", "Tee", "TEE", "", "19.99", "Soft", "a.jpg"],
    ["SKU", "77", "", "TEE-S", "Size=S", "", "", ""],
    ["Variant", "77", "", "", "Size=L,Colour=Red", "21.99", "", "l.jpg"],
    ["Image", "77", "", "", "", "", "", "b.jpg"],
    ["Rule", "77", "", "", "", "", "", ""],
    ["Product", "78", "Mug", "", "", "5", "", "m.jpg"],
]  # fmt: skip


@pytest.mark.parametrize("table", [BIG, BIG_3])
def test_rows_below_a_product_of_bigcommerce_are_its_variants(
    tmp_path: Path, table: list[list[str]]
) -> None:
    rows, report = convert(tmp_path, "big.csv", write_csv(table))
    assert report.read_as.startswith("BigCommerce export")
    assert [row["product_id"] for row in rows] == ["TEE-S", "TEE#1", "78"]
    assert [row["title"] for row in rows] == ["Tee", "Tee", "Mug"]
    assert [row["options"] for row in rows] == ["Size=S", "Size=L,Colour=Red", None]
    assert [row["price"] for row in rows] == [19.99, 21.99, 5.0]
    assert [row["description"] for row in rows] == ["Soft", "Soft", None]
    assert [row["image"] for row in rows] == [
        ["a.jpg", "b.jpg"],
        ["l.jpg", "a.jpg", "b.jpg"],
        ["m.jpg"],
    ]
    assert any(text.startswith("1 row passed over") for text in report.warnings)


@pytest.mark.parametrize("parent", ["TEE", "tee", "id:10", "ID: 10", "10"])
def test_a_variation_may_name_its_product_by_its_sku_or_its_id(tmp_path: Path, parent: str) -> None:
    table = [
        ["ID", "Type", "SKU", "Name", "Description", "Regular price", "Images", "Parent"],
        ["11", "variation", "TEE-R", "Variation #11 of Tee", "", "19.99", "", parent],
        ["10", "variable", "TEE", "Tee", "Soft", "", "https://x/1.jpg", ""],
    ]
    rows, report = convert(tmp_path, "woo.csv", write_csv(table))
    assert [row["product_id"] for row in rows] == ["TEE-R"]
    assert [row["title"] for row in rows] == ["Tee"]
    assert [row["image"] for row in rows] == [["https://x/1.jpg"]]
    assert not any("not there" in text for text in report.warnings)


@pytest.mark.parametrize(
    "names",
    [
        [
            "ID",
            "Product Type",
            "Sku",
            "Title",
            "Content",
            "Price",
            "Image URL",
            "Parent Product ID",
        ],
        ["ID", "post_type", "sku", "post_title", "post_content", "price", "images", "post_parent"],
    ],
)
def test_other_exporters_of_woocommerce_call_columns_otherwise(
    tmp_path: Path, names: list[str]
) -> None:
    kinds = ("product_variation", "product") if "post_type" in names else ("variation", "variable")
    table = [
        names,
        ["11", kinds[0], "TEE-R", "", "", "19.99", "", "10"],
        ["10", kinds[1], "TEE", "Tee", "Soft", "", "https://x/1.jpg", "0"],
    ]
    rows, _ = convert(tmp_path, "woo.csv", write_csv(table))
    assert [(row["product_id"], row["title"]) for row in rows] == [("TEE-R", "Tee")]
    assert [row["description"] for row in rows] == ["Soft"]
    assert [row["image"] for row in rows] == [["https://x/1.jpg"]]


WIX = [
    ["handleId", "fieldType", "name", "description", "productImageUrl", "collection", "sku",
     "price", "productOptionName1", "productOptionDescription1"],
    ["p1", "Product", "Tee", "Soft", "a.jpg;b.jpg", "Shirts", "", "20", "Size", "S;L"],
    ["p1", "Variant", "", "", "", "", "TEE-S", "", "", "S"],
    ["p1", "Variant", "", "", "", "", "TEE-L", "", "", "L"],
    ["p2", "Product", "Mug", "", "m.jpg", "Mugs", "MUG", "9.5", "", ""],
]  # fmt: skip


def test_rows_below_a_product_of_wix_are_its_variants(tmp_path: Path) -> None:
    rows, report = convert(tmp_path, "wix.csv", write_csv(WIX))
    assert report.read_as.startswith("Wix export")
    assert [row["product_id"] for row in rows] == ["TEE-S", "TEE-L", "MUG"]
    assert [row["title"] for row in rows] == ["Tee", "Tee", "Mug"]
    assert [row["options"] for row in rows] == ["S", "L", None]
    assert [row["price"] for row in rows] == [20.0, 20.0, 9.5]
    assert [row["image"] for row in rows] == [["a.jpg", "b.jpg"], ["a.jpg", "b.jpg"], ["m.jpg"]]


EBAY = [
    ["#INFO", "Version=1.0", "Template= eBay-draft-listings", "", "", "", "", ""],
    ["#INFO Action and Category ID are required", "", "", "", "", "", "", ""],
    ["Action(SiteID=US|Currency=USD)", "Custom label (SKU)", "Title", "Relationship",
     "Relationship details", "Price", "Item photo URL", "Description"],
    ["Add", "TEE", "Tee", "", "Size=S;L", "", "https://x/a.jpg|https://x/b.jpg", "Soft"],
    ["", "TEE-S", "", "Variation", "Size=S", "20.5", "", ""],
    ["", "TEE-L", "", "Variation", "Size=L", "22", "", ""],
    ["Add", "MUG", "Mug", "", "", "9.5", "https://x/m.jpg", ""],
]  # fmt: skip


def test_variations_of_ebay_have_what_their_listing_has(tmp_path: Path) -> None:
    rows, report = convert(tmp_path, "ebay.csv", write_csv(EBAY))
    assert report.read_as.startswith("eBay listing file")
    assert [row["product_id"] for row in rows] == ["TEE-S", "TEE-L", "MUG"]
    assert [row["title"] for row in rows] == ["Tee", "Tee", "Mug"]
    assert [row["options"] for row in rows] == ["Size=S", "Size=L", None]
    assert [row["price"] for row in rows] == [20.5, 22.0, 9.5]
    tee = ["https://x/a.jpg", "https://x/b.jpg"]
    assert [row["image"] for row in rows] == [tee, tee, ["https://x/m.jpg"]]


EBAY_ACTIVE = [
    ["Item number", "Title", "Variation details", "Custom label (SKU)", "Available quantity",
     "Currency", "Start price", "Current price", "P:EAN", "Item photo URL"],
    ["3340001", "Tee", "", "", "8", "GBP", "", "", "", "https://x/t.jpg"],
    ["3340001", "Tee", "[Colour=Red,Size=M]", "TEE-R", "5", "GBP", "9.99", "9.99", "40063813", ""],
    ["3340001", "Tee", "[Colour=Blue,Size=M]", "", "3", "GBP", "10.99", "10.99", "", ""],
    ["3340002", "Mug", "", "MUG", "1", "GBP", "5.00", "4.50", "", "https://x/m.jpg"],
    ["3340003", "Lamp", "", "", "1", "GBP", "7.00", "7.00", "", ""],
]  # fmt: skip


def test_a_report_of_ebay_has_variations_with_the_number_of_their_listing(tmp_path: Path) -> None:
    rows, report = convert(tmp_path, "active.csv", write_csv(EBAY_ACTIVE))
    assert report.read_as.startswith("eBay report of active listings")
    assert [row["product_id"] for row in rows] == ["TEE-R", "3340001#1", "MUG", "3340003"]
    assert [row["title"] for row in rows] == ["Tee", "Tee", "Mug", "Lamp"]
    assert [row["price"] for row in rows] == [9.99, 10.99, 4.5, 7.0]
    assert [row["p_ean"] for row in rows] == ["40063813", None, None, None]
    tee = ["https://x/t.jpg"]
    assert [row["image"] for row in rows] == [tee, tee, ["https://x/m.jpg"], None]
    assert "1 product with variants" in " ".join(report.warnings)


SQUARE = [
    ["Product ID [Non Editable]", "Variant ID [Non Editable]", "Product Type [Non Editable]",
     "Product Page", "Title", "Description", "SKU", "Option Name 1", "Option Value 1", "Price",
     "Sale Price", "On Sale", "Stock", "Categories", "Visible", "Hosted Image URLs"],
    ["5f1", "v1", "PHYSICAL", "shop", "Tee", "<p>Soft</p>", "SQ-R", "Colour", "Red", "19.00",
     "15.00", "Yes", "4", "/tees", "Yes", "https://x/1.jpg https://x/2.jpg"],
    ["", "v2", "", "", "", "", "", "Colour", "Blue", "21.00", "", "No", "0", "", "", ""],
    ["5f2", "v3", "PHYSICAL", "shop", "Mug", "", "", "", "", "5.00", "", "No", "Unlimited", "/mugs",
     "Yes", "https://x/m.jpg"],
]  # fmt: skip


def test_the_row_of_a_product_of_squarespace_is_its_first_variant(tmp_path: Path) -> None:
    rows, report = convert(tmp_path, "products.csv", write_csv(SQUARE))
    assert report.read_as.startswith("Squarespace export")
    assert [row["product_id"] for row in rows] == ["SQ-R", "v2", "v3"]
    assert [row["title"] for row in rows] == ["Tee", "Tee", "Mug"]
    assert [row["description"] for row in rows] == ["<p>Soft</p>", "<p>Soft</p>", None]
    assert [row["price"] for row in rows] == [19.0, 21.0, 5.0]
    assert [row["sale_price"] for row in rows] == [15.0, None, None]
    assert [row["option_value_1"] for row in rows] == ["Red", "Blue", None]
    tee = ["https://x/1.jpg", "https://x/2.jpg"]
    assert [row["image"] for row in rows] == [tee, tee, ["https://x/m.jpg"]]


def test_rows_without_a_title_among_others_are_named(tmp_path: Path) -> None:
    table = [["SKU", "Title", "Size"], ["1", "Tee", "S"], ["2", "", "M"], ["3", " ", "L"]]
    _, report = convert(tmp_path, "a.csv", write_csv(table))
    (warning,) = [text for text in report.warnings if text.startswith("Title")]
    assert warning.startswith("Title: 2 of 3 rows have none ('row 2', 'row 3'); if they are")
    for titles in (["Tee", "Mug"], ["", ""]):
        table = [["SKU", "Title"], *([str(row), title] for row, title in enumerate(titles))]
        _, report = convert(tmp_path, "b.csv", write_csv(table))
        assert not [text for text in report.warnings if text.startswith("Title:")]


TABLE = [
    ["id", "parent_id", "product_number", "name", "price_gross", "cover_media_url", "options"],
    ["a1", "", "TEE", "Tee", "9.5", "https://x/1.jpg", ""],
    ["a2", "a1", "TEE-S", "", "", "", "S"],
    ["a3", "a1", "TEE-M", "", "10.5", "https://x/m.jpg", "M"],
    ["a4", "", "MUG", "Mug", "5.5", "", ""],
    ["a5", "zz", "LOST", "", "1.5", "", "L"],
]


@pytest.mark.parametrize("parent", ["parent_id", "Parent SKU", "parent"])
def test_rows_without_a_title_that_name_a_product_are_its_variants(
    tmp_path: Path, parent: str
) -> None:
    by = "TEE" if parent == "Parent SKU" else "a1"
    table = [[parent if cell == "parent_id" else cell for cell in row] for row in TABLE]
    table = [[*row[:1], by if row[1] == "a1" else row[1], *row[2:]] for row in table]
    rows, report = convert(tmp_path, "shop.csv", write_csv(table, delimiter=";"))
    assert report.read_as.startswith("table of products and variants")
    assert [row["product_id"] for row in rows] == ["TEE-S", "TEE-M", "MUG", "LOST"]
    assert [row["title"] for row in rows] == ["Tee", "Tee", "Mug", None]
    assert [row["price"] for row in rows] == [9.5, 10.5, 5.5, 1.5]
    tee = "https://x/1.jpg"
    assert [row["image"] for row in rows] == [[tee], ["https://x/m.jpg", tee], None, None]
    assert "1 variant of products that are not there" in report.warnings


@pytest.mark.parametrize("none", ["0", "NULL", "a1", "TEE"])  # the last two are its own
def test_a_product_may_name_no_product_or_itself(tmp_path: Path, none: str) -> None:
    table = [TABLE[0], [TABLE[1][0], none, *TABLE[1][2:]], *TABLE[2:]]
    rows, _ = convert(tmp_path, "shop.csv", write_csv(table, delimiter=";"))
    assert [row["title"] for row in rows] == ["Tee", "Tee", "Mug", None]


@pytest.mark.parametrize("cell", ["title", "parent", "ids", "brand"])
def test_other_tables_with_a_parent_stay_tables(tmp_path: Path, cell: str) -> None:
    table = [list(row) for row in TABLE]
    for row in table[1:]:
        if cell == "title":
            row[3] = row[3] or "Tee"
        elif cell in ("parent", "brand"):
            row[1] = "Acme" if cell == "brand" else ""
    if cell == "ids":
        table[0][0], table[0][2] = "number", "code"
    _, report = convert(tmp_path, "shop.csv", write_csv(table, delimiter=";"))
    assert report.layout == "table"
