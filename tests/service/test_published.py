"""A service follows what is published, and answers each request from one generation."""

import itertools
import shutil
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from conftest import Counting
from serving import Service, serving
from small import draw, embed, products, write

from prodmatch.index import index_embeddings
from prodmatch.model.description import Model
from prodmatch.service.app import ServiceSettings
from prodmatch.service.guard import Limits
from prodmatch.service.published import Published
from prodmatch.storage.garbage import collect_garbage

REQUESTS, CLIENTS, GENERATIONS = 200, 4, 3
QUERIES = ("red shirt", "green lamp", "blue boot", "mug number 7")
SOON = Limits(reload_seconds=0.01)


def test_a_store_without_a_generation_is_waited_for(
    store: Path, tmp_path: Path, model: Model
) -> None:
    with serving(store, ServiceSettings(limits=SOON)) as service:
        for path in ("/search?q=red", "/picture/p0001"):
            reply = service.get(path)
            assert (reply.status, reply.error) == (503, "nothing is published yet.")
        assert service.get("/health").status == 503
        embed(write(tmp_path / "catalogue.parquet", products(9)), model, store)
        index_embeddings(store)
        while service.get("/health").status == 503:
            pass
        assert service.get("/health").json == {"status": "ok", "generation": 1, "products": 9}
        assert service.get("/search", q="red shirt").status == 200


def test_no_request_is_dropped_or_mixed_while_generations_are_published(
    store: Path,
    tmp_path: Path,
    model: Model,
    count_cases: Counting,
) -> None:
    catalogues = [
        write(tmp_path / "odd.parquet", products(60)[20:]),
        write(tmp_path / "even.parquet", products(40)),
    ]
    embed(catalogues[0], model, store)
    index_embeddings(store)
    replies: list[tuple[int, dict[str, object]]] = []
    ended = threading.Event()

    def search(service: Service) -> None:
        numbers: set[object] = set()
        for text in itertools.cycle(QUERIES):
            if len(replies) >= REQUESTS and len(numbers) >= GENERATIONS:
                return
            reply = service.get("/search", q=text, top=60)
            replies.append((reply.status, reply.json))
            numbers.add(reply.json.get("generation"))

    def publish() -> None:
        while not ended.is_set():
            for catalogue in (catalogues[1], catalogues[0]):
                embed(catalogue, model, store)
                index_embeddings(store)

    with serving(store, ServiceSettings(threads=2, limits=SOON)) as service:
        publisher = threading.Thread(target=publish)
        publisher.start()
        clients = [threading.Thread(target=search, args=[service]) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        ended.set()
        publisher.join()
    assert {status for status, _ in replies} == {200}
    published = {
        number % 2: {row["product_id"] for row in pq.read_table(catalogue).to_pylist()}
        for number, catalogue in enumerate(catalogues, start=1)
    }
    for _, content in replies:
        number, found = content["generation"], content["hits"]
        assert isinstance(number, int)
        assert isinstance(found, list)
        assert {hit["generation"] for hit in found} == {number}
        assert {hit["product_id"] for hit in found} <= published[number % 2]
    count_cases("requests while generations are published", len(replies))


def test_what_is_open_answers_while_gc_follows_a_newer_generation(
    store: Path, tmp_path: Path, model: Model
) -> None:
    embed(write(tmp_path / "catalogue.parquet", products(9)), model, store)
    index_embeddings(store)
    with serving(store, ServiceSettings(limits=Limits(reload_seconds=600))) as service:
        index_embeddings(store)
        collect_garbage(store, keep=1, seconds=0, reader_seconds=0)
        reply = service.get("/search", q="red shirt", filter="price > 0")
        assert (reply.status, reply.json["generation"]) == (200, 1)


def test_where_the_open_generation_was_removed_the_newer_one_answers(
    store: Path, tmp_path: Path, model: Model
) -> None:
    embed(write(tmp_path / "catalogue.parquet", products(9)), model, store)
    index_embeddings(store)
    with serving(store, ServiceSettings(limits=Limits(reload_seconds=600))) as service:
        index_embeddings(store)
        shutil.rmtree(store / "index" / "000001")
        replies = [
            service.get("/search", q="red shirt", filter="price > 0"),
            service.post_form("/search", {"filter": "price > 0"}, draw((210, 20, 30), 50)),
        ]
        assert [(reply.status, reply.json["generation"]) for reply in replies] == [(200, 2)] * 2
        assert service.get("/", q="red shirt", filter="price > 0").status == 200


def test_a_store_that_goes_is_waited_for(
    store: Path, tmp_path: Path, model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    embed(write(tmp_path / "catalogue.parquet", products(9)), model, store)
    index_embeddings(store)
    with serving(store, ServiceSettings(limits=SOON)) as service:
        store.rename(tmp_path / "taken")
        while (health := service.get("/health")).status == 200:
            pass
        assert health.status == 503
        assert health.json["status"] == "the files of the index are gone"
        for path in ("/search?q=red&filter=price+%3E+0", "/search?q=red", "/?q=red"):
            reply = service.get(path)
            assert (reply.status, reply.headers["retry-after"]) == (503, "5"), path
            assert b"are gone" in reply.body
        metrics = service.get("/metrics")
        assert (metrics.status, b"generation_gone 1" in metrics.body) == (200, True)
        (tmp_path / "taken").rename(store)
        while service.get("/health").status == 503:
            pass
        assert service.get("/search", q="red", filter="price > 0").status == 200
    assert caplog.text.count("is gone") == 1


def test_pictures_are_read_anew_where_a_store_is_back(
    store: Path, tmp_path: Path, model: Model
) -> None:
    embed(write(tmp_path / "catalogue.parquet", products(9)), model, store)
    index_embeddings(store)
    published = Published(store)
    assert not published.refresh()
    store.rename(tmp_path / "taken")
    assert (published.refresh(), published.gone) == (False, True)
    (tmp_path / "taken").rename(store)
    assert [published.refresh(), published.gone, published.refresh()] == [True, False, False]
    published.close()


def test_a_generation_that_cannot_be_opened_leaves_the_old_one(
    store: Path, tmp_path: Path, model: Model
) -> None:
    embed(write(tmp_path / "catalogue.parquet", products(9)), model, store)
    index_embeddings(store)
    with serving(store, ServiceSettings(limits=SOON)) as service:
        index_embeddings(store)
        while service.get("/health").json["generation"] == 1:
            pass
        (store / "index" / "CURRENT").write_text("nothing")
        while "warning" not in (health := service.get("/health").json):
            pass
        assert health["generation"] == 2
        assert str(tmp_path) not in str(health)
        assert service.get("/search", q="red shirt").json["generation"] == 2
        assert "newest_generation_failed 1" in service.get("/metrics").body.decode()
