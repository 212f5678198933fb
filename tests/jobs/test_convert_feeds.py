"""Feeds in XML of any shop: currencies, units and languages in attributes, items of any name."""

from pathlib import Path

import pytest
from product_files import convert

from prodmatch.errors import CatalogueError


def _feed(*items: str, item: str = "product", root: str = "products") -> str:
    inner = "".join(f"<{item}>{each}</{item}>" for each in items)
    return f"<{root}>{inner}</{root}>"


def test_a_currency_in_an_attribute_stays_with_its_price(tmp_path: Path) -> None:
    prices = [("EUR", "9.50"), ("USD", "5")]
    items = [f'<id>{c}</id><price currency="{c}">{price}</price>' for c, price in prices]
    rows, _ = convert(tmp_path, "feed.xml", _feed(*items))
    assert [(row["price"], row["price_currency"]) for row in rows] == [(9.5, "EUR"), (5.0, "USD")]


def test_a_unit_in_an_attribute_is_kept(tmp_path: Path) -> None:
    item = '<id>1</id><param name="Size" unit="cm">10</param><param name="Size" unit="in">4</param>'
    rows, _ = convert(tmp_path, "feed.xml", _feed(item))
    assert rows == [{"id": "1", "param_Size": "10, 4", "param_Size_unit": "cm, in"}]


@pytest.mark.parametrize(
    "attributes",
    ['type="html"', 'type="text/html" xml:space="preserve"', 'xsi:type="xs:string" xmlns:xsi="x"',
     'xml:lang="en"', 'rel="alternate"'],
)  # fmt: skip
def test_attributes_that_tell_the_form_alone_are_no_columns(
    attributes: str, tmp_path: Path
) -> None:
    rows, _ = convert(tmp_path, "feed.xml", _feed(f"<id>1</id><title {attributes}>Mug</title>"))
    assert rows == [{"id": "1", "title": "Mug"}]


@pytest.mark.parametrize("attribute", ["xml:lang", "lang"])
def test_texts_in_several_languages_are_columns_apart(attribute: str, tmp_path: Path) -> None:
    items = [
        f'<id>1</id><title {attribute}="en">Mug</title><title {attribute}="de">Becher</title>',
        f'<id>2</id><title {attribute}="de">Lampe</title><note {attribute}="de">neu</note>',
    ]
    rows, _ = convert(tmp_path, "feed.xml", _feed(*items))
    assert rows == [
        {"id": "1", "title_en": "Mug", "title_de": "Becher", "note": None},
        {"id": "2", "title_en": None, "title_de": "Lampe", "note": "neu"},
    ]


@pytest.mark.parametrize(
    "content",
    [
        _feed("<sku>1</sku><title>Mug</title>", "<sku>2</sku><title>Cup</title>", item="Produkt"),
        '<goods><good sku="1" title="Mug"/><good sku="2" title="Cup"/></goods>',
        "<shop><categories><category id='1' top='0'>a</category><category id='2' top='0'>b"
        "</category><category id='3' top='1'>c</category></categories><goods>"
        "<good sku='1'><title>Mug</title></good><good><sku>2</sku><title>Cup</title></good>"
        "</goods></shop>",
    ],
)
def test_elements_that_are_repeated_are_items_whatever_their_name(
    content: str, tmp_path: Path
) -> None:
    rows, _ = convert(tmp_path, "feed.xml", content)
    assert rows == [{"sku": "1", "title": "Mug"}, {"sku": "2", "title": "Cup"}]


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (_feed("<id>1</id><title>a&nbsp;b</title>").encode(), "texts in CDATA"),
        (_feed("<id>1</id><title>M\u00fcg</title>").encode("cp1252"), "Give its `encoding` where"),
        (b"\n<?xml version='1.0'?>" + _feed("<id>1</id>").encode(), "Remove what stands before"),
        (_feed("<id>1</id>")[:-4].encode(), "Export the feed again"),
        (b"<shop><about>x</about></shop>", "has no items; looked for <item>"),
    ],
)
def test_a_fault_of_a_feed_is_named_with_what_to_do(
    content: bytes, remedy: str, tmp_path: Path
) -> None:
    with pytest.raises(CatalogueError, match=remedy) as caught:
        convert(tmp_path, "feed.xml", content)
    assert str(caught.value).startswith(f"{tmp_path / 'feed.xml'}: ")
