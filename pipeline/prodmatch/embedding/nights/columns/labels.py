"""Columns of labels: texts of which few are different, such as colours and brands."""

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

MOST_LABELS = 1000  # different texts of a column that is compared
MOST_CHARACTERS = 200  # of a label


@dataclass
class LabelReader:
    """Reads a column of text, batch by batch, while its texts are short and few are different."""

    _known: set[str] = field(default_factory=set)
    _parts: list[pa.DictionaryArray] = field(default_factory=list)
    _is_dropped: bool = False

    def add(self, texts: pa.Array, filled: pa.BooleanArray) -> None:
        """Reads texts; those that are not filled are none."""
        if self._is_dropped:
            return
        coded = pc.if_else(filled, texts.cast(pa.string()), None).dictionary_encode()
        self._known.update(coded.dictionary.to_pylist())
        self._parts.append(coded)
        if (
            len(self._known) > MOST_LABELS
            or max(map(len, self._known), default=0) > MOST_CHARACTERS
        ):
            self._is_dropped = True
            self._known.clear()
            self._parts.clear()

    def finish(self) -> pa.DictionaryArray | None:
        """The column, null where it has no text; None where too many are different."""
        if self._is_dropped or not self._parts:
            return None
        return pa.chunked_array(self._parts).unify_dictionaries().combine_chunks()
