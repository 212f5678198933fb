"""A server for the application: uvicorn, with limits for clients that send slowly or too much."""

import asyncio
import json
import logging
import signal
import socket
from collections.abc import Callable
from http import HTTPStatus
from types import FrameType
from typing import ClassVar

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from prodmatch.errors import StoreError
from prodmatch.service.guard import MOST_TEXT, Limits

KEEP_ALIVE_SECONDS = 5  # between two requests
STOP_SECONDS = 7  # for requests under way, after a signal
BACKLOG = 2048  # connections that the system holds until they are taken

logger = logging.getLogger(__name__)


class Connection(H11Protocol):
    """A connection that is closed when a request does not come within a time."""

    limits: ClassVar[Limits]
    _deadline: asyncio.TimerHandle | None = None
    _begun = False  # whether a part of a request has come that is not answered

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a connection, or refuses it where there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._refuse(503, "too many connections. Try again in a moment.")
            return
        self._set_deadline()

    def data_received(self, data: bytes) -> None:
        """Takes bytes of a request."""
        self._begun = True
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._unset_deadline()  # from here on the application limits the time
        elif self._deadline is None and not self.transport.is_closing():
            self._set_deadline()

    def on_response_complete(self) -> None:
        """Waits for the next request."""
        self._begun = False
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Puts a connection away."""
        self._unset_deadline()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Closes the connection, where an answer is under way after that, which says so.

        Else its client sends another request, which is lost.
        """
        if self.cycle is not None:
            self.cycle.default_headers = [*self.cycle.default_headers, (b"connection", b"close")]
        super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Refuses bytes that are no HTTP."""
        self._refuse(400, "this is no HTTP request, or its header is too long.")

    def _set_deadline(self) -> None:
        self._deadline = self.loop.call_later(self.limits.header_seconds, self._end_slow)

    def _unset_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end_slow(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        if self._begun and (self.cycle is None or self.cycle.response_complete):
            seconds = self.limits.header_seconds
            self._refuse(408, f"the request did not come within {seconds:.0f} seconds.")
        else:
            self.transport.close()

    def _refuse(self, status: int, message: str) -> None:
        """Answers without the application, and closes the connection."""
        body = json.dumps({"error": message}).encode()
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


class Server(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits | None = None,
        *,
        on_start: Callable[[], None] | None = None,
    ) -> None:
        config = uvicorn.Config(
            app,
            http=type("Connection", (Connection,), {"limits": limits or Limits()}),
            loop="asyncio",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
            h11_max_incomplete_event_size=MOST_TEXT,
            backlog=BACKLOG,
        )
        super().__init__(config)
        self._on_start = on_start
        for name in ("uvicorn.error", "python_multipart"):  # strangers cause the warnings
            logging.getLogger(name).setLevel(logging.ERROR)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to listen."""
        await super().startup(sockets)
        if self._on_start is not None and not self.should_exit:
            self._on_start()


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that listens at an address; port 0 is any that is free.

    Raises:
        StoreError: it cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
        # For the connections that it accepts: asyncio sets it where the protocol is stated alone,
        # and the second packet of an answer would wait 40 ms for the first to be acknowledged.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StoreError(
            f"`host={host}`, `port={port}`: cannot listen there ({reason}). Give another `port`."
        ) from error


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Answers until SIGINT or SIGTERM; requests under way are answered first."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host

    def say() -> None:
        logger.info("listening on http://%s:%d", shown, port)

    server = Server(app, on_start=say)

    def stop(number: int, frame: FrameType | None) -> None:
        """Ends the server where it has not begun; uvicorn raises again what it caught itself."""
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    server.run(sockets=[listener])
    logger.info("stopped")
