"""Clients that are slow, many or rude: each has one clear answer, and the others have theirs."""

import asyncio
import resource
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Counting
from serving import Service, serving
from starlette.types import Receive, Scope, Send

from prodmatch.service import workers
from prodmatch.service.app import ServiceSettings
from prodmatch.service.guard import MOST_BODY, MOST_TEXT, Limits, _header_bytes
from prodmatch.service.server import Server, open_socket

SEARCH = b"GET /search?q=red+shirt&top=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def service(published: Path) -> Iterator[Service]:
    with serving(published, ServiceSettings(threads=2)) as started:
        started.get("/search", q="red shirt")
        yield started


@pytest.fixture(scope="module")
def impatient(published: Path) -> Iterator[Service]:
    """A service that waits half a second."""
    limits = Limits(header_seconds=0.5, body_seconds=0.5)
    with serving(published, ServiceSettings(threads=2, limits=limits)) as started:
        yield started


def connect(service: Service) -> socket.socket:
    return socket.create_connection((service.host, service.port), timeout=60)


def read_all(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    received = bytearray()
    while piece := connection.recv(1 << 16):
        received += piece
    return bytes(received)


def send_until_answered(connection: socket.socket, piece: bytes) -> bytes:
    """What comes back to a client that sends on and on."""
    while not select.select([connection], [], [], 0.01)[0]:
        connection.sendall(piece)
    return connection.recv(1 << 16)


def status_of(reply: bytes) -> int:
    return int(reply.split()[1])


def run_together(work: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_thousand_connections_at_once_have_an_answer_each(
    service: Service, count_cases: Counting
) -> None:
    count = 1000
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 2 * count + 200:
        pytest.skip("needs more open files")
    connections = [connect(service) for _ in range(count)]
    for connection in connections:
        connection.sendall(SEARCH)
    replies = [read_all(connection) for connection in connections]
    for connection in connections:
        connection.close()
    statuses = [status_of(reply) for reply in replies]
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) >= workers.MOST_WAITING
    bodies = {reply.partition(b"\r\n\r\n")[2] for reply in replies if status_of(reply) == 503}
    assert bodies <= {b'{"error":"too many requests at once. Try again in a moment."}'}
    assert all(b"retry-after: 1" in reply for reply in replies if status_of(reply) == 503)
    assert service.get("/search", q="red").status == 200
    count_cases("connections at once", count)


def test_connections_beyond_the_most_are_refused(published: Path) -> None:
    with serving(published, ServiceSettings(limits=Limits(connections=3))) as few:
        held = [connect(few) for _ in range(3)]
        with connect(few) as one_more:
            assert b"too many connections" in read_all(one_more)
        for connection in held:
            connection.sendall(SEARCH)
            assert status_of(read_all(connection)) == 200
            connection.close()


def test_slow_headers_end_with_408_and_others_are_answered_meanwhile(impatient: Service) -> None:
    with connect(impatient) as silent, connect(impatient) as slow, connect(impatient) as dripping:
        slow.sendall(b"GET /search?q=red HTTP/1.1\r\nHost:")
        dripping.sendall(b"GET /")
        assert impatient.get("/search", q="red").status == 200
        assert status_of(send_until_answered(dripping, b"x")) == 408
        assert status_of(read_all(slow)) == 408
        assert read_all(silent) == b""


def test_a_connection_may_wait_between_requests_but_not_within_one(impatient: Service) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
    with connect(impatient) as connection:
        for _ in range(3):
            connection.sendall(request)
            reply = b""
            while not reply.endswith(b"}"):
                reply += connection.recv(1 << 16)
            assert status_of(reply) == 200
        connection.sendall(request[:10])
        assert status_of(read_all(connection)) == 408


def test_a_slow_body_ends_with_408(impatient: Service) -> None:
    with connect(impatient) as connection:
        connection.sendall(
            b"POST /search HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
        reply = read_all(connection)
    assert status_of(reply) == 408
    assert b"did not come within" in reply


def test_a_body_without_a_length_ends_at_the_limit(service: Service) -> None:
    with connect(service) as connection:
        connection.sendall(
            b"POST /search HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        chunk = f"{MOST_BODY // 64:x}\r\n".encode() + bytes(MOST_BODY // 64) + b"\r\n"
        assert status_of(send_until_answered(connection, chunk)) == 413
    assert service.get("/health").status == 200


def test_clients_that_go_away_cost_nobody_else_an_answer(service: Service) -> None:
    for _ in range(20):
        with connect(service) as connection:
            connection.sendall(SEARCH)
    assert service.get("/search", q="red").status == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * (MOST_TEXT + 1000),
        b"POST /search HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /search HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ],
)
def test_bytes_that_are_no_request_are_refused(service: Service, sent: bytes) -> None:
    with connect(service) as connection:
        connection.sendall(sent)
        reply = read_all(connection)
    assert status_of(reply) == 400
    assert b'"error"' in reply


@pytest.mark.parametrize("extra", [{"q": "a" * 70_000}, {"q": "red", "X": "a" * 70_000}])
def test_a_long_address_or_header_is_refused_though_it_comes_at_once(
    service: Service, extra: dict[str, str]
) -> None:
    headers = f"X: {extra.get('X', '')}\r\n"
    with connect(service) as connection:
        connection.sendall(
            f"GET /search?q={extra['q']} HTTP/1.1\r\nHost: a\r\n{headers}"
            "Connection: close\r\n\r\n".encode()
        )
        reply = read_all(connection)
    assert status_of(reply) in (400, 431)  # 400 where it came in pieces
    assert b'"error"' in reply


def test_the_guard_counts_address_and_headers() -> None:
    scope = {"headers": [(b"host", b"a")], "path": "/search", "query_string": b"q=red"}
    assert _header_bytes(scope) == len("hosta/searchq=red")


def test_a_long_text_in_a_body_is_refused(service: Service) -> None:
    content = {"q": "red " * (MOST_TEXT // 4)}
    assert service.post_json("/search", content).status == 200
    content["q"] += "x"
    reply = service.post_json("/search", content)
    assert (reply.status, reply.json) == (413, {"error": "`q`: is longer than 64 KiB."})


def test_requests_that_waited_too_long_are_not_begun(published: Path) -> None:
    with serving(published, ServiceSettings(limits=Limits(wait_seconds=-1.0))) as own:
        assert own.get("/search", q="red").status == 503
        assert own.get("/health").status == 200


def test_a_stop_lets_requests_end(published: Path) -> None:
    statuses: list[int] = []
    with serving(published, ServiceSettings(threads=1)) as own:
        own.get("/search", q="red")

        def search() -> None:
            statuses.append(own.get("/search", q="red shirt").status)

        threads = [threading.Thread(target=search) for _ in range(8)]
        for thread in threads:
            thread.start()
        while "running_or_waiting 8" not in own.get("/metrics").body.decode() and not statuses:
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert statuses == [200] * 8


def test_an_answer_after_a_stop_says_that_the_connection_closes() -> None:
    begun, stopped = threading.Event(), threading.Event()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            begun.set()
            await asyncio.to_thread(stopped.wait)
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

    listener = open_socket("127.0.0.1", 0)
    server = Server(answer)
    server.config.lifespan = "off"
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    with socket.create_connection(listener.getsockname()[:2]) as connection:
        thread.start()
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert begun.wait(60)
        server.should_exit = True
        while listener.fileno() != -1:  # it closes once it takes no more
            time.sleep(0.001)
        stopped.set()
        assert b"connection: close\r\n" in read_all(connection)
    thread.join()


def test_no_packet_of_an_answer_waits_for_the_one_before() -> None:
    with (
        open_socket("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()[:2]),
    ):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
