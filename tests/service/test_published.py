"""A service follows what is published, and answers each request from one generation."""

import itertools
import threading
from pathlib import Path

import pyarrow.parquet as pq
from conftest import Counting
from serving import Service, serving
from small import embed, products, write

from prodmatch.index import index_embeddings
from prodmatch.model.description import Model
from prodmatch.service.app import ServiceSettings
from prodmatch.service.guard import Limits

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
