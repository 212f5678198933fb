"""Several pictures that one text names: "a.jpg, b.jpg", or a list as programs write it."""

import json
import re
from collections.abc import Iterator

SUFFIX = r"\.(?:jpe?g|png|webp|gif|avif|bmp|tiff?|heic)(?:[?#]\S*)?"
NAME = re.compile(rf"\S.*{SUFFIX}", re.IGNORECASE)
ADDRESS = re.compile(r"(?:https?://|//)\S+", re.IGNORECASE)
MARKS = ("\n", "\t", "|", ";", ",", " ")
BRACKETS = ("[]", "{}", "()", '""', "''")
NOTHING = re.compile(r"[\[{(]\s*(?:\"\"|''|null|None)?\s*[\]})]")
DATA_URIS = re.compile(r"[\s,;|]+(?=data:\w+/)", re.IGNORECASE)
FIELDS = ("url", "src", "path", "href", "image", "link", "image_url")  # of a picture in JSON
MOST_DEPTH = 4  # of lists in lists, and of marks in marks


def split_names(text: str) -> list[str]:
    """The pictures that a text names, in its order; the text alone where it names one.

    A text is split at a mark only where all parts are names of pictures: "mug, red.jpg" is one. A
    list in brackets may be JSON, also of objects, or what Python, PostgreSQL and the like write.

    Args:
        text: paths, addresses or data URIs; no base64 without their beginning.
    """
    plain = text.strip()
    if plain[:5].lower() == "data:":
        return DATA_URIS.split(plain) if plain.count("data:") > 1 else [text]
    return _split(plain, MOST_DEPTH) or [text]


def names_none(text: str) -> bool:
    """Whether a text is a list without pictures: "[]"."""
    return NOTHING.fullmatch(text.strip()) is not None


def _split(text: str, depth: int) -> list[str]:
    """The names in a text; none where it is no list."""
    if not depth:
        return []
    if text[:1] + text[-1:] in BRACKETS and len(text) > 1:
        if names := _read_json(text):
            return names
        inner = text[1:-1].strip()
        return _split(inner, depth - 1) or ([inner] if _are_names([inner]) else [])
    for mark in MARKS:
        parts = [part for each in text.split(mark) if (part := each.strip(" \"'"))]
        if mark in text and _are_names(parts):
            return [name for part in parts for name in _split(part, depth - 1) or [part]]
    return []


def _are_names(parts: list[str]) -> bool:
    """Whether all are names of pictures: by how they end, or by being addresses all of them."""
    return bool(parts) and (all(map(NAME.fullmatch, parts)) or all(map(ADDRESS.fullmatch, parts)))


def _read_json(text: str) -> list[str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return [name for name in _names_in(found) if name.strip()]


def _names_in(found: object) -> Iterator[str]:
    for each in found if isinstance(found, list) else [found]:
        if isinstance(each, dict):
            values = (each[field] for field in FIELDS if isinstance(each.get(field), str))
            yield from list(values)[:1]
        elif isinstance(each, str):
            yield each
