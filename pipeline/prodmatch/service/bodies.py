"""The parameters and the picture of a request: of its address, a form, or JSON."""

import binascii
import json
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_to_bytes

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartParser
from starlette.requests import Request

from prodmatch.catalogue.pictures.images import MOST_BYTES
from prodmatch.service.guard import MOST_BODY, MOST_TEXT, PICTURE

MOST_FIELDS = 100
MOST_COMMAS = 100_000  # of JSON; forty million take 14 seconds, in which nobody is answered
MOST_FORM = 1 << 20  # bytes of a form without files; 40 MiB of escapes take 9 seconds


@dataclass(frozen=True)
class Given:
    """What a request gives: parameters by name, and the bytes of a picture."""

    values: Mapping[str, object]
    image: bytes | None = None


class _InMemory(MultiPartParser):
    """Keeps uploads in memory: what is searched for is written nowhere."""

    spool_max_size = MOST_BODY
    is_complete = False

    def on_end(self) -> None:
        """Notes the last boundary."""
        self.is_complete = True

    async def parse(self) -> FormData:
        """The fields of the form.

        Raises:
            HTTPException: 400, it is cut off.
        """
        form = await super().parse()
        if not self.is_complete:
            for file in self._files_to_close_on_error:
                file.close()
            raise HTTPException(400, "the form is cut off: its last boundary is missing.")
        return form


async def read_request(request: Request, repeated: frozenset[str] = frozenset()) -> Given:
    """What a request gives in its address and in its body.

    Args:
        repeated: names that may be given several times; their value is a list.

    Raises:
        HTTPException: 400, it cannot be read, or a parameter is given twice; 413, the picture
            or a text is too large; 415, the body is neither a form nor JSON.
    """
    try:
        unquote_to_bytes(request.scope["query_string"]).decode()
    except UnicodeDecodeError as error:
        raise HTTPException(400, "the address is not in UTF-8.") from error
    pairs: list[tuple[str, object]] = list(request.query_params.multi_items())
    if request.method == "POST":
        pairs += await _read_body(request)
    pictures = [value for name, value in pairs if name == "image" and value]
    if len(pictures) > 1:
        raise HTTPException(400, "`image`: give one picture.")
    rest = [(name, value) for name, value in pairs if name != "image"]
    for name, value in rest:
        if not isinstance(value, bytes) and len(str(value).encode(errors="replace")) > MOST_TEXT:
            raise HTTPException(413, f"`{name[:80]}`: is longer than {MOST_TEXT >> 10} KiB.")
    return Given(_join(rest, repeated), read_picture(pictures[0]) if pictures else None)


async def _read_body(request: Request) -> list[tuple[str, object]]:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(415, "the body is compressed; send it as it is.")
    kind = parse_options_header(request.headers.get("content-type", ""))[0].decode("latin-1")
    if kind == "multipart/form-data":
        return await _read_form(request)
    if kind == "application/x-www-form-urlencoded":
        return _read_texts(await request.body())
    if kind == "application/json":
        return _read_json(await request.body())
    raise HTTPException(415, "give the body as multipart/form-data or application/json.")


def _read_texts(body: bytes) -> list[tuple[str, object]]:
    """The fields of a form without files, which browsers escape and others send as they are."""
    if len(body) > MOST_FORM:
        raise HTTPException(
            413,
            f"a form as application/x-www-form-urlencoded is larger than {MOST_FORM >> 20} MiB. "
            "Give a picture as multipart/form-data.",
        )
    try:
        return list(
            parse_qsl(
                body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
            )
        )
    except UnicodeDecodeError as error:
        raise HTTPException(400, "the form is not in UTF-8.") from error
    except ValueError as error:
        raise HTTPException(400, f"the form has more than {MOST_FIELDS} fields.") from error


async def _read_form(request: Request) -> list[tuple[str, object]]:
    parser = _InMemory(
        request.headers,
        request.stream(),
        max_files=1,
        max_fields=MOST_FIELDS,
        max_part_size=MOST_BODY,
    )
    form = await parser.parse()
    pairs: list[tuple[str, object]] = []
    empty = []  # names of files without a byte; where none is chosen, a browser gives no name
    for name, value in form.multi_items():
        content = value if isinstance(value, str) else await value.read()
        pairs.append((name, content))
        if not isinstance(value, str) and value.filename and not content:
            empty.append(name)
    await form.close()
    if empty:
        raise HTTPException(400, f"`{empty[0][:80]}`: the file is empty.")
    return pairs


def _read_json(body: bytes) -> list[tuple[str, object]]:
    if body.count(b",") > MOST_COMMAS:
        raise HTTPException(413, f"the body has more than {MOST_COMMAS} commas.")
    try:
        content = json.loads(body, object_pairs_hook=_Pairs)
    except UnicodeDecodeError as error:
        raise HTTPException(400, "the body is not in UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "the body is not JSON.") from error
    if not isinstance(content, _Pairs):
        raise HTTPException(400, "the body is no JSON object.")
    return [
        (name, _to_dict(value, name) if isinstance(value, _Pairs) else value)
        for name, value in content
    ]


class _Pairs(list[tuple[str, object]]):
    """The names and values of a JSON object, which may have a name twice."""


def _to_dict(pairs: _Pairs, name: str) -> dict[str, object]:
    """A JSON object in another."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise HTTPException(400, f"`{name[:80]}`: a name in it is given twice.")
    return found


def read_picture(value: object) -> bytes:
    """The bytes of a picture that is uploaded, or is a text: base64, or a data URI of it.

    Raises:
        HTTPException: 400, it is none of these; 413, it is too large.
    """
    if isinstance(value, str):
        text = value.partition(",")[2] if value[:5].lower() == "data:" else value
        try:
            value = b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError):
            value = None
    if not isinstance(value, bytes):
        raise HTTPException(
            400, "`image`: is no picture. Upload a file, or give its bytes in base64."
        )
    if len(value) > MOST_BYTES:
        raise HTTPException(413, f"the picture is larger than {PICTURE}.")
    return value


def _join(pairs: Iterable[tuple[str, object]], repeated: frozenset[str]) -> dict[str, object]:
    joined: dict[str, object] = {}
    for name, value in pairs:
        if name in repeated:
            found = joined.setdefault(name, [])
            if isinstance(found, list):
                found.append(value)
        elif isinstance(value, bytes):
            raise HTTPException(400, f"`{name[:80]}`: a picture is uploaded as `image`.")
        elif name in joined and joined[name] != value:
            raise HTTPException(400, f"`{name[:80]}`: is given twice.")
        else:
            joined[name] = value
    return joined
