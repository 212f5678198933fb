"""`/search`: the answers of the library, whichever way a request is written."""

import base64
import gzip
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import BOUNDARY, Reply, Service, form, serving
from small import COLOURS, draw

from prodmatch import Query, SearchOptions, open_index
from prodmatch.search.answers.hits import hit_fields
from prodmatch.service.app import ServiceSettings
from prodmatch.service.guard import MOST_BODY

PICTURE = draw(COLOURS["blue"], 3, side=90)


@pytest.fixture(scope="module")
def service(published: Path) -> Iterator[Service]:
    with serving(published, ServiceSettings(threads=2)) as started:
        yield started


def hits(store: Path, query: Query, options: SearchOptions) -> list[dict[str, object]]:
    """The hits of the library, as JSON has them."""
    with open_index(store) as index:
        (answer,) = index.answer([query], options)
    assert answer.error is None
    return [hit_fields(hit) for hit in answer.hits]


def test_a_search_gives_the_hits_and_facets_of_the_library(
    service: Service, published: Path
) -> None:
    options = SearchOptions(
        "price < 40",
        3,
        {"lexical": 0.5, "text": 0.2, "image": 0.3},
        exact=True,
        min_probability=0.01,
        offset=1,
        one_per="colour",
        diverse=0.2,
        boost={"price": 0.1},
        facets=["colour"],
    )
    parameters = {
        "q": "shirt to try",
        "filter": "price < 40",
        "top": 3,
        "weights": "lexical=0.5,text=0.2,image=0.3",
        "exact": "true",
        "min_probability": 0.01,
        "offset": 1,
        "one_per": "colour",
        "diverse": 0.2,
        "boost": "price=0.1",
        "facets": "colour",
    }
    reply = service.get("/search", **parameters)
    assert reply.status == 200
    expected = hits(published, Query(text="shirt to try"), options)
    assert reply.json["hits"] == expected
    assert expected
    facets = reply.json["facets"]
    assert isinstance(facets, dict)
    assert [(each["value"], each["count"]) for each in facets["colour"]] == [
        *(("red", 14), ("blue", 13), ("green", 13)),
    ]
    assert reply.json["generation"] == 1
    typed = {**parameters, "weights": options.weights, "boost": {"price": 0.1}, "exact": True}
    other = service.post_json("/search", {**typed, "facets": ["colour"]})
    assert other.json["hits"] == expected
    assert other.json["facets"] == facets
    by_form = service.post_form("/search", {name: str(value) for name, value in parameters.items()})
    assert by_form.json["hits"] == expected


def test_an_upload_gives_what_the_picture_gives_the_library(
    service: Service, published: Path
) -> None:
    for text in (None, "red shirt"):
        expected = hits(published, Query(text=text, image=PICTURE), SearchOptions(top=5))
        fields = {"top": "5", **({} if text is None else {"q": text})}
        reply = service.post_form("/search", fields, PICTURE)
        assert (reply.status, reply.json["hits"]) == (200, expected)
        encoded = base64.b64encode(PICTURE).decode()
        for image in (encoded, f"data:image/png;base64,{encoded}"):
            reply = service.post_json("/search", {**fields, "image": image})
            assert (reply.status, reply.json["hits"]) == (200, expected)


def test_an_id_finds_products_like_it(service: Service, published: Path) -> None:
    expected = hits(published, Query(product_id="p0007"), SearchOptions())
    assert service.get("/search", id="p0007").json["hits"] == expected


def test_an_answer_says_what_was_searched_for(service: Service) -> None:
    found = service.get("/search", q="red shrit under 30").json
    assert found["searched_for"] == "red shirt"
    assert found["understood"] == "price < 30"
    nothing = service.get("/search", q="shirt", filter="colour = 'rad'").json
    assert nothing["hits"] == []
    assert nothing["hints"] == ["no product has colour = 'rad'"]


def test_an_address_that_is_not_utf_8_is_refused(service: Service) -> None:
    reply = service.get("/search?q=caf%e9+mug")
    assert (reply.status, reply.error) == (400, "the address is not in UTF-8.")
    assert service.get("/search?q=caf%C3%A9+mug").status == 200


@pytest.mark.parametrize("product_id", ["größe 9", "gr%C3%B6%C3%9Fe+9"])
def test_a_form_of_texts_is_in_utf_8_escaped_or_not(service: Service, product_id: str) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = service.request("POST", "/search", f"id={product_id}&top=2".encode(), kind)
    assert reply.error.startswith("`id=größe 9`: the index has no product of this id.")


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"q=gr%F6%DFe", 400, "the form is not in UTF-8."),
        ("q=größe".encode("latin-1"), 400, "the form is not in UTF-8."),
        (b"q=red" + b"&top=1" * 100, 400, "the form has more than 100 fields."),
        (b"q=" + b"%41" * (1 << 20), 413, "as multipart/form-data."),
    ],
)
def test_a_form_of_texts_that_cannot_be_used_is_refused(
    service: Service, body: bytes, status: int, error: str
) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = service.request("POST", "/search", body, kind)
    assert (reply.status, reply.error[-len(error) :]) == (status, error)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "has neither text nor picture nor id"),
        ({"q": "red", "top": 0}, "`top=0`: must be from 1 to 10000."),
        ({"q": "red", "top": "ten"}, "`top=ten`: is not understood. Give a whole number."),
        ({"q": "red", "offset": -1}, "`offset=-1`: must be from 0"),
        ({"q": "red", "fliter": "a"}, "there is no such parameter; did you mean filter?"),
        ({"q": "red", "filter": "pric < 3"}, "`filter` 'pric < 3': no such column: pric"),
        ({"q": "red", "facets": "colur"}, "`facets`: there is no column 'colur'; did you mean"),
        ({"q": "red", "one_per": "brand"}, "`one_per`: there is no column 'brand'"),
        ({"q": "red", "boost": "title=1"}, "`boost`: the column 'title' holds text"),
        (
            {"q": "red", "boost": "price"},
            "`boost`: 'price' is not of the form NAME=VALUE.",
        ),
        ({"q": "red", "diverse": 2}, "`diverse=2`: must be 0 to 1."),
        ({"q": "red", "min_probability": "nan"}, "`min_probability=nan`: must be 0 to 1."),
        ({"q": "red", "weights": "words=1"}, "`weights`: words is no signal"),
        ({"q": "red", "exact": "perhaps"}, "`exact=perhaps`: is not understood"),
        ({"q": "red", "boost": "price=x"}, "`boost=price=x`: is not understood. Give a number."),
        ({"q": "red", "boost": "price=.1,price=.2"}, "`boost`: 'price' is given twice."),
        ({"q": "red", "top": "1_0"}, "`top=1_0`: is not understood. Give a whole number."),
        ({"q": "red", "diverse": "0_1"}, "`diverse=0_1`: is not understood. Give a number."),
        (
            {"q": "red", "where": "price < 9"},
            "'where': there is no such parameter; did you mean fil",
        ),
        ({"q": ["red", "blue"]}, "`q`: is given twice."),
        ({"id": "nothing"}, "`id=nothing`: the index has no product of this id."),
        ({"id": "p0001", "q": "red"}, "give an id, or text and picture, not both"),
    ],
)
def test_what_cannot_be_used_is_one_clear_message(
    service: Service, published: Path, parameters: dict[str, object], message: str
) -> None:
    reply = service.get("/search", **parameters)
    assert reply.status == 400
    assert message in reply.error
    assert str(published) not in reply.error
    assert "Traceback" not in reply.error


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"q": "red", "q": "blue"}', "`q`: is given twice."),
        (
            '{"q": "red", "boost": {"price": 1, "price": 2}}',
            "`boost`: a name in it is given",
        ),
        ('{"q": "red", "diverse": NaN}', "`diverse=nan`: must be 0 to 1."),
        ('{"q": "red", "boost": {"price": true}}', "`boost=price=True`: is not understood."),
        ('{"q": "red", "top": 1.5}', "`top=1.5`: is not understood. Give a whole number."),
        ('{"q": {"a": 1}}', "`q={'a': 1}`: is not understood. Give text."),
    ],
)
def test_json_that_says_two_things_or_none_is_refused(
    service: Service, body: str, message: str
) -> None:
    reply = service.request("POST", "/search", body.encode(), {"Content-Type": "application/json"})
    assert (reply.status, message in reply.error) == (400, True), reply.error


def test_bodies_that_cannot_be_read_are_refused(service: Service) -> None:
    def post(body: bytes, kind: str) -> Reply:
        return service.request("POST", "/search", body, {"Content-Type": kind})

    for body in (b"{", b"[1]", b"[" * 100_000):
        assert post(body, "application/json").status == 400
    latin = post('{"q": "größe"}'.encode("latin-1"), "application/json")
    assert (latin.status, latin.error) == (400, "the body is not in UTF-8.")
    flood = post(b'{"q": [' + b"[]," * 100_001 + b"[]]}", "application/json")
    assert (flood.status, flood.error) == (413, "the body has more than 100000 commas.")
    assert post(b"<a/>", "text/xml").status == 415
    assert post(b"--x", "multipart/form-data").status == 400
    assert "no picture" in service.post_json("/search", {"image": "/etc/passwd"}).error
    assert "no picture" in service.post_json("/search", {"image": {"path": "a.png"}}).error


def test_a_compressed_body_is_refused(service: Service) -> None:
    kind = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    reply = service.request("POST", "/search", gzip.compress(b'{"q": "red"}'), kind)
    assert (reply.status, reply.error) == (415, "the body is compressed; send it as it is.")


def test_an_upload_of_an_empty_file_is_no_search_without_a_picture(service: Service) -> None:
    reply = service.post_form("/search", {"q": "red"}, b"")
    assert (reply.status, reply.error) == (400, "`image`: the file is empty.")
    unchosen = form({"q": "red"}, b"").replace(b'filename="a.png"', b'filename=""')
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    assert service.request("POST", "/search", unchosen, kind).status == 200


def test_pictures_that_cannot_be_used_are_refused(service: Service) -> None:
    assert service.post_form("/search", {}, b"hello").status == 422
    assert "text: " in service.post_form("/search", {}, b"hello").error
    torn = service.post_form("/search", {}, PICTURE[: len(PICTURE) // 2])
    assert (torn.status, "broken" in torn.error) == (422, True)


def test_an_upload_is_written_to_no_file(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    rolled: list[object] = []
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", rolled.append)
    large = draw(COLOURS["red"], 1, side=1000)
    assert len(large) > 2 << 20
    assert service.post_form("/search", {}, large).status == 200
    assert rolled == []


def test_a_picture_of_30_mb_is_one_clear_answer(service: Service) -> None:
    large = b"\x89PNG" + bytes(30 << 20)
    reply = service.post_form("/search", {}, large)
    assert (reply.status, reply.error) == (413, "the picture is larger than 20 MiB.")
    for reply in (
        service.post_form("/search", {}, bytes(MOST_BODY)),
        service.post_json("/search", {"image": base64.b64encode(large).decode()}),
    ):
        assert reply.status == 413
        assert reply.error == "the body is larger than 40 MiB; a picture may have 20 MiB."
    assert service.get("/health").status == 200


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"--other\r\n\r\nred", "the form cannot be read: Invalid multipart data."),
        (form({"q": "red"}, PICTURE)[:-200], "the form is cut off: its last boundary is missing."),
        (form({"q": "red"})[:-10], "the form is cut off: its last boundary is missing."),
    ],
)
def test_a_form_that_is_none_or_cut_off_is_one_clear_answer(
    service: Service, caplog: pytest.LogCaptureFixture, body: bytes, error: str
) -> None:
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    reply = service.request("POST", "/search", body, kind)
    assert (reply.status, reply.error) == (400, error)
    assert not [line for line in caplog.records if line.levelname == "WARNING"]


def test_other_routes_and_methods_are_refused_in_json(service: Service) -> None:
    for path in ("/nothing", "/search/"):  # a redirect would name http where a proxy has TLS
        assert service.get(path).error == "there is no such route."
    assert service.request("PUT", "/search").status == 405
