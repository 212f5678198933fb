"""Ids that differ in nothing that a person sees, numbers that are none, products not sold."""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.catalogue.column_types import is_text
from prodmatch.catalogue.naming import NAMED, name_some
from prodmatch.catalogue.text import strip_invisible
from prodmatch.columns.amounts import is_price
from prodmatch.columns.placeholders import is_placeholder
from prodmatch.names import name_words

MONTH = "(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
# What spreadsheets make of sizes and codes: 3-4, MAR-12, a GTIN.
AS_DATE = rf"^(\d{{1,2}}-{MONTH}|{MONTH}-\d{{2}})$"
ROUNDED = r"^\d([.,]\d+)?E\+\d\d$"
DATED = re.compile("dates?|day|month|created|updated|released?|since|until|season")
# Columns that say whether a product is sold, and what they say of one that is not.
FLAGS = {
    **dict.fromkeys(["deleted", "archived", "discontinued", "hidden", "draft", "disabled"], True),
    **dict.fromkeys(["published", "active", "enabled", "visible", "live"], False),
}
STATES = re.compile("status|state|lifecycle|visibility|published|active")
NOT_SOLD = (
    r"^\s*(?i:drafts?|archived|deleted|inactive|disabled|discontinued|hidden|unpublished|trash(ed)?|"
    r"withdrawn|removed|not visible individually)\s*$"
)
WITHDRAWN = "a product that is not sold, yet is found like the others (leave it out, or filter)"
SPOILT = {
    "a date that a spreadsheet may have made of a size or a code": AS_DATE,
    "a number that a spreadsheet may have rounded": ROUNDED,
}
EQUAL_IDS = "an id that differs from another's in case, spaces or the form of its characters only"
SPACED_ID = "an id with spaces or invisible characters around it, which others may not write"
NO_ID = "an id that stands for none"


@dataclass
class _Found:
    """How many products something is wrong with, and the first of them."""

    count: int = 0
    ids: list[str] = field(default_factory=list)

    def add(self, ids: Sequence[str]) -> None:
        self.count += len(ids)
        self.ids += ids[: NAMED - len(self.ids)]


@dataclass
class Oddities:
    """What has been found of them so far."""

    known: set[bytes] = field(default_factory=set)  # digests of ids as they look, without case
    found: dict[tuple[str, str], _Found] = field(default_factory=dict)  # by column and what it is

    def add(self, product_ids: Sequence[str], metadata: pa.RecordBatch) -> None:
        """Adds some products, whose ids are all different."""
        for name in product_ids:
            plain = " ".join(
                strip_invisible(unicodedata.normalize("NFKC", name)).casefold().split()
            )
            digest = hashlib.blake2b(plain.encode(), digest_size=8).digest()
            if digest in self.known:
                self._note("product_id", EQUAL_IDS, [name])
            elif strip_invisible(name) != name:
                self._note("product_id", SPACED_ID, [name])
            self.known.add(digest)
            if is_placeholder(name):
                self._note("product_id", NO_ID, [name])
        self._find_spoilt("product_id", pa.array(product_ids, pa.string()), product_ids)
        for position, column in enumerate(metadata.schema):
            values, kind = metadata.column(position), column.type
            self._find_withdrawn(column, values, product_ids)
            if is_text(kind):
                self._find_spoilt(column.name, values, product_ids)
                continue
            is_float = pa.types.is_floating(kind)
            checks = {"a value that is no finite number": pc.invert(pc.is_finite(values))
                      } if is_float else {}  # fmt: skip
            if is_price(column.name) and (
                is_float or pa.types.is_integer(kind) or pa.types.is_decimal(kind)
            ):
                checks["a value below zero"] = pc.less(values, pa.scalar(0, pa.int8()))
            for what, mask in checks.items():
                rows = pc.indices_nonzero(pc.fill_null(mask, False)).to_pylist()
                if rows:
                    self._note(column.name, what, [product_ids[row] for row in rows])

    def _find_withdrawn(
        self, column: pa.Field, values: pa.Array, product_ids: Sequence[str]
    ) -> None:
        words = [word for word in name_words(column.name) if word not in ("is", "product")]
        if len(words) != 1:
            return
        flag = FLAGS.get(words[0])
        if is_text(column.type) and STATES.fullmatch(words[0]):
            mask = pc.match_substring_regex(values.cast(pa.string()), NOT_SOLD)
        elif pa.types.is_boolean(column.type) and flag is not None:
            mask = pc.equal(values, flag)
        else:
            return
        rows = pc.indices_nonzero(pc.fill_null(mask, False)).to_pylist()
        if rows:
            self._note(column.name, WITHDRAWN, [product_ids[row] for row in rows])

    def _find_spoilt(self, name: str, texts: pa.Array, product_ids: Sequence[str]) -> None:
        if any(map(DATED.fullmatch, name_words(name))):
            return
        for what, pattern in SPOILT.items():
            mask = pc.match_substring_regex(texts.cast(pa.string()), pattern)
            rows = pc.indices_nonzero(pc.fill_null(mask, False)).to_pylist()
            if rows:
                self._note(name, what, [product_ids[row] for row in rows])

    def _note(self, column: str, what: str, ids: Sequence[str]) -> None:
        self.found.setdefault((column, what), _Found()).add(ids)

    def warnings(self) -> list[str]:
        """What to say of each."""
        return [
            f"{column}: {found.count} x {what} ({name_some(found.ids, found.count)})"
            for (column, what), found in self.found.items()
        ]
