"""What stands around a search: health, counts, the description, pictures, the log."""

import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from serving import Service, serving
from small import product

from prodmatch.catalogue.reader import Catalogue
from prodmatch.search.parameters import PARAMETERS
from prodmatch.service.app import ServiceSettings


@pytest.fixture(scope="module")
def service(published: Path) -> Iterator[Service]:
    with serving(published) as started:
        yield started


def test_health_says_which_generation_answers(service: Service) -> None:
    assert service.get("/health").json == {"status": "ok", "generation": 1, "products": 60}


def test_metrics_count_requests_by_route_and_status(published: Path) -> None:
    with serving(published) as own:
        own.get("/search", q="red")
        own.get("/search", q="red", top=0)
        own.get("/nothing")
        text = own.get("/metrics").body.decode()
    lines = text.splitlines()
    assert 'prodmatch_requests_total{route="/search",status="200"} 1' in lines
    assert 'prodmatch_requests_total{route="/search",status="400"} 1' in lines
    assert 'prodmatch_requests_total{route="other",status="404"} 1' in lines
    assert 'prodmatch_request_seconds_count{route="/search"} 2' in lines
    assert 'prodmatch_request_seconds_bucket{route="/search",le="+Inf"} 2' in lines
    assert "prodmatch_generation 1" in lines
    assert "prodmatch_products 60" in lines
    assert "prodmatch_requests_in_flight 1" in lines
    sample = re.compile(r'[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+')
    assert [line for line in lines if line[0] != "#" and not sample.fullmatch(line)] == []


def test_the_description_names_every_parameter(service: Service) -> None:
    content = service.get("/openapi.json").json
    paths = content["paths"]
    assert isinstance(paths, dict)
    described = [each["name"] for each in paths["/search"]["get"]["parameters"]]
    assert described == [each.name for each in PARAMETERS]
    body = paths["/search"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    kinds = {name: each["type"] for name, each in body["properties"].items()}
    assert kinds["facets"] == ["string", "array"]
    assert kinds["boost"] == kinds["weights"] == ["string", "object"]
    assert "431" in paths["/search"]["get"]["responses"]
    assert set(paths) == {"/search", "/picture/{product_id}", "/health", "/metrics"}


def test_a_picture_of_a_product_is_small_and_made_anew(service: Service) -> None:
    reply = service.get("/picture/p0003")
    assert (reply.status, reply.headers["content-type"]) == (200, "image/webp")
    picture = Image.open(io.BytesIO(reply.body))
    original = Image.open(io.BytesIO(bytes(product(3)["image"])))  # type: ignore[call-overload]
    assert picture.size == original.size
    assert picture.getpixel((5, 5))[0] > 150  # type: ignore[index]
    for path in ("/picture/nothing", "/picture/", "/picture/..%2F..%2Fetc%2Fpasswd"):
        assert service.get(path).status == 404
    for path in ("/picture/p0003%0A", "/picture/p%0A0003"):
        assert service.get(path).error == "there is no such product, or no picture of it."


def test_a_catalogue_that_is_gone_costs_the_pictures_alone(
    published: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from prodmatch.catalogue.remembered import open_remembered

    gone = ServiceSettings(open_catalogue=lambda: open_remembered(published, Path("gone.parquet")))
    with serving(published, gone) as own:
        for _ in range(2):
            reply = own.get("/picture/p0001")
            assert (reply.status, "gone" in reply.error) == (404, False)
        assert own.get("/search", q="red").status == 200
    assert caplog.text.count("no pictures are shown") == 1


def test_every_answer_has_the_headers_that_keep_a_browser_careful(service: Service) -> None:
    for path in ("/health", "/search?q=red", "/nothing", "/picture/p0001"):
        headers = service.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "server" not in headers


@pytest.mark.parametrize("wanted", [True, False])
def test_what_is_searched_for_is_logged_only_if_that_is_wanted(
    published: Path, caplog: pytest.LogCaptureFixture, wanted: bool
) -> None:
    with (
        caplog.at_level(logging.DEBUG),
        caplog.at_level(logging.DEBUG, "prodmatch"),  # whatever a command left it at
        serving(published, ServiceSettings(access_log=wanted)) as own,
    ):
        own.get("/search", q="xylophonist")
        own.get("/search", q="xylophonist", top=0)
        own.post_json("/search", {"q": "xylophonist"})
    own_lines = [record.getMessage() for record in caplog.records if "prodmatch" in record.name]
    shown = [line for line in own_lines if "xylophonist" in line]
    assert len(shown) == (2 if wanted else 0)
    assert (
        any(re.match(r"GET /search\?q=xylophonist 200 [\d.]+ ms", line) for line in shown) == wanted
    )
    assert wanted or "xylophonist" not in caplog.text


def test_an_error_of_the_program_is_logged_without_the_query(
    published: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> Catalogue:
        raise ValueError("xylophonist")

    with serving(published, ServiceSettings(open_catalogue=fail)) as own:
        reply = own.get("/picture/p0001", q="xylophonist")
        assert (reply.status, reply.error) == (
            500,
            "this is an error of the program; its log has more.",
        )
        assert own.get("/health").status == 200
    assert "a request failed: ValueError" in caplog.text
    assert "xylophonist" not in caplog.text
