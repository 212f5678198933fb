"""A server that takes connections and says nothing ends a run soon, with one clear message."""

import socket
from collections.abc import Iterator

import pytest

from prodmatch.errors import RemoteError
from prodmatch.storage.places import remote
from prodmatch.storage.places.remote import open_remote


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A server that answers nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        server.settimeout(0.5)
        yield server


@pytest.fixture
def silent(server: socket.socket, monkeypatch: pytest.MonkeyPatch) -> str:
    """Options of an address that lead to it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "word")
    return f"endpoint_override=127.0.0.1:{server.getsockname()[1]}&scheme=http&region=here"


def count_connections(server: socket.socket) -> int:
    """How often somebody has connected."""
    count = 0
    while True:
        try:
            server.accept()[0].close()
        except TimeoutError:
            return count
        count += 1


def test_a_silent_server_is_given_up_and_named(silent: str, server: socket.socket) -> None:
    with pytest.raises(RemoteError) as raised:
        open_remote(f"s3://bucket/shop?{silent}", silent_seconds=1).list_files()
    assert count_connections(server) == remote.ATTEMPTS
    message = str(raised.value)
    assert message.startswith("s3://bucket/shop: cannot be used (")
    assert message.endswith(
        "The server says nothing. Check `endpoint_override` of the address, and the server."
    )


def test_a_file_system_with_limits_keeps_the_options_of_the_address(silent: str) -> None:
    folder = open_remote(f"s3://bucket/shop?{silent}&allow_bucket_creation=true")
    (options,) = folder.system.__reduce__()[1]
    kept = {name: options[name] for name in ("region", "scheme", "allow_bucket_creation")}
    assert kept == {"region": "here", "scheme": "http", "allow_bucket_creation": True}
    assert options["endpoint_override"] in silent
    limits = (options["connect_timeout"], options["request_timeout"])
    assert limits == (remote.CONNECT_SECONDS, remote.SILENT_SECONDS)
