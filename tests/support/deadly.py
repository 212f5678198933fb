"""Pictures that kill, stop or delay the process that decodes them; importable by every process."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from prodmatch.catalogue.reader import Batch, Catalogue

HARMS = ("segv", "kill", "stop", "exit", "sleep")


class Deadly(bytes):
    """A picture's bytes that do harm when a decoder looks at them."""

    harm: str = ""

    def startswith(self, *arguments: object) -> bool:  # type: ignore[override]
        if self.harm == "segv":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif self.harm == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.harm == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif self.harm == "exit":
            os._exit(3)
        time.sleep(1000)
        return False


def deadly(harm: str) -> Deadly:
    """A picture that does this harm."""
    made = Deadly(b"\x89PNG " + harm.encode())
    made.harm = harm
    return made


@dataclass(frozen=True)
class Gallery:
    """Pictures in memory, as a catalogue would give them."""

    cells: tuple[bytes, ...]
    name: str = "gallery"

    def pictures(self, rows: npt.NDArray[np.int64]) -> Iterator[tuple[int, bytes | None]]:
        """The pictures of these rows."""
        for row in rows.tolist():
            yield row, self.cells[row]


class Spoiled(Catalogue):
    """A catalogue one of whose pictures does harm to its decoder; for the jobs that read one."""

    row: int
    harm: str

    def part_batches(self, position: int, earlier_ids: set[bytes] | None = None) -> Iterator[Batch]:
        """The rows, with the harmful picture."""
        for batch in super().part_batches(position, earlier_ids):
            images = [
                deadly(self.harm) if row == self.row else data
                for row, data in zip(batch.rows.tolist(), batch.images, strict=True)
            ]
            yield replace(batch, images=images)

    def pictures(self, rows: npt.NDArray[np.int64]) -> Iterator[tuple[int, bytes | None]]:
        """The pictures, with the harmful one."""
        for row, data in super().pictures(rows):
            yield row, deadly(self.harm) if row == self.row else data


def spoil(catalogue: Catalogue, row: int, harm: str) -> Spoiled:
    """The catalogue with a picture that does harm."""
    spoiled = Spoiled(**{part.name: getattr(catalogue, part.name) for part in fields(catalogue)})
    object.__setattr__(spoiled, "row", row)
    object.__setattr__(spoiled, "harm", harm)
    return spoiled
