"""A service in a thread, and requests to it over real sockets."""

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from prodmatch.service.app import ServiceSettings, make_app
from prodmatch.service.server import Server, open_socket

BOUNDARY = "picture-and-text"


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        content: dict[str, object] = json.loads(self.body)
        return content

    @property
    def error(self) -> str:
        """The message of a refusal, which has nothing else."""
        (name,) = self.json
        assert name == "error"
        return str(self.json["error"])


@dataclass(frozen=True)
class Service:
    """A service that listens."""

    host: str
    port: int

    def get(self, path: str, **parameters: object) -> Reply:
        """The reply to a GET."""
        address = f"{path}?{urlencode(parameters, doseq=True)}" if parameters else path
        return self.request("GET", address)

    def post_json(self, path: str, content: object) -> Reply:
        """The reply to a POST of JSON."""
        headers = {"Content-Type": "application/json"}
        return self.request("POST", path, json.dumps(content).encode(), headers)

    def post_form(
        self, path: str, fields: Mapping[str, str], picture: bytes | None = None
    ) -> Reply:
        """The reply to a form, as browsers send it."""
        kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        return self.request("POST", path, form(fields, picture), kind)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """The reply to a request over a connection of its own."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, names, response.read())
        finally:
            connection.close()


def form(fields: Mapping[str, str], picture: bytes | None = None) -> bytes:
    """A multipart form; the picture is its field `image`."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    if picture is not None:
        head = 'Content-Disposition: form-data; name="image"; filename="a.png"'
        parts.append(f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + picture + b"\r\n")
    return b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])


@contextmanager
def serving(store: Path, settings: ServiceSettings | None = None) -> Iterator[Service]:
    """A service over a store, until the block ends."""
    listener = open_socket("127.0.0.1", 0)
    listens = threading.Event()
    settings = settings or ServiceSettings()
    server = Server(make_app(store, settings), settings.limits, on_start=listens.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        assert listens.wait(60)
        yield Service(*listener.getsockname()[:2])
    finally:
        server.should_exit = True
        thread.join(60)
        listener.close()
        assert not thread.is_alive()
