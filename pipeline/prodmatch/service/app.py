"""The application: routes over what a store has published. Read `make_app` first."""

import asyncio
import contextlib
import functools
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from prodmatch.catalogue.pictures.thumbnails import MEDIA_TYPE
from prodmatch.catalogue.reader import Catalogue
from prodmatch.catalogue.remembered import open_remembered
from prodmatch.engines.processors import count_processors
from prodmatch.errors import ProdmatchError, QueryError
from prodmatch.search.parameters import Search, read_search
from prodmatch.search.searcher import Searcher
from prodmatch.service.answers import error_response, json_answer, json_response, translate
from prodmatch.service.bodies import Given, read_picture, read_request
from prodmatch.service.decoding import PictureDecoder, status_of
from prodmatch.service.guard import Guard, Limits
from prodmatch.service.metrics import Metrics
from prodmatch.service.openapi import describe
from prodmatch.service.pages import (
    SearchPage,
    State,
    choose_facets,
    docs_page,
    make_search_page,
    style,
)
from prodmatch.service.pictures import ProductPictures
from prodmatch.service.published import Published
from prodmatch.service.workers import Workers

logger = logging.getLogger(__name__)
Result = TypeVar("Result")
GONE = "the files of the index are gone. Try again when they are back."
DECODERS = 2  # processes
PICTURE_THREADS = 8  # that wait for pictures, which are read together
MOST_UPLOADS = 16  # requests with a body at once; each may take 40 MiB


@dataclass(frozen=True)
class ServiceSettings:
    """How a service answers."""

    threads: int = 0  # searches at once; as many as there are processors if 0
    # Gives the catalogue that has the pictures; the store's if None.
    open_catalogue: Callable[[], Catalogue] | None = None
    facets: tuple[str, ...] | None = None  # columns that the search page counts; chosen if None
    access_log: bool = False  # whether requests are logged, with what they search for
    limits: Limits = field(default_factory=Limits)


def make_app(store: Path, settings: ServiceSettings | None = None) -> ASGIApp:
    """An ASGI application that answers from a store, and follows what it publishes.

    Raises:
        DamagedError: what is published is not intact.
    """
    settings = settings or ServiceSettings()
    service = _Service(store, settings)
    routes = [
        Route("/", service.page, methods=["GET", "POST"]),
        Route("/docs", service.docs),
        Route("/style.css", service.style),
        Route("/search", service.search, methods=["GET", "POST"]),
        Route("/health", service.health),
        Route("/metrics", service.render_metrics),
        Route("/openapi.json", service.openapi),
        picture := Route("/picture/{product_id:path}", service.picture),
    ]
    # Of an id with a line break "path" takes the first line, or, where it ends there, all but that.
    picture.path_regex = re.compile("/picture/(?P<product_id>.*)", re.DOTALL)
    app = Starlette(
        routes=routes,
        lifespan=service.lifespan,
        exception_handlers={
            HTTPException: _refuse,
            MultiPartException: _refuse_form,
            QueryError: _refuse_query,
            ProdmatchError: _report_damage,
            MemoryError: _report_short_memory,
            ClientDisconnect: _note_disconnect,
            Exception: _report_bug,
        },
    )
    app.router.redirect_slashes = False  # to an address in http, also behind a proxy that has TLS
    names: dict[object, str] = {route.endpoint: route.path for route in routes}
    return Guard(app, service.metrics, names, settings.limits, access_log=settings.access_log)


class _Service:
    """The routes and what they share."""

    def __init__(self, store: Path, settings: ServiceSettings) -> None:
        self.metrics = Metrics()
        self._published = Published(store)
        self._decoder = PictureDecoder(DECODERS)
        self._pictures = ProductPictures(
            settings.open_catalogue or (lambda: open_remembered(store, fetch="nothing")),
            self._decoder,
        )
        threads = settings.threads or count_processors()
        self._limits = settings.limits
        wait_seconds = self._limits.wait_seconds
        self._searching = Workers(threads, "search", wait_seconds)
        self._decoding = Workers(PICTURE_THREADS, "pictures", wait_seconds)
        self._watching = Workers(1, "watch", wait_seconds)
        self._uploads = 0
        self._facets = settings.facets
        self._chosen: tuple[Searcher | None, tuple[str, ...]] = (None, ())

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Follows what is published as long as the application runs."""
        watcher = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watcher
            for workers in (self._watching, self._searching, self._decoding):
                workers.close()
            self._decoder.close()
            self._published.close()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._limits.reload_seconds)
            if await self._watching.run(self._published.refresh):
                await self._watching.run(self._pictures.forget)

    def _searcher(self) -> Searcher:
        """The generation that this request is answered from."""
        searcher = self._published.searcher
        if searcher is None:
            raise HTTPException(503, "nothing is published yet.", {"Retry-After": "5"})
        return searcher

    async def _answer(self, answer: Callable[[Searcher], Awaitable[Result]]) -> Result:
        """What the open generation gives; where its files went, what was published since gives.

        Raises:
            HTTPException: 503, nothing is published, or what is open is gone and nothing newer is
                there.
        """
        searcher = self._searcher()
        try:
            return await answer(searcher)
        except (ProdmatchError, OSError) as error:
            if isinstance(error, QueryError):
                raise
            await self._watching.run(self._published.refresh)
            if self._published.gone:
                raise HTTPException(503, GONE, {"Retry-After": "5"}) from error
            newer = self._searcher()
            if newer is searcher:
                raise
            return await answer(newer)

    async def search(self, request: Request) -> Response:
        """`/search`: a page of hits as JSON."""
        begun = time.perf_counter()
        given = await self._read(request)

        async def answer(searcher: Searcher) -> bytes:
            search = await self._prepare(given, searcher)
            return await self._searching.run(lambda: json_answer(searcher, search, begun))

        return json_response(await self._answer(answer))

    async def _read(self, request: Request, repeated: frozenset[str] = frozenset()) -> Given:
        """The parameters and the picture of a request."""
        if request.method != "POST":
            return await read_request(request, repeated)
        if self._uploads >= MOST_UPLOADS:
            raise HTTPException(503, "too many uploads at once.", {"Retry-After": "1"})
        self._uploads += 1
        try:
            return await read_request(request, repeated)
        finally:
            self._uploads -= 1

    async def _prepare(self, given: Given, searcher: Searcher) -> Search:
        """The search that is wanted; its picture is decoded by a process that may die."""
        search = read_search(given.values, given.image)
        if given.image is None:
            return search
        return read_search(given.values, await self._decode(given.image, searcher))

    async def _decode(self, image: bytes, searcher: Searcher) -> bytes:
        spec = searcher.encoders.description.image
        return await self._decoding.run(lambda: self._decoder.prepare_query(image, spec))

    async def page(self, request: Request) -> Response:
        """`/`: the search page, without any script."""
        state, status, headers = State(), 200, None
        try:
            given = await self._read(request, frozenset(["pick"]))
            values, image = dict(given.values), given.image
            state = State.decode(str(values["go"])) if values.get("go") else State.read(values)
            if image is None and values.get("last_image"):
                image = read_picture(values["last_image"])

            async def answer(searcher: Searcher) -> SearchPage:
                decoded = None if image is None else await self._decode(image, searcher)
                columns = functools.partial(self._columns, searcher)
                return await self._searching.run(
                    lambda: make_search_page(searcher, state, decoded, columns())
                )

            page = await self._answer(answer)
        except (HTTPException, QueryError) as error:
            if isinstance(error, HTTPException):
                status, message, headers = error.status_code, error.detail, error.headers
            else:
                status, message = status_of(error), translate(str(error))
            page = SearchPage(state, error=message)
        return HTMLResponse(page.render(), status, headers)

    def _columns(self, searcher: Searcher) -> tuple[str, ...]:
        """The columns that the search page counts, chosen once for a generation."""
        if self._facets is not None:
            return self._facets
        known, columns = self._chosen
        if known is not searcher:
            columns = choose_facets(searcher.products)
            self._chosen = (searcher, columns)
        return columns

    async def docs(self, request: Request) -> Response:
        """`/docs`: the routes for people."""
        return HTMLResponse(docs_page())

    async def style(self, request: Request) -> Response:
        """`/style.css`: of both pages."""
        return Response(style(), media_type="text/css", headers={"Cache-Control": "max-age=300"})

    async def health(self, request: Request) -> Response:
        """`/health`: 200 where there is a generation whose files are there, else 503."""
        searcher = self._published.searcher
        if searcher is None:
            return JSONResponse({"status": "nothing is published yet"}, 503)
        gone = self._published.gone
        content: dict[str, object] = {
            "status": "the files of the index are gone" if gone else "ok",
            "generation": searcher.generation.number,
            "products": searcher.generation.product_count,
        }
        if self._published.failed:
            content["warning"] = "the newest generation cannot be opened; the log says why"
        return JSONResponse(content, 503 if gone else 200)

    async def render_metrics(self, request: Request) -> Response:
        """`/metrics`: counts in the text format of Prometheus."""
        searcher = self._published.searcher
        generation = None if searcher is None else searcher.generation
        number, products = (generation.number, generation.product_count) if generation else (0, 0)
        busy = self._searching.busy
        failed, gone = int(self._published.failed), int(self._published.gone)
        gauges: dict[str, tuple[str, float]] = {
            "generation": ("Number of the open generation.", number),
            "products": ("Products of the open generation.", products),
            "searches_running_or_waiting": ("Searches that run or wait for a thread.", busy),
            "newest_generation_failed": ("1 where the newest generation cannot be opened.", failed),
            "generation_gone": ("1 where the files of the open generation are gone.", gone),
        }
        return PlainTextResponse(
            self.metrics.render(gauges), media_type="text/plain; version=0.0.4"
        )

    async def openapi(self, request: Request) -> Response:
        """`/openapi.json`: what there is to call."""
        return JSONResponse(describe())

    async def picture(self, request: Request) -> Response:
        """`/picture/ID`: a small WebP of a product."""
        product_id = str(request.path_params["product_id"])

        async def answer(searcher: Searcher) -> bytes | None:
            return await self._decoding.run(
                lambda: (
                    None
                    if searcher.products.row_of(product_id) is None
                    else self._pictures.thumbnail(product_id)
                )
            )

        webp = await self._answer(answer)
        if webp is None:
            raise HTTPException(404, "there is no such product, or no picture of it.")
        return Response(webp, media_type=MEDIA_TYPE, headers={"Cache-Control": "max-age=3600"})


def _refuse(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    messages = {404: "there is no such route.", 405: "this route has no such method."}
    plain = {"Not Found", "Method Not Allowed"}
    text = messages[error.status_code] if error.detail in plain else error.detail
    return error_response(error.status_code, text, error.headers)


def _refuse_form(request: Request, error: Exception) -> Response:
    return error_response(400, f"the form cannot be read: {getattr(error, 'message', '')}")


def _refuse_query(request: Request, error: Exception) -> Response:
    return error_response(status_of(error), translate(str(error)))


def _note_disconnect(request: Request, error: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it; it is counted


def _report_bug(request: Request, error: Exception) -> Response:
    return error_response(500, "this is an error of the program; its log has more.")


def _report_short_memory(request: Request, error: Exception) -> Response:
    logger.error("memory ran out: %s", error)
    return error_response(503, "memory ran out. Try again in a moment.", {"Retry-After": "5"})


def _report_damage(request: Request, error: Exception) -> Response:
    logger.error("%s", error)
    text = "a file of the index cannot be used; the log of the service says which."
    return error_response(500, text)
