"""What a catalogue says of a picture, to its bytes: paths below a root, data URIs, base64."""

import base64
import binascii
import contextlib
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

from prodmatch.catalogue.pictures.images import MOST_BYTES, UnusableImage
from prodmatch.catalogue.pictures.names import names_none, split_names
from prodmatch.storage.places.picture_names import are_names

MOST_TEXT = 2 * MOST_BYTES  # of a picture written as text
DATA_URI = re.compile(r"(?:data:[^,]{0,200}|[\w/+.;-]{0,50}base64),", re.IGNORECASE)
DATA_START = re.compile(r"data:|[\w/+.;-]{0,50}base64,", re.IGNORECASE)
FILE_URI = re.compile(r"file:(?://(?:localhost(?=/))?)?", re.IGNORECASE)
ADDRESS_REASON = "image_address"  # of a picture that is not lost: there never was a file
# An address; those of shops may begin with the host, as in //cdn.shop.example/a.jpg, and programs
# that take them for paths write https:/shop.example/a.jpg.
ADDRESS = re.compile(r"[a-z][a-z0-9+.:-]+:/|//[\w-]+(\.[\w-]+)*\.[a-z]{2,}/|www\.", re.IGNORECASE)
# How a JPEG, PNG, GIF, WebP, AVIF or HEIC begins in base64, and what is often found in its place:
# SVG, HTML, XML, PDF, TIFF, BMP, gzip. A path would have a dot in it.
BASE64_START = re.compile(
    r"[/_]9j[/_]|iVBORw0KGgo|R0lGOD|UklGR|AAAA[\w+/-]{4}eXB|PHN2Zy|PCFET0|PGh0bW|PD94bW|JVBERi0|"
    r"SUkqA|TU0AK|Qk[0-3][\w+/-]{5}AAAAA|H4sIA"
)
# How a picture begins in hexadecimal digits, as databases write bytes.
HEX_START = re.compile(
    r"(?P<sign>(?:\\x|0x)?)(?:89504e470d0a1a0a|ffd8ff|4749463839|52494646)[0-9a-f]{20}",
    re.IGNORECASE,
)
NOT_WRITTEN = b"\x80"  # bytes from here on begin no text of ASCII: JPEG and PNG, not data URIs
WRITTEN_BYTES = 300  # by which a text is told from a picture
MOST_NAMES = 4096  # bytes of names of files
PYTHON_BYTES = re.compile(r"\s*b(['\"]).*\1\s*", re.DOTALL)  # as Python's str() writes bytes
ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|([nrt\\'\"]))")
ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}
# What programs write for none.
NO_PICTURE = frozenset([
    "", "-", "\\n", "n/a", "#n/a", "na", "<na>", "nan", "nil", "none", "null", "undefined", "false",
    "no image", "no_image", "noimage",
])  # fmt: skip
BASE64 = re.compile(r"[A-Za-z0-9+/_\s\\-]{40,}={0,2}[\s\\nr]*")  # \\n is a break that was escaped


WINDOWS_PATH = re.compile(r"\s*(?:/?[a-z]:[\\/]|\\\\)", re.IGNORECASE)  # C:\a, \\server\a
AROUND = " \t\r\n\u00a0\"'`<>=\ufeff\u200b"  # quotes and blanks that programs put around a name
SUFFIX = re.compile(r"\.\w{3,4}$")
# What changes the name of a file on its way into a catalogue.
SPELLINGS: tuple[Callable[[str], str], ...] = (
    lambda name: name.strip(AROUND),
    lambda name: WINDOWS_PATH.sub("", name, count=1) if WINDOWS_PATH.match(name) else name,
    lambda name: name.replace("\\", "/"),
    lambda name: re.split("[?#]", name)[0],
    unquote,
    lambda name: name.replace("+", " "),
    lambda name: unicodedata.normalize("NFC", name),
    lambda name: unicodedata.normalize("NFD", name),
    lambda name: SUFFIX.sub(lambda found: found[0].lower(), name),
    lambda name: SUFFIX.sub(lambda found: found[0].upper(), name),
)


@dataclass(frozen=True)
class Pictures:
    """The pictures that a cell holds or names, in its order, and why others are not among them."""

    found: list[bytes]
    errors: list[UnusableImage]  # in the order of the cell; one for each that is named twice


def read_image_cells(cell: object, root: Path | None) -> Pictures:
    """The pictures of a cell that holds one or a list of them, by `read_image_cell`."""
    found: list[bytes] = []
    errors: dict[str, UnusableImage] = {}
    if cell is None:
        return Pictures(found, [])
    for each in flatten_cells([cell]):
        try:
            data = read_image_cell(each, root)
        except UnusableImage as error:
            errors.setdefault(str(error), error)
        else:
            found += [] if data is None else [data]
    return Pictures(found, list(errors.values()))


def read_image_cell(cell: object, root: Path | None) -> bytes | None:
    """The bytes of the picture that a cell of a catalogue holds or names; None for an empty cell.

    Args:
        cell: bytes, a text (`read_image_text`), or a struct of `bytes` and `path`.
        root: the directory that paths are below.

    Raises:
        UnusableImage: as `read_image_text`.
    """
    cell = as_written(cell)
    if isinstance(cell, bytes):
        return cell or None
    if cell is None or str(cell).strip().lower() in NO_PICTURE:
        return None
    return read_image_text(str(cell), root)


def as_written(cell: object) -> object:
    """A picture's cell as the text or the bytes that it stands for.

    Of bytes the text that they are (a data URI, base64, an address, names), of a text as Python
    shows bytes these, of a struct of `bytes` and `path` what it holds.
    """
    if isinstance(cell, dict):  # Hugging Face: the bytes, or else the path
        cell = cell.get("bytes") or cell.get("path")
    if isinstance(cell, str) and PYTHON_BYTES.fullmatch(cell):
        shown = ESCAPE.sub(
            lambda found: chr(int(found[1], 16)) if found[1] else ESCAPED.get(found[2], found[2]),
            cell.strip()[2:-1],
        )
        cell = shown.encode("latin-1", "replace")
    return cell.decode("utf-8", "replace") if isinstance(cell, bytes) and _is_text(cell) else cell


def _is_text(data: bytes) -> bool:
    """Whether bytes are a picture's text, not a picture."""
    start = data[:WRITTEN_BYTES].lstrip().decode("ascii", "replace")
    if any(each.match(start) for each in (DATA_START, BASE64_START, HEX_START, ADDRESS)):
        return True
    if len(data) > MOST_NAMES:
        return False
    text = data.decode("utf-8", "replace").strip()
    return text.lower() in NO_PICTURE or are_names([text]) or split_names(text) != [text]


def flatten_cells(cells: Iterable[object]) -> Iterator[object]:
    """Cells of pictures one by one: those of lists, and those that one text names, too."""
    for cell in cells:
        for each in map(as_written, cell if isinstance(cell, list) else (cell,)):
            yield from _split_text(each) if isinstance(each, str) else (each,)


def _split_text(text: str) -> list[str]:
    if names_none(text):
        return []
    is_data = DATA_START.match(text[:300].lstrip())
    return split_names(text) if is_data or not is_inline(text) else [text]


def read_image_text(text: str, root: Path | None) -> bytes:
    """The picture that a text is or names: a data URI, base64, a path or `file://` below `root`.

    Raises:
        UnusableImage: `address` (no network is ever reached), `bad_base64`, `too_many_bytes`,
            `path_without_root`, or as `read_image_file`.
    """
    start = text[:300].lstrip()
    if is_inline(text):
        return _decode_inline(text.strip())
    text = strip_file_uri(text)
    if start[:5].lower() != "file:" and ADDRESS.match(start):
        raise UnusableImage("address", f"{text[:100]!r} is an address; nothing is fetched")
    if root is None:
        raise UnusableImage("path_without_root", f"{text[:100]!r}; give `image_root`")
    return read_image_file(text, root)


def is_inline(text: str) -> bool:
    """Whether a text is itself a picture: a data URI, base64, or hexadecimal digits."""
    start = text[:300].lstrip()
    if DATA_START.match(start) or HEX_START.match(start):
        return True
    return bool(BASE64_START.match(start) and BASE64.fullmatch(text.strip()))


def needs_root(cell: object) -> bool:
    """Whether a cell, a text or a struct of one, can only be a path of a picture."""
    text = as_written(cell)
    if not isinstance(text, str) or text.strip().lower() in NO_PICTURE:
        return False
    return not is_inline(text) and (
        text[:5].lower() == "file:" or not ADDRESS.match(text[:300].lstrip())
    )


def list_paths(cells: Iterable[object]) -> Iterator[str]:
    """The paths that cells of pictures name; those of lists too."""
    for cell in flatten_cells(cells):
        if isinstance(cell, str) and needs_root(cell):
            yield strip_file_uri(cell)


def _decode_inline(text: str) -> bytes:
    if len(text) > MOST_TEXT:
        raise UnusableImage("too_many_bytes", f"{len(text)} characters, at most {MOST_TEXT}")
    if found := HEX_START.match(text):
        try:
            return bytes.fromhex(text[found.end("sign") :])
        except ValueError as error:
            raise UnusableImage("bad_hex", f"{text[:40]!r}...: {error}") from error
    if DATA_START.match(text):
        head = DATA_URI.match(text)
        if head is None:
            raise UnusableImage("bad_base64", f"{text[:60]!r} has no comma before its data")
        text = text[head.end() :]
        if not head[0].lower().rstrip(", ").endswith("base64"):
            return unquote_to_bytes(text)
    text = text.replace("\\n", "").replace("\\r", "")
    text = "".join(unquote(text).split()).translate({ord("-"): "+", ord("_"): "/"}).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnusableImage("bad_base64", f"{text[:40]!r}...: {error}") from error


def read_image_file(path: str, root: Path) -> bytes:
    """The bytes of a picture below `root`, named by a path relative to it or absolute.

    Nothing but a regular file below `root` is opened, and links out of it are not followed. Where
    there is no such file, its other spellings are tried (`list_spellings`), in any case of letters
    at last; paths from the root of a disk are looked for below `root` too.

    Raises:
        UnusableImage: `bad_path`, `outside_root`, `missing`, `windows_path`, `not_a_file`,
            `unreadable` or `too_many_bytes`.
    """
    try:
        return _read_below(path, root)
    except UnusableImage as error:
        is_absolute = path.startswith("/") and error.reason == "outside_root"
        if error.reason != "missing" and not is_absolute:
            raise
        spellings = list_spellings(path.lstrip("/") if is_absolute else path)
        for name in spellings:
            with contextlib.suppress(UnusableImage):
                return _read_below(name, root)
        for found in filter(None, (find_in_any_case(name, root) for name in spellings)):
            with contextlib.suppress(UnusableImage):
                return _read_below(found, root)
        if WINDOWS_PATH.match(path):
            detail = f"{path!r} is a path of Windows; give it relative to `image_root`"
            raise UnusableImage("windows_path", detail) from error
        raise


def find_in_any_case(path: str, root: Path) -> str | None:
    """The only file below a directory whose path differs in the case of letters at most."""
    found = ""
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if part == ".." or "\0" in part:
            return None
        folder = root / found
        chosen = part
        if not os.path.lexists(folder / part):
            with contextlib.suppress(OSError):
                chosen = _names_by_case(folder, folder.stat().st_mtime_ns).get(fold_name(part), "")
        if not chosen:
            return None
        found = f"{found}/{chosen}" if found else chosen
    return found or None


def fold_name(name: str) -> str:
    """A file's name without the case of its letters."""
    return unicodedata.normalize("NFC", name.casefold())


@lru_cache(maxsize=16)
def _names_by_case(folder: Path, changed: int) -> dict[str, str]:
    """The names in a directory, as it was at a time, by folded ones; empty for one of several."""
    names: dict[str, str] = {}
    for path in folder.iterdir():
        folded = fold_name(path.name)
        names[folded] = "" if folded in names else path.name
    return names


def list_spellings(path: str) -> list[str]:
    """The names that a picture's file may have, the path as it is first.

    Without spaces and quotes around it and the drive of Windows, with `/` for a backslash, without
    the `?v=2` or `#1` of an address, with `%20`, `+` and the like resolved, with accents composed
    and decomposed, as file systems differ in them, and with its suffix in capitals and in small
    letters; and with several of these changes.
    """
    found = [path]
    for change in SPELLINGS:
        found = list(dict.fromkeys([*found, *map(change, found)]))
    return found


def strip_file_uri(text: str) -> str:
    """The path in a `file://` address; another text as it is."""
    if text[:300].lstrip()[:5].lower() == "file:":
        return FILE_URI.sub("", text.strip(), count=1)
    return text


def _read_below(path: str, root: Path) -> bytes:
    try:
        base = root.resolve()
        target = (base / path).resolve()
        inside = target.is_relative_to(base)
    except (ValueError, OSError, RuntimeError) as error:
        raise UnusableImage("bad_path", f"{path!r}: {error}") from error
    if not inside:
        raise UnusableImage("outside_root", repr(path))
    return _read_regular(target, path, os.O_NOFOLLOW)


def read_trusted_file(path: Path) -> bytes:
    """The bytes of a picture that the person who asks has named, wherever it lies.

    Raises:
        UnusableImage: as `read_image_file`; a pipe or a device is not waited for.
    """
    return _read_regular(path, str(path), 0)


def _read_regular(target: Path, name: str, flags: int) -> bytes:
    """Opens without waiting, and reads what is a regular file and not too large."""
    try:
        flags |= os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(target, flags)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UnusableImage("missing", repr(name)) from error
    except (OSError, ValueError) as error:
        raise UnusableImage("bad_path", f"{name!r}: {error}") from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise UnusableImage("not_a_file", repr(name))
        if found.st_size > MOST_BYTES:
            raise UnusableImage("too_many_bytes", f"{name!r}: {found.st_size} bytes")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UnusableImage("unreadable", f"{name!r}: {error.strerror}") from error
    finally:
        os.close(descriptor)
