"""Texts with the marks of the program that wrote them: tags, entities, escapes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.catalogue.naming import NAMED, name_some
from prodmatch.columns.findings import Finding, Findings, text_columns

ESCAPES = r"\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}|\\[nrt](?:[^a-z]|$)|%20|%C3%[89AB][0-9A-F]"
TAGS = (
    r"(?i)</?(?:b|i|u|p|br|em|strong|small|su[bp]|span|div|font|a|img|[uo]l|li|h[1-6])"
    r"(?:\s+[\w-]+=[^<>]*)?\s*/?>"
)
ENTITIES = r"&(?:[A-Za-z]{2,8}|#[0-9]{2,5}|#x[0-9A-Fa-f]{2,4});"
SHOWN = 40  # characters of an example
KINDS = {  # by what is found: the pattern, and what becomes of it
    "escapes": (ESCAPES, "they are searched and shown as they stand"),
    "tags": (TAGS, "they are shown, though not searched"),
    "entities": (ENTITIES, "they are shown as they stand, though searched as what they stand for"),
}


@dataclass
class Markup:
    """What has been found of it so far; tags and entities count in titles only.

    Attributes:
        titles: the columns that hold no markup by right, as descriptions do.
    """

    titles: Sequence[str]
    found: Findings = field(default_factory=dict)

    def add(self, product_ids: Sequence[str], metadata: pa.RecordBatch) -> None:
        """Adds the text columns of some products."""
        for name, texts in text_columns(metadata):
            for kind in KINDS if name in self.titles else ("escapes",):
                rows = pc.indices_nonzero(pc.match_substring_regex(texts, KINDS[kind][0]))
                if len(rows):
                    example = texts[rows[0].as_py()].as_py()[:SHOWN]
                    ids = [product_ids[row] for row in rows[:NAMED].to_pylist()]
                    self.found.setdefault((name, kind), Finding()).add(len(rows), example, ids)

    def warnings(self) -> list[str]:
        """What to say of each column."""
        return [
            f"{name}: {found.count} {'text holds' if found.count == 1 else 'texts hold'} {kind} "
            f"('{found.example}'; {name_some(found.ids, found.count)}): {KINDS[kind][1]}. "
            "Export the catalogue as plain text"
            for (name, kind), found in self.found.items()
        ]
