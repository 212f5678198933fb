"""Queries, and files of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from prodmatch.catalogue.pictures.image_files import (
    as_written,
    list_spellings,
    needs_root,
    read_image_cell,
    read_trusted_file,
    strip_file_uri,
)
from prodmatch.catalogue.pictures.images import MOST_BYTES, UnusableImage, encode_picture
from prodmatch.catalogue.records import PARQUET_SUFFIXES, TABLE_SUFFIXES, Record, parse_records
from prodmatch.errors import QueryError

REASONS = {
    "missing": "there is no such file",
    "not_a_file": "is no regular file",
    "too_many_bytes": f"is larger than {MOST_BYTES >> 20} MiB",
}
PictureInput = bytes | Path | str | Image.Image  # bytes, the path of a file, or Pillow's
MOST_CHARACTERS = 10_000  # of a query; what follows is not read
FIELDS = ("query_id", "text", "image", "product_id", "filter", "top", "offset")


@dataclass(frozen=True)
class Query:
    """Words, a picture's bytes, both, or products like the one of an id.

    Attributes:
        where: an SQL condition that its hits must meet, besides that of the search.
        top: how many hits it wants; as many as the search gives if None.
        offset: how many come before these; as many as those of the search if None.
    """

    query_id: str = "q"
    text: str | None = None
    image: bytes | None = None
    product_id: str | None = None
    where: str | None = None
    top: int | None = None
    offset: int | None = None

    def __post_init__(self) -> None:
        """Checks what a caller from Python may have given as anything.

        Raises:
            QueryError: a field is of another type.
        """
        for name in ("text", "image", "product_id", "where"):
            value, kind = getattr(self, name), bytes if name == "image" else str
            if value is not None and not isinstance(value, kind):
                found = f"of the type {type(value).__name__} ({value!s:.40})"
                raise QueryError(f"`{name}`: is {found}. Give {kind.__name__}.")


@dataclass(frozen=True)
class RejectedQuery:
    """A line of a file of queries that is no query, and why."""

    query_id: str
    reason: str


def check_queries(queries: Iterable[Query | RejectedQuery]) -> list[Query | RejectedQuery]:
    """The queries that a caller from Python gives, who may give anything.

    Raises:
        QueryError: they are none.
    """
    if not isinstance(queries, Iterable):
        raise QueryError(f"`queries`: {queries!r:.40} is one. Give a list.")
    found = [*queries]  # an iterator, too
    for query in found:
        if not isinstance(query, Query | RejectedQuery):
            raise QueryError(f"`queries`: {query!r:.40} is no query. Give Query(text=...).")
    return found


def require_all(queries: Iterable[Query | RejectedQuery]) -> list[Query]:
    """Queries all of which must be usable.

    Raises:
        QueryError: as `check_queries`, or one was rejected.
    """
    found = []
    for query in check_queries(queries):
        if isinstance(query, RejectedQuery):
            raise QueryError(query.reason)
        found.append(query)
    return found


def read_queries(path: Path) -> list[Query | RejectedQuery]:
    """The queries in a Parquet, CSV, TSV or JSON lines file, or of `-`, standard input, in order.

    A query has a `query_id` (its number where there is none, `#` before it if another query has
    that id) and `text`, `image` (bytes, base64, or a path relative to the file), both, or
    `product_id`; and may have a `filter`, a `top` and an `offset`.

    Raises:
        QueryError: the file cannot be read, none of its lines is a record, it has a column that
            no query has, or two queries have one id.
    """
    records = parse_records(path, "`queries`", numbers=["top", "offset"])
    if path.suffix.lower() in (*PARQUET_SUFFIXES, *TABLE_SUFFIXES):
        first = next(record for record in records if isinstance(record, dict))
        _check_names(first, f"`queries` {path}")
    given = {str(record.get("query_id")) for record in records if isinstance(record, dict)}
    queries = []
    for number, record in enumerate(records, start=1):
        free = f"#{number}" if str(number) in given else str(number)
        queries.append(_read_query(record, number, path, free))
    known: set[str] = set()
    for query in queries:
        if query.query_id in known:
            raise QueryError(
                f"`queries` {path}: query_id {query.query_id!r} stands twice. "
                "Give every query an id of its own."
            )
        known.add(query.query_id)
    return queries


def require_queries(path: Path) -> list[Query]:
    """The queries of a file of which every line must be one.

    Raises:
        QueryError: as `read_queries`, or a line is no query.
    """
    return require_all(read_queries(path))


def read_picture(path: Path, name: str) -> bytes:
    """The bytes of a picture to search with.

    Raises:
        QueryError: it cannot be read, or is no regular file: a pipe is never waited for.
    """
    try:
        return read_trusted_file(path)
    except UnusableImage as error:
        found = REASONS.get(error.reason, f"cannot be read ({error.detail})")
        raise QueryError(
            f"{name} {path}: {found}. Give a file with a JPEG, PNG, WebP or GIF."
        ) from error


def read_image(image: PictureInput) -> bytes:
    """The bytes of a picture to search with, given as such, as a path or as one of Pillow's.

    Raises:
        QueryError: it cannot be read, or is something else.
    """
    if isinstance(image, bytes):
        return image
    if isinstance(image, Path | str):
        return read_picture(Path(image), "`image`")
    if not isinstance(image, Image.Image):
        raise QueryError(
            f"`image`: is of the type {type(image).__name__}. Give bytes, a path or a picture of "
            "Pillow's."
        )
    try:
        return encode_picture(image)
    except UnusableImage as error:
        raise QueryError(f"`image`: the picture cannot be used ({error}).") from error


def _read_query(
    record: Record | QueryError, number: int, path: Path, query_id: str
) -> Query | RejectedQuery:
    """The query of a record; `query_id` is its id where the record has none."""
    place = f"`queries` {path}: query {number}"
    try:
        if isinstance(record, QueryError):
            raise record
        if record.get("query_id") is not None:
            query_id = _text(record["query_id"], "query_id", place) or query_id
        _check_names(record, place)
        text = _text(record.get("text"), "text", place)
        image = _read_image(record.get("image"), path.parent, place)
        if text is not None and image is not None:
            text = text.strip() or None  # a table has no other way to leave it out
        return Query(
            query_id,
            text,
            image,
            _text(record.get("product_id"), "product_id", place),
            _text(record.get("filter"), "filter", place),
            _whole_number(record.get("top"), "top", place),
            _whole_number(record.get("offset"), "offset", place),
        )
    except QueryError as error:
        return RejectedQuery(query_id, str(error))


def _check_names(record: Record | QueryError, place: str) -> None:
    names = set() if isinstance(record, QueryError) else set(record)
    if names and not names & set(FIELDS):
        raise QueryError(
            f"{place} has none of the fields {', '.join(FIELDS)}; found {_list(names)}."
        )
    if unknown := names - set(FIELDS):
        raise QueryError(f"{place}: a query has no {_list(unknown)}, but {', '.join(FIELDS)}.")


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names))[:200]


def _text(value: object, field: str, place: str) -> str | None:
    """Text without parts of characters, which JSON can hold and nothing can print."""
    if value is None or value != value:  # what NaN alone is not equal to
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not isinstance(value, str) and (not is_number or field == "filter"):
        raise QueryError(f"{place}: {field} is {str(value)[:80]!r}. Give text.")
    if isinstance(value, float) and value.is_integer():  # as of integers among nulls
        value = int(value)
    return str(value).encode("utf-8", "replace").decode()


def _whole_number(value: object, field: str, place: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1:
        raise QueryError(f"{place}: {field} is {str(value)[:80]!r}. Give a whole number.")
    return int(value)


def _read_image(image: object, folder: Path, place: str) -> bytes | None:
    if image is not None and not isinstance(image, bytes | str | dict):
        raise QueryError(f"{place}: image is {str(image)[:80]!r}. Give bytes, base64 or a path.")
    written = as_written(image)
    if isinstance(written, str) and needs_root(written):
        names = list_spellings(strip_file_uri(written))
        there = (name for name in names if (folder / name).is_file())
        return read_picture(folder / next(there, names[0]), f"{place}:")
    try:
        return read_image_cell(written, None)
    except UnusableImage as error:
        raise QueryError(f"{place}: image {error}. Give bytes, base64 or a path.") from error


def clean_text(query: Query) -> str | None:
    """The text of a query on one line, None where it has none.

    Raises:
        QueryError: the query is empty, or has an id and something else.
    """
    if query.product_id is not None and (query.text is not None or query.image is not None):
        raise QueryError(f"query {query.query_id!r}: give an id, or text and picture, not both.")
    if query.text is None:
        if query.image is None and query.product_id is None:
            raise QueryError(f"query {query.query_id!r}: has neither text nor picture nor id.")
        return None
    text = " ".join(query.text[:MOST_CHARACTERS].replace("\0", " ").split())
    text = text.encode("utf-8", "replace").decode()
    if not any(character.isalnum() for character in text):
        raise QueryError(
            f"query {query.query_id!r}: the text {text[:80]!r} has no word in it. "
            "Write at least one."
        )
    return text
