"""Shop exports and shopping feeds come out as catalogues, in every form that they are given in."""

import gzip
import itertools
from pathlib import Path

import pytest
from product_files import Rows, convert, write_csv

EXPORT = [
    ["Handle", "Title", "Body (HTML)", "Vendor", "Type", "Tags", "Option1 Name", "Option1 Value",
     "Option2 Name", "Option2 Value", "Variant SKU", "Variant Price", "Image Src", "Variant Image",
     "Google Shopping / MPN"],
    ["tee", "Tee", "<p>Soft,\nred</p>", "Acme", "Shirts", "new, red", "Colour", "Red", "Size", "S",
     "0071", "19.99", "https://x/1.jpg", "", "M1"],
    ["tee", "", "", "", "", "", "", "Red", "", "M", "0072", "20.99", "https://x/2.jpg", "", ""],
    ["tee", "", "", "", "", "", "", "Blue", "", "S", "", "21.5", "", "https://x/b.jpg", ""],
    ["tee", "", "", "", "", "", "", "", "", "", "", "", "https://x/3.jpg", "", ""],
    ["mug", "Mug", "", "Pots", "Mugs", "", "Title", "Default Title", "", "", "", "5.00",
     "https://x/m.jpg", "", ""],
    ["cup", "Cup", "", "Pots", "Cups", "", "Title", "Default Title", "", "", "0071", "6", "", "",
     ""],
]  # fmt: skip
TEE = ["https://x/1.jpg", "https://x/2.jpg", "https://x/3.jpg"]


def _same(rows: Rows, name: str) -> list[object]:
    return [row[name] for row in rows]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("packed", [False, True])
def test_variants_have_what_their_product_has(
    tmp_path: Path, delimiter: str, encoding: str, packed: bool
) -> None:
    content = write_csv(EXPORT, delimiter=delimiter).encode(encoding)
    rows, report = convert(tmp_path, "export.csv", gzip.compress(content) if packed else content)
    assert report.layout == "shop export"
    assert _same(rows, "product_id") == ["0071", "0072", "tee/Blue/S", "mug", "cup"]
    assert _same(rows, "title") == ["Tee"] * 3 + ["Mug", "Cup"]
    assert _same(rows, "description") == ["<p>Soft,\nred</p>"] * 3 + [None, None]
    assert _same(rows, "brand") == ["Acme"] * 3 + ["Pots"] * 2
    assert _same(rows, "handle") == ["tee"] * 3 + ["mug", "cup"]
    assert _same(rows, "price") == [19.99, 20.99, 21.5, 5.0, 6.0]
    assert _same(rows, "sku") == ["0071", "0072", None, None, "0071"]
    assert _same(rows, "option1_name") == ["Colour"] * 3 + ["Title"] * 2
    assert _same(rows, "option2_value") == ["S", "M", "S", None, None]
    assert _same(rows, "google_shopping_mpn") == ["M1", None, None, None, None]
    assert _same(rows, "image") == [
        TEE, TEE, ["https://x/b.jpg", *TEE], ["https://x/m.jpg"], None
    ]  # fmt: skip
    assert "3 variants without a SKU of its own" in " ".join(report.warnings)


def test_the_rows_of_a_product_may_stand_apart(tmp_path: Path) -> None:
    header, *rest = EXPORT
    orders = itertools.permutations(rest[:4])
    for order in itertools.islice(orders, 0, 24, 5):
        rows, _ = convert(tmp_path, "export.csv", write_csv([header, *order, *rest[4:]]))
        assert {row["product_id"]: row["title"] for row in rows} == {
            "0071": "Tee", "0072": "Tee", "tee/Blue/S": "Tee", "mug": "Mug", "cup": "Cup"
        }  # fmt: skip


def test_equal_options_without_a_sku_keep_ids_of_their_own(tmp_path: Path) -> None:
    rows, _ = convert(
        tmp_path, "e.csv", "Handle,Title,Option1 Value,Variant Price\na,A,x,1\na,,x,2\na,,y,3\n"
    )
    assert _same(rows, "product_id") == ["a/x", "a/x#2", "a/y"]


# As Shopify has called its columns since 2025; "Title" is the first of them.
RENAMED = {
    "Handle": "URL handle", "Body (HTML)": "Description", "Variant SKU": "SKU",
    "Variant Price": "Price", "Image Src": "Product image URL",
    "Variant Image": "Variant image URL",
}  # fmt: skip


def test_an_export_of_shopify_is_known_by_its_new_names_too(tmp_path: Path) -> None:
    old = [["Compare-at price", *EXPORT[0]], *([price, *row] for price, row in zip(
        ["25", "", "", "", "", ""], EXPORT[1:], strict=True))]  # fmt: skip
    new = [[RENAMED.get(str(name), name) for name in old[0]], *old[1:]]
    rows, report = convert(tmp_path, "new.csv", write_csv(new))
    assert report.layout == "shop export"
    assert rows == convert(tmp_path, "old.csv", write_csv(old))[0]
    assert _same(rows, "compare_at_price") == [25, None, None, None, None]


def test_a_product_without_a_title_is_named(tmp_path: Path) -> None:
    _, report = convert(tmp_path, "e.csv", "Handle,Title,Variant SKU\na,A,1\nb,,2\n")
    assert "1 product without a row with a title" in report.warnings


FEED = [
    {"id": "007", "title": "Tee, red", "description": "Soft & <b>red</b>", "link": "https://x/7",
     "image_link": "https://x/1.jpg", "additional_image_link": ["https://x/2.jpg", "https://x/3.jpg"],
     "price": "1299.99 USD", "sale_price": "19.99 USD", "brand": "Acme", "gtin": "0012345678905",
     "item_group_id": "0G", "color": "red", "availability": "in_stock"},
    {"id": "008", "title": "Tee, blue", "link": "https://x/8", "price": "20.00 USD",
     "item_group_id": "0G", "color": "blue", "availability": "in_stock"},
    {"id": "1e5", "title": "Mug", "description": "A mug", "link": "https://x/9", "brand": "Pots",
     "image_link": "https://x/m.jpg", "price": "5.00 USD", "color": "red",
     "availability": "out_of_stock"},
]  # fmt: skip
NAMES = list(FEED[0])


def _table(delimiter: str, *, prefix: str = "", spaces: bool = False) -> str:
    header = [prefix + (name.replace("_", " ") if spaces else name) for name in NAMES]
    cells = [[row.get(name, "") for name in NAMES] for row in FEED]
    joined = [[",".join(c) if isinstance(c, list) else c for c in row] for row in cells]
    return write_csv([header, *joined], delimiter=delimiter)


def _xml(item: str, *, prefix: str = "g", atom: bool = False) -> str:
    out = []
    for row in FEED:
        parts = []
        for name in NAMES:
            found = row.get(name, [])
            for value in found if isinstance(found, list) else [found]:
                text = value.replace("&", "&amp;").replace("<", "&lt;")
                own = f"{prefix}:{name}" if name not in ("title", "link", "description") else name
                if name == "description":
                    text = f"<![CDATA[{value}]]>"
                if name == "link" and atom:
                    parts.append(f'<link href="{text}"/>')
                else:
                    parts.append(f"<{own}>{text}</{own}>")
        extra = "<id>tag:x,2024:1</id>" if atom else "<guid>x</guid>"
        out.append(f"<{item}>{extra}{''.join(parts)}</{item}>")
    space = f'xmlns:{prefix}="http://base.google.com/ns/1.0"'
    items = "\n".join(out)
    if atom:
        return f'<feed xmlns="http://www.w3.org/2005/Atom" {space}><title>S</title>{items}</feed>'
    return f'<rss version="2.0" {space}><channel><title>Shop</title>{items}</channel></rss>'


FORMS = {
    "feed.tsv": _table("\t"),
    "feed.txt": _table("\t", spaces=True),
    "feed.csv": _table(","),
    "semicolon.csv": _table(";", prefix="g:"),
    "pipe.txt": _table("|"),
    "upper.tsv": _table("\t").replace(_table("\t").split("\n", 1)[0], "\t".join(NAMES).upper()),
    "rss.xml": '<?xml version="1.0" encoding="UTF-8"?>\n' + _xml("item"),
    "bare.xml": _xml("item"),
    "other-prefix.xml": _xml("item", prefix="goog"),
    "atom.xml": '<?xml version="1.0"?>' + _xml("entry", atom=True),
    "rss.txt": _xml("item"),
    "rss.rss": "\n  " + _xml("item"),
    "atom-prefix.xml": _xml("entry", atom=True)
    .replace("<title>", "<a:title>")
    .replace("</title>", "</a:title>")
    .replace("xmlns:g", 'xmlns:a="http://www.w3.org/2005/Atom" xmlns:g'),
    "doctype.xml": '<!DOCTYPE rss SYSTEM "shop.dtd">' + _xml("item"),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("packed", [False, True])
def test_a_shopping_feed_is_a_catalogue(tmp_path: Path, name: str, packed: bool) -> None:
    content = FORMS[name].encode()
    rows, report = convert(tmp_path, name, gzip.compress(content) if packed else content)
    assert report.layout == "shopping feed"
    pictures = ["https://x/1.jpg", "https://x/2.jpg", "https://x/3.jpg"]
    assert _same(rows, "product_id") == ["007", "008", "1e5"]
    assert _same(rows, "title") == ["Tee, red", "Tee, blue", "Mug"]
    assert _same(rows, "description") == ["Soft & <b>red</b>"] * 2 + ["A mug"]
    assert _same(rows, "brand") == ["Acme", "Acme", "Pots"]
    assert _same(rows, "price") == [1299.99, 20.0, 5.0]
    assert _same(rows, "price_currency") == ["USD"] * 3
    assert _same(rows, "sale_price") == [19.99, None, None]
    assert _same(rows, "gtin") == ["0012345678905", None, None]
    assert _same(rows, "item_group_id") == ["0G", "0G", None]
    assert _same(rows, "link") == ["https://x/7", "https://x/8", "https://x/9"]
    assert _same(rows, "image") == [pictures, pictures, ["https://x/m.jpg"]]
    assert "1 product with texts or pictures of another of the item_group_id" in report.warnings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_xml_is_read_in_the_encoding_it_names(tmp_path: Path, encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>' + _xml("item").replace("Mug", "Müg")
    rows, _ = convert(tmp_path, "f.xml", text.encode(encoding))
    assert rows[2]["title"] == "Müg"


def test_markup_in_a_text_is_a_part_of_it(tmp_path: Path) -> None:
    texts = "<p>Soft <a href='x'>red</a> wool</p><ul><li>warm<br/></li></ul>", "A <i>big</i> mug"
    items = "".join(
        f"<product><id>{row}</id><description>{text}</description>"
        "<details><size>S</size></details><imgs><i>a.jpg</i><i>b.jpg</i></imgs></product>"
        for row, text in enumerate(texts)
    )
    rows, _ = convert(tmp_path, "feed.xml", f"<products>{items}</products>")
    found = [" ".join(str(row["description"]).split()) for row in rows]
    assert found == ["Soft red wool warm", "A big mug"]
    assert {str(row["details_size"]) for row in rows} == {"S"}
    assert {str(row["imgs_i"]) for row in rows} == {"a.jpg, b.jpg"}


def test_markup_that_begins_with_a_link_or_a_table_or_stands_in_a_title_is_text(
    tmp_path: Path,
) -> None:
    text = "Nice <a href='x'>lamp</a> <b>here</b><table><tr><td>5 W</td></tr></table>"
    item = f"<product><id>1</id><title>A <b>big</b> one</title><description>{text}</description>"
    rows, _ = convert(tmp_path, "feed.xml", f"<products>{item}</product></products>")
    assert rows[0].keys() == {"id", "title", "description"}
    found = [" ".join(str(rows[0][name]).split()) for name in ("title", "description")]
    assert found == ["A big one", "Nice lamp here 5 W"]


def test_nested_and_repeated_elements_are_kept(tmp_path: Path) -> None:
    content = (
        "<products><product sku='01'><name>A</name>"
        "<shipping><country>US</country><cost>5</cost></shipping>"
        "<shipping><country>DE</country></shipping><tag>x</tag><tag>y</tag></product></products>"
    )
    rows, report = convert(tmp_path, "p.xml", content)
    assert rows == [
        {"sku": "01", "name": "A", "shipping_country": "US, DE", "shipping_cost": 5, "tag": "x, y"}
    ]
    assert report.layout == "table"


@pytest.mark.parametrize(
    ("header", "hint"),
    [
        ("sku,name,image_url", "product_id=sku,title=name,image=image_url"),
        ("x,y,z", "product_id=NAME"),
        ("Product ID,Title,x", "'product_id=Product ID,title=Title'"),
        ("code,Name,Image URL", "'product_id=NAME,title=Name,image=Image URL'"),
    ],
)
def test_a_table_without_ids_says_how_to_name_them(tmp_path: Path, header: str, hint: str) -> None:
    _, report = convert(tmp_path, "p.csv", f"{header}\n1,a,b\n")
    assert f"no column is called product_id; embed it with `columns={hint}`" in report.warnings


def test_ids_of_the_tables_own_stay_the_ids(tmp_path: Path) -> None:
    rows, report = convert(
        tmp_path, "p.csv", "product_id,id,title,link,gtin,price\nA,7,t,l,007,1.5\n"
    )
    assert report.layout == "table"
    assert rows == [
        {"product_id": "A", "id": "7", "title": "t", "link": "l", "gtin": "007", "price": 1.5}
    ]
    rows, report = convert(
        tmp_path, "e.csv", "Handle,Title,Product ID,Variant SKU,Image\na,A,77,S1,x\n"
    )
    assert (rows[0]["product_id"], rows[0]["product_id_2"]) == ("S1", "77")
    assert rows[0]["image_2"] == "x"
    assert "image" not in report.columns
