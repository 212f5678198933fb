"""What stands before every route: limits of size and time, counts, headers, and a last answer."""

import asyncio
import logging
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from prodmatch.catalogue.pictures.images import MOST_BYTES
from prodmatch.service.metrics import Metrics

MOST_BODY = 2 * MOST_BYTES  # a picture in JSON is a third longer; parameters are small
MOST_TEXT = 64 << 10  # bytes of address and headers, and of a parameter in a body
PICTURE = f"{MOST_BYTES >> 20} MiB"
MOST_DISCARDED = 64 << 20  # of a body that is too large, so that its client reads the refusal
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"content-security-policy",
        b"default-src 'none'; img-src 'self' data:; style-src 'self'; form-action 'self'; "
        b"base-uri 'none'; frame-ancestors 'none'",
    ),
)

TOO_LONG = JSONResponse(
    {"error": f"address and headers are larger than {MOST_TEXT >> 10} KiB."}, 431
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """How many and how slow clients may be."""

    connections: int = 2000
    header_seconds: float = 10.0  # for the first byte of a request, and from it to its header's end
    body_seconds: float = 30.0  # for a whole body
    send_seconds: float = 30.0  # that a client may leave a piece of an answer unread
    wait_seconds: float = 10.0  # that a request may wait for a thread
    reload_seconds: float = 1.0  # between looks at what is published


class Guard:
    """An application around another one."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        routes: Mapping[object, str],
        limits: Limits,
        *,
        access_log: bool,
    ) -> None:
        """Sets it up.

        Args:
            routes: names of routes, by what answers them.
            access_log: whether each request is logged, with what it searched for.
        """
        self._app = app
        self._metrics = metrics
        self._routes = routes
        self._limits = limits
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, sent = time.monotonic(), _Sent(send, self._limits.send_seconds)
        self._metrics.in_flight += 1
        try:
            await self._answer(scope, _Body(scope, receive, self._limits.body_seconds), sent)
        finally:
            self._metrics.in_flight -= 1
            seconds = time.monotonic() - begun
            route = self._routes.get(scope.get("endpoint"), "other")
            self._metrics.count(route, sent.status, seconds)
            if self._access_log:
                _log(scope, sent.status, seconds)

    async def _answer(self, scope: Scope, body: "_Body", sent: "_Sent") -> None:
        answer = self._app if _header_bytes(scope) <= MOST_TEXT else TOO_LONG
        try:
            await answer(scope, body.receive, sent.send)
        except TimeoutError:  # the client does not read; the server closes what is left open
            logger.debug("a client left its answer unread")
        except Exception as error:  # noqa: BLE001  # a bug: without the query in the log
            place = "".join(traceback.format_tb(error.__traceback__))
            logger.error(
                "a request failed: %s; the log as JSON says where",
                type(error).__name__,
                extra={"traceback": place},
            )


@dataclass
class _Sent:
    """The answer on its way, with headers that every answer has."""

    forward: Send
    seconds: float  # that the client may leave a piece unread
    status: int = 0  # 0 until it begins

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            message["headers"] = [*message.get("headers", ()), *HEADERS]
        async with asyncio.timeout(self.seconds):
            await self.forward(message)


class _Body:
    """The body of a request, up to a size and within a time."""

    def __init__(self, scope: Scope, receive: Receive, seconds: float) -> None:
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        self._announced = int(length) if length.isdigit() and len(length) < 20 else 0
        self._receive = receive
        self._received = 0
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._complete = False

    async def receive(self) -> Message:
        """The next piece of it.

        Raises:
            HTTPException: 413, it is too large; 408, it comes too slowly.
        """
        if self._complete:  # what comes now is that the client is gone
            return await self._receive()
        if self._announced > MOST_BODY:
            raise self._too_large()
        try:
            async with asyncio.timeout(max(0.0, self._deadline - time.monotonic())):
                message = await self._receive()
        except TimeoutError as error:
            text = f"the body did not come within {self._seconds:.0f} seconds."
            raise HTTPException(408, text, {"Connection": "close"}) from error
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
            if self._received > MOST_BODY:
                raise self._too_large()
        return message

    def _too_large(self) -> HTTPException:
        """A refusal; the server reads on what was announced, and then the client has the answer."""
        unbounded = not 0 < self._announced <= MOST_DISCARDED
        text = f"the body is larger than {MOST_BODY >> 20} MiB; a picture may have {PICTURE}."
        return HTTPException(413, text, {"Connection": "close"} if unbounded else None)


def _header_bytes(scope: Scope) -> int:
    """The size of a request without its body, of which the server limits only what waits."""
    headers = sum(len(name) + len(value) for name, value in scope["headers"])
    return headers + len(scope["path"]) + len(scope["query_string"])


def _log(scope: Scope, status: int, seconds: float) -> None:
    query = scope["query_string"].decode("latin-1")
    target = f"{scope['path']}?{query}" if query else scope["path"]
    client = scope.get("client") or ("",)
    logger.info(
        "%s %s %d %.1f ms",
        scope["method"],
        target,
        status,
        1000 * seconds,
        extra={"client": client[0], "status": status, "milliseconds": round(1000 * seconds, 1)},
    )
