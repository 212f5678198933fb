"""Pictures in memory, as a catalogue gives them; the processes that decode import this."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pictures:
    """Pictures by their rows."""

    data: Sequence[bytes]
    name: str = "pictures"

    def pictures(self, rows: np.ndarray) -> Iterator[tuple[int, bytes]]:
        """Each row with its bytes."""
        for row in rows.tolist():
            yield row, self.data[row]
