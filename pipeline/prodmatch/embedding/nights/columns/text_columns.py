"""Columns of text that are compared by digests: titles, codes, addresses, descriptions."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prodmatch.names import is_title_name
from prodmatch.products.codes import is_code_column

Digests = npt.NDArray[np.uint32]
SPREADSHEET = re.compile(r"""^=?["'](.*?)["']?$""")
SCIENTIFIC = re.compile(r"\d(?:[.,]\d+)?[eE]\+?\d+")
WRAPPED = re.compile(r"""b(['"]).*\1|\{.*\}|\[.*\]""", re.DOTALL)
MISREAD = re.compile(
    "\ufffd|[\u00c2\u00c3][\u0080-\u00bf]|\u00e2\u20ac|[\x00-\x08]|"
    r"\\u[0-9a-f]{4}|\\x[0-9a-f]{2}|[^\W\d_]\?[^\W\d_]"
)
ONE_WORD = re.compile(r"[!-~]{2,}")
ROUNDED_CODE = re.compile(r"[1-9]\d{4,}000")
FRACTION = re.compile(r"\d(?![.,]\d{3}(?!\d))[.,]\d+|(?<!\d)0[.,]\d+")  # with the digit before it
NO_ASCII_SIGN = {code: None for code in range(128) if not chr(code).isalnum()}
# What stands between the digits of a number, but for thousands: 12.3, 1/2, 10-12, 0.125, not 1,299.
NUMBER_MARK = re.compile(r"\d(?!['.,]\d{3}(?!\d))\s?[^\w\s]\s?(?=\d)|(?<!\d)0[.,](?=\d{3}(?!\d))")
MOST_LENGTH = 65535
MOST_MARKS = 255


class Form(IntEnum):
    """How a title or a code is written, where that is odd; others are `USUAL`."""

    USUAL = 0
    WRAPPED = 1  # as a program writes a value: b'Red mug', {"en": "Red mug"}
    MISREAD = 2  # in a wrong encoding
    NO_LETTERS = 3
    ONE_WORD = 4
    FRACTION = 5  # a code with a fraction: 4006381333931.0
    SCIENTIFIC = 6  # 4.00638E+12
    SPREADSHEET = 7  # ="0123", '0123
    ROUNDED = 8  # 4006381333000


@dataclass(frozen=True)
class TextColumn:
    """A column of text, `(n,)` each; rows without text have 0 everywhere.

    Digests tell texts apart by 32 bits, which is enough for shares of products, and only within
    one process.
    """

    digests: Digests
    # Of codes without a fraction, a spreadsheet's marks and zeros in front, of others the letters
    # and digits alone.
    plain: Digests
    whole: Digests  # the same of texts whose numbers have no fractions
    ascii: Digests  # and of texts without letters that are not ASCII
    marks: npt.NDArray[np.uint8]  # between the digits of numbers; 0 of codes
    lengths: npt.NDArray[np.uint16]
    forms: npt.NDArray[np.uint8]  # of titles and codes; else all `Form.USUAL`

    def select(self, rows: npt.NDArray[np.int64]) -> "TextColumn":
        """The column of some of the rows."""
        return TextColumn(*(column[rows] for column in vars(self).values()))

    @property
    def distinct(self) -> int:
        """How many different texts there are."""
        return len(np.unique(self.digests[self.digests > 0]))

    @property
    def filled(self) -> int:
        """How many rows have a text."""
        return int((self.digests > 0).sum())


class _Describe(Protocol):
    def __call__(self, text: str) -> tuple[str, Form]: ...


def read_texts(name: str, batches: Iterable[pa.RecordBatch], most: int | None = None) -> TextColumn:
    """A column of text by its digests; memory is 20 bytes a row and one batch.

    Args:
        most: characters of each text that are read.
    """
    parts = [_describe_all(name, [])]
    for batch in batches:
        coded = batch[name].dictionary_encode()
        texts = [text.strip()[:most].strip() for text in coded.dictionary.to_pylist()]
        codes = coded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
        parts.append(_describe_all(name, [*texts, ""]).select(codes))  # null is no text
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return TextColumn(*map(np.concatenate, columns))


def _describe_all(name: str, texts: Sequence[str]) -> TextColumn:
    describe = _describe_of(name)
    described = [(text, *describe(text)) for text in texts]
    most_marks = 0 if is_code_column(name) else MOST_MARKS
    whole = (_plain_whole(text, plain) for text, plain, _ in described)
    ascii_only = (p if text.isascii() else _plain(_ascii_of(text)) for text, p, _ in described)
    marks = [min(len(NUMBER_MARK.findall(text)), most_marks) for text in texts]
    return TextColumn(
        np.array([*map(_digest, texts)], np.uint32),
        np.array([_digest(plain) for _, plain, _ in described], np.uint32),
        np.array([*map(_digest, whole)], np.uint32),
        np.array([*map(_digest, ascii_only)], np.uint32),
        np.array(marks, np.uint8),
        np.array([min(len(text), MOST_LENGTH) for text in texts], np.uint16),
        np.array([form if text else Form.USUAL for text, _, form in described], np.uint8),
    )


def digest_ids(ids: pa.Array) -> Digests:
    """The digests that ids have as texts."""
    return np.array([_digest(name) for name in ids.to_pylist()], np.uint32)


def _digest(text: str) -> int:
    return hash(text) & 0xFFFFFFFF or 1 if text else 0


def _describe_of(name: str) -> _Describe:
    if is_code_column(name):
        return _describe_code
    form = _form_of_title if is_title_name(name) else lambda text: Form.USUAL
    return lambda text: (_plain(text), form(text))


def _plain_whole(text: str, plain: str) -> str:
    """The letters and digits of a text whose numbers lose their fractions."""
    if not FRACTION.search(text):
        return plain
    return _plain(FRACTION.sub(lambda found: found[0][:1], text))


def _ascii_of(text: str) -> str:
    return text.encode("ascii", "ignore").decode()


def _plain(text: str) -> str:
    if text.isascii():  # ten times as fast
        return text.casefold().translate(NO_ASCII_SIGN)
    return "".join(filter(str.isalnum, text.casefold()))


def _form_of_title(text: str) -> Form:
    if not any(map(str.isalpha, text)):
        return Form.NO_LETTERS
    if WRAPPED.fullmatch(text):
        return Form.WRAPPED
    if MISREAD.search(text):
        return Form.MISREAD
    return Form.ONE_WORD if ONE_WORD.fullmatch(text) else Form.USUAL


def _describe_code(text: str) -> tuple[str, Form]:
    if SCIENTIFIC.fullmatch(text):
        return text, Form.SCIENTIFIC
    bare = text
    form = Form.USUAL
    if found := SPREADSHEET.fullmatch(text):
        bare, form = found[1], Form.SPREADSHEET
    whole, point, fraction = bare.partition(".")
    if point and whole.isdigit() and not fraction.strip("0"):
        bare, form = whole, Form.FRACTION
    if form == Form.USUAL and ROUNDED_CODE.fullmatch(bare):
        form = Form.ROUNDED
    return bare.lstrip("0"), form
