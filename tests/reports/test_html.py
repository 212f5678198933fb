"""Pages of answers and explanations: what they show, in what order, and what strangers wrote."""

import base64
import io
import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from pages import Tags, style_of
from PIL import Image
from small import draw, embed, products, write

from prodmatch import Query, open_index
from prodmatch.catalogue.pictures import thumbnails
from prodmatch.explain import explain_product
from prodmatch.index import index_embeddings
from prodmatch.model.description import Model
from prodmatch.products.prices import PriceColumn, choose_price
from prodmatch.reports.cards import CardColumns, make_card
from prodmatch.reports.html import answers_page, explanation_page
from prodmatch.search.answers.hits import Answer, FacetValue, Hit

HOSTILE = "<script>alert(1)</script> \"onload='x' & red shirt"
PRICE = PriceColumn("price")


def hit(product_id: str = "p1", **metadata: object) -> Hit:
    return Hit("q", 1, product_id, 0.9, 0.8, 0.5, 0.3, 0.1, 4, {"title": "Mug", **metadata})


def hostile_hit() -> Hit:
    return hit(HOSTILE, title=HOSTILE, **{HOSTILE: HOSTILE, "n": None, "brand": HOSTILE})


def test_a_page_of_answers_runs_nothing_and_loads_nothing() -> None:
    pictures = {HOSTILE: draw((200, 10, 20), 1, side=400)}
    queries = [Query(text=HOSTILE + "\ud800", image=b"<svg onload=alert(1)>")]
    answer = Answer("q", [hostile_hit()], facets={HOSTILE: [FacetValue(HOSTILE, 1)]})
    page = answers_page(queries, [answer], pictures, facts={"filter": HOSTILE})
    tags = Tags(page)
    assert {"script", "link", "iframe", "svg", "object", "base"} & set(tags.tags) == set()
    assert not [name for name in tags.attributes if name.startswith("on")]
    assert tags.sources
    assert all(source.startswith("data:image/webp;base64,") for source in tags.sources)
    assert tags.said.count("<script>alert(1)</script>") == 10  # shown as text
    assert "Content-Security-Policy" in page
    assert not tags.without_text


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        " java\nscript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "//shop.example/mug",
        "shop.example/mug",
        "https:///mug",
        "https://shop.example/\tmug",
        "https://[::1",
        "https://shop.example/" + "a" * 2000,
        7,
    ],
)
def test_only_addresses_of_the_web_are_links(address: object) -> None:
    card = make_card(hit(link=address), CardColumns(link="link"))
    assert (card.link, card.rest) == (None, {"link": address})


def test_a_card_leads_with_picture_title_price_and_link() -> None:
    shown = hit(
        colour="red", price=1234.5, brand="Fenn", link="https://shop.example/m?a=1&b=<2>", size=None
    )
    pictures = {"p1": draw((200, 10, 20), 1)}
    columns = CardColumns(PRICE, "link")
    page = answers_page(
        [Query(text="a")], [Answer("q", [shown])], pictures, facts={}, columns=columns
    )
    order = [
        '<a href="https://shop.example/m?a=1&amp;b=&lt;2&gt;" rel="noopener noreferrer">',
        '<img alt="Mug"',
        ">Mug</span>",
        "</a>",
        "<b>1,234.50</b> Fenn",
        'class="bar"',
        "<details>",
        "score 0.900, match 80\u202f%",
        "lexical 0.500",
        "colour: red",
        "</details>",
    ]
    positions = [page.index(part) for part in order]
    assert positions == sorted(positions)
    for gone in ("price:", "brand:", "link:", "size"):
        assert gone not in page[page.index("<body>") :]


@pytest.mark.parametrize(
    ("value", "column", "shown"),
    [
        (16.2, PRICE, "16.20"),
        (16, PRICE, "16"),
        (Decimal("1299.9"), PriceColumn("price", currency="EUR"), "1,299.90 EUR"),
        (1299, PriceColumn("price", currency="USD", units=100), "12.99 USD"),
        ("a lot", PRICE, None),
    ],
)
def test_a_price_is_in_units_of_its_currency(
    value: object, column: PriceColumn, shown: str | None
) -> None:
    assert make_card(hit(price=value), CardColumns(column)).price == shown


@pytest.mark.parametrize(("sale", "shown"), [(5.0, "5.00"), (0.0, "9.00"), (None, "9.00")])
def test_a_card_shows_what_customers_pay(sale: float | None, shown: str) -> None:
    column = PriceColumn("price", reduced="sale_price")
    assert make_card(hit(price=9.0, sale_price=sale), CardColumns(column)).price == shown


def test_the_price_is_the_column_that_limits_are_of() -> None:
    assert choose_price([PriceColumn("price"), PriceColumn("old_price", "$5")]) == PRICE
    assert choose_price([PriceColumn("price"), PriceColumn("price_eur")]) is None
    assert choose_price([PriceColumn("price", "$5")]) is None


def test_a_page_says_what_it_is() -> None:
    one = answers_page([Query(text="mug")], [Answer("q")], {}, facts={})
    assert "<title>“mug”: products found · prodmatch</title>" in one
    two = answers_page([Query(text="mug")] * 2, [Answer("q")] * 2, {}, facts={})
    assert "<title>2 queries: products found · prodmatch</title>" in two


def test_a_page_of_answers_shows_pictures_bars_filter_and_generation() -> None:
    pictures = {HOSTILE: draw((200, 10, 20), 1, side=400)}
    facts = {"filter": "price < 50", "generation": 4}
    answers = [Answer("q", [hostile_hit()]), Answer("q")]
    page = answers_page([Query(text="a")] * 2, answers, pictures, facts=facts)
    widths = re.findall(r'class="(lexical|text|image)" style="width:([\d.]+)%"', page)
    assert widths == [("lexical", "50.0"), ("text", "30.0"), ("image", "10.0")]
    assert "filter price &lt; 50 · generation 4" in page
    assert "no product matches" in page
    (data,) = re.findall(r"base64,([^\"]+)", page)
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert (picture.size, picture.format) == ((192, 192), "WEBP")
    colour = np.asarray(picture.convert("RGB"), np.float64).mean(axis=(0, 1))
    np.testing.assert_allclose(colour, (200, 12, 21), atol=12)


def test_facets_group_sizes_and_boosts_are_shown() -> None:
    shown = Hit("q", 1, "p1", 1.0, 0.8, 0.5, 0.3, 0.1, 4, {}, boost=0.1, group_size=5)
    facets = {"colour": [FacetValue("red", 1200), FacetValue("blue", 7)]}
    page = answers_page([Query(text="a")], [Answer("q", [shown], facets=facets)], {}, facts={})
    assert "colour <span>red <small>1,200</small></span> <span>blue <small>7</small></span>" in page
    assert "one of 5" in page
    assert 'class="boost" style="width:10.0%"' in page
    assert "boost 0.100" in page
    assert '<span class="key boost"></span>boost' in page


def test_a_picture_stands_once_in_a_page_of_many_queries() -> None:
    pictures = {"p1": draw((200, 10, 20), 1), "p2": draw((20, 10, 200), 1)}
    answers = [Answer("a", [hit("p1"), hit("p2")]), Answer("b", [hit("p1")])]
    page = answers_page([Query("a", "x"), Query("b", "y")], answers, pictures, facts={})
    assert page.count("data:image/webp") == 2
    assert page.count('<span class="pic p0" role="img" aria-label="Mug"></span>') == 2
    assert re.findall(r"\.p0 \{ background-image: url\((data:image/webp;base64,[^)]+)\) \}", page)
    assert page.count('<img alt="Mug" loading="lazy"') == 1
    assert not Tags(page).without_text
    assert "section { content-visibility: auto" in style_of(
        page
    )  # what is not in view is not drawn


def test_a_signal_that_speaks_against_a_product_is_drawn_left_of_the_line() -> None:
    found = Hit("q", 1, "p1", 0.25, 0.1, 0.0, 0.3, -0.05, 4, {"title": "Mug"})
    page = answers_page([Query(text="a")], [Answer("q", [found])], {}, facts={})
    against, speaking = re.findall(r'<i class="(?:against|for)">(.*?)</i>', page)
    assert re.findall(r'class="(\w+)" style="width:([\d.]+)%"', speaking) == [("text", "30.0")]
    # 0.05 of the 85 % right of the line are 0.28 of the 15 % left of it.
    assert ("image", "28.3") in re.findall(r'class="(\w+)" style="width:([\d.]+)%"', against)
    assert "image \u22120.050" in page


def test_a_page_of_many_queries_names_them() -> None:
    queries = [Query("banner", "a"), Query("footer", "b")]
    page = answers_page(queries, [Answer("banner"), Answer("footer")], {}, facts={})
    assert page.index("banner") < page.index("footer")
    assert "banner" not in answers_page(queries[:1], [Answer("banner")], {}, facts={})


def test_a_page_shows_errors_and_what_was_understood() -> None:
    answers = [Answer("a", error="has <no> word"), Answer("b", [], "tee", "without red", ("why",))]
    page = answers_page([Query("a"), Query("b", "tee not red")], answers, {}, facts={})
    assert "not answered: has &lt;no&gt; word" in page
    assert "searched for “tee”" in page
    assert "understood without red" in page
    assert "<p>why</p>" in page


def test_a_page_of_an_explanation_escapes_titles(store: Path, tmp_path: Path, model: Model) -> None:
    rows = products(9)
    rows[4]["title"] = HOSTILE
    embed(write(tmp_path / "c.parquet", rows), model, store)
    index_embeddings(store)
    picture = rows[4]["image"]
    assert isinstance(picture, bytes)
    found = explain_product(open_index(store), Query(text=HOSTILE), "p0004", pictures=[picture])
    page = explanation_page(found)
    tags = Tags(page)
    assert "script" not in tags.tags
    assert "alert(1)" in page
    assert not tags.without_text
    assert "<title>Why &lt;script&gt;" in page
    assert page.count("<table") == page.count('<div class="wide"><table') == 1


def test_pictures_of_queries_are_shown_and_decoded_by_one_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[object] = []
    pool = thumbnails.IsolatedPool
    monkeypatch.setattr(
        thumbnails, "IsolatedPool", lambda *given: started.append(given) or pool(*given)
    )
    pictures = [draw((200, 10, 20), 1), b"broken", draw((20, 10, 200), 1)]
    queries = [Query(str(at), image=picture) for at, picture in enumerate(pictures)]
    page = answers_page(queries, [Answer(query.query_id) for query in queries], {}, facts={})
    first, second, third = re.findall(r"<h2>(.*?)</h2>", page, re.DOTALL)
    assert 'alt="the query&#39;s picture"' in first
    assert "a picture" in second
    assert "data:image/webp" in third
    assert first != third
    assert len(started) <= 2
