"""Several pictures that one text names: "a.jpg, b.jpg", or a list as programs write it."""

import json
import re
from collections.abc import Iterator

from prodmatch.storage.places.picture_names import are_names

# Between the names, the likeliest first; those of several characters before their parts.
MARKS = (
    *("\n", "\r", "\t", "|", ";", ",", "~", "^", "&&"),
    *("<br>", "<br/>", "<br />", "\x1d", "\x1f", " "),
)
QUOTES = " \r\"'"
BRACKETS = ("[]", "{}", "()", '""', "''")
NOTHING = re.compile(r"[\[{(]\s*(?:\"\"|''|null|None)?\s*[\]})]")
DATA_URIS = re.compile(r"[\s,;|]+(?=data:\w+/)", re.IGNORECASE)
# Of a picture in JSON, the largest first.
FIELDS = ("url", "src", "path", "href", "image", "link", "image_url", "hi_res", "large")
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
        return _split(inner, depth - 1) or ([inner] if are_names([inner]) else [])
    for mark in MARKS:
        parts = [part for each in text.split(mark) if (part := each.strip(QUOTES))]
        if mark in text and are_names(parts):
            return [name for part in parts for name in _split(part, depth - 1) or [part]]
    return []


def _read_json(text: str) -> list[str]:
    try:
        return [name for name in _names_in(json.loads(text)) if name.strip()]
    except (ValueError, RecursionError):
        return []


def _names_in(found: object) -> Iterator[str]:
    if isinstance(found, list):
        for each in found:
            yield from _names_in(each)
    elif isinstance(found, dict):
        known = [found[field] for field in FIELDS if isinstance(found.get(field), str)]
        others = [each for each in (*found.values(), *found) if isinstance(each, str)]
        yield from (known or [each for each in others if are_names([each])])[:1]
    elif isinstance(found, str):
        yield found
