"""Columns of labels: texts of which few are different, such as colours and brands."""

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

MOST_LABELS = 1000  # different texts of a column that is compared


@dataclass
class LabelReader:
    """Reads a column of text, batch by batch, while few of its texts are different."""

    _parts: list[pa.DictionaryArray] = field(default_factory=list)
    _is_dropped: bool = False

    def add(self, texts: pa.Array, filled: pa.BooleanArray) -> None:
        """Reads texts; those that are not filled are none."""
        if self._is_dropped:
            return
        coded = pc.if_else(filled, texts.cast(pa.string()), None).dictionary_encode()
        self._parts.append(coded)
        self._is_dropped = len(coded.dictionary) > MOST_LABELS

    def finish(self) -> pa.DictionaryArray | None:
        """The column, null where it has no text; None where too many are different."""
        if self._is_dropped or not self._parts:
            return None
        column = pa.chunked_array(self._parts).unify_dictionaries().combine_chunks()
        return None if len(column.dictionary) > MOST_LABELS else column
