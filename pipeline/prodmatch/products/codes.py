"""Codes in columns that are not searched, such as `ean` and `mpn`: typed, they name products."""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from prodmatch.lexical.folding import fold
from prodmatch.lexical.quantities import DIGIT
from prodmatch.names import name_words
from prodmatch.products.column_storage import quote_name

COLUMN = re.compile(
    r"skus?|gtins?\d*|eans?\d*|upc[ae]?s?|mpns?|asins?|isbns?\d*|barcodes?|partn(?:o|umber)|"
    r"modeln(?:o|umber)|artn(?:o|r)|artikeln(?:r|ummer)|articlen(?:o|umber)|itemn(?:o|umber)|"
    r"oem?(?:n(?:o|r|umber))?|refs?|references?|(?:product|item|article)codes?|stylen(?:o|umber)|pzns?"
)
CODE = re.compile(r"(?=.*\d)(?=.*[a-z]).{4,40}|\d{6,40}")  # no "13" and no "4gb"
NAMES_ONE = re.compile(r"(?=\S*\d)(?=\S*[^\W\d])\S{4,}|\d{6,}")  # not "13" nor "4gb"
MOST_PIECES, LEAST_PIECED = 6, 5  # words of a code, and digits of one of several
PIECES = re.compile(r"\s*[;,|\n]\s*")  # between codes in one value: "06A 115 561 B; W 712/95"
UUID = re.compile(r"(?i)[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}")  # typed as it is, if at all
MOST_NAMES = 64  # words of a query that may be ids
LEAST_DIGITS, MOST_DIGITS = 6, 14  # of a trade item's number, without and with zeros before it
FEW_PRODUCTS = 10  # a code that more of them have names none


def is_code_column(name: str) -> bool:
    """Whether a column of this name holds codes of products."""
    words = name_words(name)
    return any(map(COLUMN.fullmatch, [*words, "".join(words[-2:])]))


def list_names(text: str) -> list[str]:
    """The text and the words in it that may be ids or codes."""
    words = text.strip().split(maxsplit=MOST_NAMES)[:MOST_NAMES]
    return [text.strip(), *filter(NAMES_ONE.fullmatch, words)]


def list_codes(text: str) -> list[str]:
    """The same and what may be a code of several words, or stands behind a name: "ean:4006"."""
    words = re.split(r"[\s:#=]+", text.strip())[:MOST_NAMES]
    runs = (
        " ".join(words[start:end])
        for start in range(len(words))
        for end in range(start + 1, min(start + MOST_PIECES, len(words)) + 1)
    )
    return list_names(text) + [run for run in runs if len(DIGIT.findall(run)) >= LEAST_PIECED]


def plain_code(text: str) -> str:
    """The letters and digits of a text, where they may be a code; else empty."""
    code = "".join(filter(str.isalnum, fold(text)))
    return code if CODE.fullmatch(code) else ""


def write_codes(connection: sqlite3.Connection, columns: Sequence[str]) -> None:
    """Writes the table `codes` of the products that stand in the database already."""
    connection.execute("CREATE TABLE codes (code TEXT, row INTEGER)")
    for name in filter(is_code_column, columns):
        column = quote_name(name)
        values = connection.execute(f"SELECT {column}, row FROM products WHERE {column} NOT NULL")
        connection.executemany("INSERT INTO codes VALUES (?, ?)", _read_codes(values))
    ids = connection.execute("SELECT product_id, row FROM products")
    connection.executemany("INSERT INTO codes VALUES (?, ?)", _read_ids(ids))
    connection.execute("CREATE INDEX codes_by_code ON codes (code)")


def rows_of_codes(connection: sqlite3.Connection, texts: Iterable[str]) -> npt.NDArray[np.int64]:
    """The rows of the products that have one of these codes, however it is written; ascending."""
    rows: set[int] = set()
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'codes'").fetchone():
        query = f"SELECT DISTINCT row FROM codes WHERE code = ? LIMIT {FEW_PRODUCTS + 1}"
        for code in {code for text in texts if (code := plain_code(text))}:
            found: list[int] = []
            for form in (code, *_zero_forms(code)):  # the first that products have
                found = found or [row for (row,) in connection.execute(query, (form,))]
            rows.update(found if len(found) <= FEW_PRODUCTS else ())
    return np.array(sorted(rows), np.int64)


def _zero_forms(code: str) -> list[str]:
    """A code of digits alone with fewer or more zeros before it, as spreadsheets cut them off."""
    plain = code.lstrip("0")
    is_long = code.isdigit() and len(plain) >= LEAST_DIGITS
    return ["0" * count + plain for count in range(MOST_DIGITS + 1 - len(plain))] if is_long else []


def _read_codes(values: Iterable[tuple[object, int]]) -> Iterator[tuple[str, int]]:
    for value, row in values:
        text = _written(value)
        codes = dict.fromkeys(map(plain_code, (text, *PIECES.split(text))))
        yield from ((code, row) for code in codes if code)


def _read_ids(ids: Iterable[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """Ids that people may write in another way: "SKU-003" as "sku003"."""
    for product_id, row in ids:
        code = "" if UUID.fullmatch(product_id) else plain_code(product_id)
        if code and product_id not in (code, code.upper()):
            yield code, row


def _written(value: object) -> str:
    """A value as people write it: a whole number of a column of doubles has no fraction."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
