"""What is found in the texts of columns: how many hold it, an example, and which products."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from prodmatch.catalogue.column_types import is_text
from prodmatch.catalogue.naming import NAMED


@dataclass
class Finding:
    """The texts of one column that hold one kind of thing."""

    count: int = 0
    example: str = ""
    ids: list[str] = field(default_factory=list)  # of the first ones, as many as are named

    def add(self, count: int, example: str, ids: Sequence[str]) -> None:
        """Adds texts that come after these."""
        self.count += count
        self.example = self.example or example
        self.ids += ids[: NAMED - len(self.ids)]


Findings = dict[tuple[str, str], Finding]  # by column and kind


def text_columns(batch: pa.RecordBatch) -> Iterator[tuple[str, pa.Array]]:
    """The name and the texts of each column of texts."""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if is_text(column.type):
            yield name, column.cast(pa.string())
