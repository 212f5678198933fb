"""Answers of a search as JSON, and errors in the words of a request."""

import time
from collections.abc import Mapping, Sequence

from starlette.responses import JSONResponse, Response

from prodmatch import messages
from prodmatch.errors import QueryError
from prodmatch.messages import Given
from prodmatch.search.answers.hits import Answer, hit_fields
from prodmatch.search.answers.json_text import to_json
from prodmatch.search.parameters import RENAMED, Search
from prodmatch.search.searcher import Searcher


def find_answer(searcher: Searcher, search: Search) -> Answer:
    """What comes of a search, all of one generation.

    Raises:
        QueryError: it cannot be answered.
    """
    (answer,) = searcher.answer([search.query], search.options)
    if answer.error is not None:
        raise QueryError(answer.error)
    return answer


def json_answer(searcher: Searcher, search: Search, begun: float) -> bytes:
    """The answer of a search as JSON.

    Args:
        begun: when the request came, by `time.perf_counter`.
    """
    answer = find_answer(searcher, search)
    content = {
        "hits": [hit_fields(hit) for hit in answer.hits],
        "facets": {name: [vars(each) for each in found] for name, found in answer.facets.items()},
        "match_count": answer.match_count,
        "searched_for": answer.searched_for,
        "understood": answer.understood,
        "hints": [translate(hint) for hint in answer.hints],
        "generation": searcher.generation.number,
        "took_ms": round(1000 * (time.perf_counter() - begun), 2),
    }
    return to_json(content).encode("utf-8", "backslashreplace")


def json_response(body: bytes) -> Response:
    """A response of JSON that is written already."""
    return Response(body, media_type="application/json")


def error_response(
    status: int, message: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """A response that says what is wrong."""
    return JSONResponse({"error": message}, status, headers)


def translate(message: str) -> str:
    """A message of the library: `where=...` as `filter=...`, `query()` as /search."""
    return messages.translate(message, _write_parameter, _write_job)


def _write_parameter(given: Given) -> str | None:
    if given.name not in RENAMED:
        return None
    value = "" if given.value is None else f"={given.value}"
    return f"`{RENAMED[given.name]}{value}`"


def _write_job(name: str, given: Sequence[Given]) -> str | None:
    return "/search" if name == "query" else None
