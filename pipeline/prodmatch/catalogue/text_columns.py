"""The text columns of a catalogue as the one text of every product, a batch at a time."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.catalogue.text import MOST_CHARACTERS, clean_text

# Printable ASCII in single spaces, without the signs of markup: `clean_text` gives it as it is.
CLEAN = r"^[!-%'-;=-~]+(?: [!-%'-;=-~]+)*$"


def join_texts(columns: Sequence[pa.Array], rows: int) -> list[str]:
    """The cleaned texts of each row, joined; empty where it has none.

    Args:
        columns: `(rows,)` each, of types that are texts or can be cast to them.
        rows: how many there are, as there may be no column.
    """
    cleaned = [_clean(column.cast(pa.string())) for column in columns]
    if len(cleaned) == 1:
        return [text[:MOST_CHARACTERS] for text in cleaned[0]]
    if not cleaned:
        return [""] * rows
    return [
        ". ".join([part for part in parts if part])[:MOST_CHARACTERS]
        for parts in zip(*cleaned, strict=True)
    ]


def _clean(column: pa.StringArray) -> list[str]:
    texts: list[str] = pc.fill_null(column, "").to_pylist()
    short = pc.less_equal(pc.binary_length(column), MOST_CHARACTERS)
    clean = pc.and_kleene(short, pc.match_substring_regex(column, CLEAN))
    for row in pc.indices_nonzero(pc.invert(pc.fill_null(clean, False))).to_pylist():
        texts[row] = clean_text(texts[row])
    return texts
