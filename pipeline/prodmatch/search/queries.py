"""Queries: what is asked, and files of them."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from prodmatch.catalogue.image_files import read_trusted_file
from prodmatch.catalogue.images import MOST_BYTES, ImageFault
from prodmatch.errors import QueryError

__all__ = ["Query", "read_picture", "read_queries", "read_records"]

STANDARD_INPUT = Path("-")
MOST_LINES_BYTES = 1 << 30  # of standard input, which may never end
FAULTS = {
    "missing": "there is no such file",
    "not_a_file": "is no regular file",
    "too_many_bytes": f"is larger than {MOST_BYTES >> 20} MiB",
}
FIELDS = ("query_id", "text", "image", "product_id")


@dataclass(frozen=True)
class Query:
    """What is asked: words, a picture's bytes, both, or products like the one of an id."""

    query_id: str = "q"
    text: str | None = None
    image: bytes | None = None
    product_id: str | None = None


def read_queries(path: Path) -> list[Query]:
    """The queries in a Parquet or JSON lines file, or of `-`, standard input, in its order.

    A query has a `query_id` (its number where there is none) and `text`, `image` (bytes, or a
    path relative to the file), both, or `product_id`.

    Raises:
        QueryError: the file cannot be read, an id stands twice, or a query asks nothing.
    """
    rows = read_records(path, "--queries")
    queries = [_query(row, number, path) for number, row in enumerate(rows, start=1)]
    seen: set[str] = set()
    for query in queries:
        if query.query_id in seen:
            raise QueryError(
                f"--queries {path}: query_id {query.query_id!r} stands twice. "
                "Give every query an id of its own."
            )
        seen.add(query.query_id)
    return queries


def read_records(path: Path, option: str) -> list[dict[str, object]]:
    """The rows of a Parquet or JSON lines file.

    Args:
        path: the file; what does not end in `.parquet` is read as JSON lines, as is `-`,
            standard input.
        option: the option that named it, for messages.

    Raises:
        QueryError: there is no such file, it cannot be read, or it has no rows.
    """
    if path == STANDARD_INPUT:
        rows = _read_lines(_read_standard_input(option), path, option)
    elif not path.exists():
        raise QueryError(f"{option} {path}: there is no such file.")
    elif not path.is_file():
        raise QueryError(f"{option} {path}: is no regular file. Give one, or - and pipe it in.")
    elif path.suffix == ".parquet":
        rows = _read_parquet(path, option)
    else:
        rows = _read_lines(path.read_bytes(), path, option)
    if not rows:
        raise QueryError(f"{option} {path}: has no rows.")
    return rows


def read_picture(path: Path, option: str) -> bytes:
    """The bytes of a picture to ask with.

    Raises:
        QueryError: it cannot be read, or is no regular file: a pipe is never waited for.
    """
    try:
        return read_trusted_file(path)
    except ImageFault as fault:
        found = FAULTS.get(fault.reason, f"cannot be read ({fault.detail})")
        raise QueryError(
            f"{option} {path}: {found}. Give a file with a JPEG, PNG, WebP or GIF."
        ) from fault


def _read_parquet(path: Path, option: str) -> list[dict[str, object]]:
    import pyarrow as pa  # here, as a query in a shell does not need it
    import pyarrow.parquet as pq

    try:
        rows: list[dict[str, object]] = pq.read_table(path).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise QueryError(f"{option} {path}: cannot be read as Parquet ({error}).") from error
    return rows


def _read_standard_input(option: str) -> bytes:
    content = sys.stdin.buffer.read(MOST_LINES_BYTES + 1)
    if len(content) > MOST_LINES_BYTES:
        raise QueryError(
            f"{option} -: standard input is larger than {MOST_LINES_BYTES >> 20} MiB. "
            "Ask in parts, or give a file."
        )
    return content


def _read_lines(content: bytes, path: Path, option: str) -> list[dict[str, object]]:
    rows = []
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise QueryError(f"{option} {path}: line {number} is no JSON ({error}).") from error
        if not isinstance(row, dict):
            raise QueryError(f"{option} {path}: line {number} is no JSON object.")
        rows.append(row)
    return rows


def _query(row: dict[str, object], number: int, path: Path) -> Query:
    if not set(FIELDS) & set(row):
        raise QueryError(
            f"--queries {path}: query {number} has none of the fields {', '.join(FIELDS)}; "
            f"found {', '.join(row)}."
        )
    image = row.get("image")
    if isinstance(image, dict):  # Hugging Face: the bytes, or else the path
        image = image.get("bytes") or image.get("path")
    if isinstance(image, str):
        image = read_picture(path.parent / image, f"--queries {path}: query {number}:")
    text, product_id = row.get("text"), row.get("product_id")
    return Query(
        _mend(str(row.get("query_id", number))),
        None if text is None else _mend(str(text)),
        image if isinstance(image, bytes) and image else None,
        None if product_id is None else _mend(str(product_id)),
    )


def _mend(text: str) -> str:
    """Text without parts of characters, which JSON can hold and nothing can print."""
    return text.encode("utf-8", "replace").decode()
