"""A product file's bytes and text: compression and encoding are recognised by content."""

import codecs
import contextlib
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from prodmatch.errors import CatalogueError

HEAD_BYTES = 1 << 18
CHUNK_BYTES = 1 << 20
BOMS = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
GZIP = b"\x1f\x8b"
OTHERS = {  # what is often given instead, by its first bytes
    b"PAR1": "a Parquet file already; it needs no conversion",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook; save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save the sheet as CSV",
    b"BZh": "compressed with bzip2; decompress it, or use gzip",
    b"\xfd7zXZ": "compressed with xz; decompress it, or use gzip",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; decompress it, or use gzip",
    b"%PDF": "a PDF document",
    b"SQLite format 3": "an SQLite database; export its table as CSV",
    b"ARROW1": "an Arrow file; write it as Parquet",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"version https://git-lfs": "a Git LFS pointer; fetch the file itself with 'git lfs pull'",
}
# Bytes that are not UTF-8, as the "surrogateescape" handler shows them, read as cp1252.
ESCAPED = re.compile("[\udc80-\udcff]")
BEYOND_ASCII = re.compile("[^\x00-\x7f]")
AS_CP1252 = {
    0xDC00 + byte: bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(128, 256)
}
OTHER_ENCODINGS = ("cp1251", "gb18030", "shift_jis", "euc_kr", "big5", "cp1253", "cp1255", "cp1256")
SIMILAR_ENCODINGS = ("cp1250", "mac_roman")  # whose letters look Western, too
WORD = re.compile(r"[^\s,;|\"]*[^\x00-\x7f][^\s,;|\"]*")
RUN = re.compile(rb"[\x80-\xff]{3,}")
FEWEST_JOINED = 6  # bytes of such runs, that tell anything
SHOWN_BYTES = 24
UNDEFINED = b"\x81\x8d\x8f\x90\x9d"  # in cp1252


@dataclass(frozen=True)
class Source:
    """A product file that can be read any number of times."""

    path: Path
    compression: str | None  # "gzip"
    encoding: str
    stray_bytes: int = 0  # that are not UTF-8 in a file that otherwise is
    is_western: bool = True  # of cp1252 and latin-1: whether their letters are likely ones
    is_given: bool = False  # whether the encoding was given, which an XML's own gives way to

    @contextlib.contextmanager
    def open_bytes(self) -> Iterator[BinaryIO]:
        """The decompressed bytes.

        Raises:
            CatalogueError: the file cannot be read to its end, or is not in its encoding.
        """
        try:
            with self.path.open("rb") as file:
                if self.compression:
                    with gzip.GzipFile(fileobj=file) as plain:
                        yield cast(BinaryIO, plain)
                else:
                    yield file
        except (OSError, EOFError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or error
            raise CatalogueError(
                f"{self.path}: cannot be read to its end ({reason}). Write the file again."
            ) from error
        except UnicodeError as error:
            raise CatalogueError(
                f"{self.path}: is not {self.encoding} ({error}). Give its `encoding`."
            ) from error

    @contextlib.contextmanager
    def open_text(self) -> Iterator[TextIO]:
        """The text, its ends of lines as they are."""
        with self.open_bytes() as file:
            errors = "surrogateescape" if self.stray_bytes else "strict"
            buffered = io.BufferedReader(cast(io.RawIOBase, file), CHUNK_BYTES)
            with io.TextIOWrapper(buffered, self.encoding, errors, newline="") as text:
                yield text

    def repair(self, text: str) -> str:
        """Text of `open_text` with bytes that are not UTF-8 read as cp1252."""
        return text.translate(AS_CP1252) if self.stray_bytes and ESCAPED.search(text) else text

    @cached_property
    def head(self) -> str:
        """The text's first characters."""
        with self.open_text() as text:
            return self.repair(text.read(HEAD_BYTES))


def open_source(path: Path, encoding: str | None = None) -> Source:
    """A file with its compression and encoding; all of it is read to tell the encoding.

    Raises:
        CatalogueError: there is no such file, it is empty, or it holds no text.
    """
    if not path.exists():
        raise CatalogueError(f"{path}: there is no such file.")
    if not path.is_file():  # a pipe would be waited for
        raise CatalogueError(f"{path}: is no regular file. Write the products to one.")
    plain = Source(path, None, "binary")
    with plain.open_bytes() as file:
        compression = "gzip" if file.read(2) == GZIP else None
    source = Source(path, compression, "binary")
    with source.open_bytes() as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise CatalogueError(f"{path}: is empty; it has no rows. Export it again.")
    for start, what in OTHERS.items():
        if head.startswith(start):
            raise CatalogueError(f"{path}: is {what}.")
    if encoding is not None:
        return Source(path, compression, _check_encoding(encoding, path), is_given=True)
    marked = next((name for bom, name in BOMS if head.startswith(bom)), None) or _find_utf16(head)
    if marked:
        return Source(path, compression, marked)
    if b"\0" in head:
        raise CatalogueError(f"{path}: holds NUL bytes, so it is no text. Give CSV, JSON or XML.")
    return _tell_utf8(source)


def _check_encoding(encoding: str, path: Path) -> str:
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)
    except (LookupError, ValueError) as error:
        raise CatalogueError(
            f"{path}: `encoding={encoding}`: is not known; try utf-8, cp1252 or utf-16."
        ) from error
    return "utf-8-sig" if name == "utf-8" else name


def _find_utf16(head: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of Latin text is zero."""
    sample = head[: 4096 - 4096 % 2]
    half = max(1, len(sample) // 2)
    even, odd = sample[::2].count(0) / half, sample[1::2].count(0) / half
    if odd > 0.4 and even < 0.05:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 and odd < 0.05 else None


def _tell_utf8(source: Source) -> Source:
    """UTF-8, with some stray bytes perhaps; or else the code page of Western Windows."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    wide = stray = joined = 0
    undefined = False
    with source.open_bytes() as file:
        while chunk := file.read(CHUNK_BYTES):
            text = decoder.decode(chunk)
            joined += sum(map(len, RUN.findall(chunk)))
            if not text.isascii():
                escaped = ESCAPED.findall(text)
                stray += len(escaped)
                wide += len(BEYOND_ASCII.findall(text)) - len(escaped)
                undefined = undefined or any(ord(mark) - 0xDC00 in UNDEFINED for mark in escaped)
    stray += len(decoder.decode(b"", final=True))
    if stray > wide:
        encoding = "latin-1" if undefined else "cp1252"
        western = joined < max(FEWEST_JOINED, (stray + 2 * wide) / 2)
        return Source(source.path, source.compression, encoding, is_western=western)
    return Source(source.path, source.compression, "utf-8", stray)


def require_western(source: Source) -> None:
    """Raise for text of another alphabet, whose bytes were taken for Western letters.

    Raises:
        CatalogueError: letters beyond ASCII stand next to one another, as they seldom do in the
            languages that cp1252 is for.
    """
    if source.is_western:
        return
    with source.open_bytes() as file:
        head = file.read(HEAD_BYTES).rpartition(b"\n")[0]
    run = RUN.search(head)
    shown = head[run.start() :][:SHOWN_BYTES] if run else head[:SHOWN_BYTES]
    found = []
    for name in OTHER_ENCODINGS:
        with contextlib.suppress(UnicodeError):
            head.decode(name)
            found.append(f"{name} ({shown.decode(name, 'ignore').split()[0]!r})")
    raise CatalogueError(
        f"{source.path}: is not UTF-8, and its letters are not Western. Give its `encoding`; it "
        f"can be read as {', '.join(found) or 'none of those tried'}."
    )


def describe_reading(source: Source) -> str:
    """What a text of Western letters was read as, with a word that shows whether that is right."""
    words = WORD.findall(source.head)
    readings = [[_read_as(name, word, source) for name in SIMILAR_ENCODINGS] for word in words]
    differing = (place for place, read in enumerate(readings) if read[0] != words[place])
    place = next(differing, 0)
    shown = f"not UTF-8; read as {source.encoding}"
    if words:
        read = zip(SIMILAR_ENCODINGS, readings[place], strict=True)
        others = ", ".join(f"{name} {text[:SHOWN_BYTES]!r}" for name, text in read)
        shown += f", as in {words[place][:SHOWN_BYTES]!r} (it would be in {others})"
    return f"{shown}; give another `encoding` if that is wrong"


def _read_as(encoding: str, text: str, source: Source) -> str:
    return text.encode(source.encoding, "replace").decode(encoding, "replace")
