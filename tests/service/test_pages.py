"""The pages for people: what they show, where their links and buttons lead, and what they load."""

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Reply, Service, serving
from small import COLOURS, draw

from prodmatch import Query, SearchOptions, open_index
from prodmatch.search.parameters import PARAMETERS
from prodmatch.service import pages

PICTURE = draw(COLOURS["blue"], 3, side=90)


@pytest.fixture(scope="module")
def service(published: Path) -> Iterator[Service]:
    with serving(published) as started:
        yield started


def shown(page: Reply) -> list[str]:
    """The titles of the hits."""
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    return re.findall(r'<div class="name">(.*?)</div>', page.body.decode())


def titles(store: Path, query: Query, options: SearchOptions) -> list[str]:
    with open_index(store) as index:
        (answer,) = index.answer([query], options)
    return [str(hit.metadata["title"]) for hit in answer.hits]


def link(page: Reply, label: str) -> str:
    """Where the link of a label leads."""
    (found,) = re.findall(rf'<a class="chip[^"]*" href="([^"]*)">{label}\b', page.body.decode())
    return html.unescape(found)


def button(page: Reply, label: str) -> str:
    """What the button of a label sends."""
    (found,) = re.findall(rf'name="go" value="([^"]*)">{label}\b', page.body.decode())
    return html.unescape(found)


def kept_picture(page: Reply) -> str:
    (found,) = re.findall(r'name="last_image" value="([^"]*)"', page.body.decode())
    return found


def test_the_first_page_is_a_form_alone(service: Service) -> None:
    page = service.get("/")
    assert shown(page) == []
    assert 'name="q"' in page.body.decode()
    assert 'type="file"' in page.body.decode()


def test_hits_facets_and_pages_are_those_of_the_library(service: Service, published: Path) -> None:
    first = service.get("/", q="shirt to try")
    query = Query(text="shirt to try")
    assert shown(first) == titles(published, query, SearchOptions(top=24))
    red = service.get(link(first, "red"))
    chosen = titles(published, query, SearchOptions("colour = 'red'", 24))
    assert shown(red) == chosen
    assert "✓ red" in red.body.decode()
    assert shown(service.get(link(red, "✓ red"))) == shown(first)
    assert shown(service.get(link(first, "More"))) == titles(
        published, query, SearchOptions(top=24, offset=24)
    )
    both = service.get("/", q="shirt", pick=["colour=red", "colour=blue"], filter="price < 20")
    expected = SearchOptions("price < 20 AND colour <> 'green'", 24)
    assert shown(both) == titles(published, Query(text="shirt"), expected)


def test_products_like_another_are_named_so(service: Service, published: Path) -> None:
    with open_index(published) as index:
        hit = index.search("shirt", top=1)[0]
    text = service.get("/", id=hit.product_id).body.decode()
    assert f"Products like {hit.product_id}, 1 to 24" in text
    assert "the words" not in text


def test_a_card_has_the_price_and_the_page_the_number_of_products_that_match(
    service: Service, published: Path
) -> None:
    text = service.get("/", q="red shirt not blue").body.decode()
    with open_index(published) as index:
        found = index.search("red shirt not blue", top=24, facets=["colour"])
    assert re.findall(r"<b>(.*?)</b>", text) == [f"{hit.metadata['price']:.2f}" for hit in found]
    assert "price" not in text[text.index('<ol class="hits"') :]
    assert f"Products 1 to 24, best first; {found.match_count} of all contain the words" in text
    assert 0 < (found.match_count or 0) < 60
    shown = re.findall(r'class="chip"[^>]*>(\w+) <small>(\d+)', text)
    assert shown == [(each.value, str(each.count)) for each in found.facets["colour"]]


def test_an_upload_is_kept_for_facets_and_pages(service: Service, published: Path) -> None:
    first = service.post_form("/", {"q": "shirt"}, PICTURE)
    query = Query(text="shirt", image=PICTURE)
    assert shown(first) == titles(published, query, SearchOptions(top=24))
    fields = {"last_image": kept_picture(first), "go": button(first, "red")}
    red = service.post_form("/", fields)
    assert shown(red) == titles(published, query, SearchOptions("colour = 'red'", 24))
    later = service.post_form("/", {**fields, "go": button(first, "More")})
    assert shown(later) == titles(published, query, SearchOptions(top=24, offset=24))
    alone = service.post_form("/", {"q": ""}, PICTURE)
    assert shown(alone) == titles(published, Query(image=PICTURE), SearchOptions(top=24))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"q": "red", "filter": "pric < 3"}, "no such column: pric"),
        ({"q": "?!"}, "has no word in it"),
        ({"id": "<script>"}, "the index has no product of this id"),
        ({"q": "red", "pick": "brand=x"}, "there is no such column"),
        ({"q": "red", "offset": "x"}, "Give a whole number"),
    ],
)
def test_a_page_says_what_cannot_be_used(
    service: Service, parameters: dict[str, object], message: str
) -> None:
    page = service.get("/", **parameters)
    text = page.body.decode()
    assert page.status == 400
    assert 'class="error" role="alert">' in text
    assert message in text
    assert "<script>" not in text


def test_a_picture_that_cannot_be_used_is_said_on_the_page(service: Service) -> None:
    page = service.post_form("/", {"q": "red"}, b"hello")
    assert (page.status, b"the picture cannot be used" in page.body) == (422, True)


def test_pages_load_nothing_from_elsewhere_and_run_nothing(service: Service) -> None:
    for path in ("/", "/?q=red", "/docs", "/style.css"):
        reply = service.get(path)
        text = reply.body.decode()
        assert reply.status == 200
        assert "://" not in text
        assert text.count("<main>") == (not path.endswith(".css"))
        assert not re.search(r"<script|<style|\son[a-z]+=|\sstyle=|@import|url\(", text)
        assert "script-src" not in reply.headers["content-security-policy"]
    images = re.findall(r"<img [^>]*>", service.get("/", q="red").body.decode())
    assert images
    assert all(re.search(r' alt="[^"]+"', image) for image in images)


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_contrast_in_both_schemes(scheme: str) -> None:
    found = re.findall(r"--([a-z]+): (#[0-9a-f]+)", pages.style())
    half = len(found) // 2
    colours = dict(found[:half] if scheme == "light" else found[half:])
    assert {"ink", "soft", "link", "bad", "paper", "panel"} <= set(colours)
    for name in ("ink", "soft", "link", "bad"):
        for ground in ("paper", "panel"):
            one, other = sorted(luminance(colours[each]) for each in (name, ground))
            assert (other + 0.05) / (one + 0.05) >= 4.5, (name, ground)


def test_the_page_for_programs_names_every_parameter(service: Service) -> None:
    text = service.get("/docs").body.decode()
    for parameter in PARAMETERS:
        assert f"<code>{parameter.name}</code>" in text


def test_facets_are_columns_of_few_values(published: Path) -> None:
    with open_index(published) as index:
        assert pages.choose_facets(index.searcher.products) == ("colour",)
