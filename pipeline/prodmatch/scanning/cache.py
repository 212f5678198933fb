"""The rows of the catalogue's files from earlier nights: a file that is unchanged is not read.

A file counts as unchanged where its inode, size, times and footer are the same, and it was written
long enough before it was read that its times would tell of another writing.
"""

import hashlib
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from prodmatch.catalogue.part_checks import may_hold_paths
from prodmatch.catalogue.parts import Part
from prodmatch.catalogue.reader import Catalogue
from prodmatch.scanning.scan import NOTES, PartNotes, ScannedPart
from prodmatch.storage.atomic import digest_bytes, digest_file, new_file, remove_path

FORMAT = "2"  # raise it when the same file would give other rows
SETTLED_SECONDS = 2.0  # between the last writing and the reading; some clocks tick as slowly
FOOTER_END_BYTES = 8  # its length and a mark


@dataclass(frozen=True)
class ScanCache:
    """Files of usable rows in a directory, named by what they are of and by their own digest."""

    folder: Path
    settled_seconds: float = SETTLED_SECONDS  # a file written later is read

    def find(self, key: str) -> ScannedPart | None:
        """The rows of the file that the key is of, where there are any."""
        for path in self.folder.glob(f"{key}-*.parquet"):
            if digest_file(path)[:32] == path.stem.rpartition("-")[2]:
                notes = (pq.read_metadata(path).metadata or {}).get(NOTES)
                if notes is not None:
                    return ScannedPart(path, PartNotes.from_json(notes))
        return None

    def key(self, catalogue: Catalogue, position: int) -> str | None:
        """What the rows come from, as 32 digits; None where a file alone does not tell that."""
        part, mapping = catalogue.parts[position], catalogue.mapping
        if may_hold_paths(part.types.get(mapping.image or "")):
            return None  # the pictures lie in other files
        keys = {name: (str(value.type), str(value)) for name, value in part.keys.items()}
        state = part.path.stat()
        if time.time() - max(state.st_mtime, state.st_ctime) < self.settled_seconds:
            return None
        stated = [FORMAT, *_describe_state(part.path), str(part.schema), str(keys), repr(mapping)]
        return digest_bytes(*(text.encode() for text in stated), _footer(part))[:32]

    def keep(self, keys: Sequence[str | None], parts: Sequence[ScannedPart]) -> None:
        """Keeps the files of tonight's parts for later nights, and no others."""
        kept = {part.path for part in parts if part.path.parent == self.folder}
        for key, part in zip(keys, parts, strict=True):
            if key is not None and part.path not in kept and part.notes.are_few:
                target = self.folder / f"{key}-{digest_file(part.path)[:32]}.parquet"
                with part.path.open("rb") as rows, new_file(target) as file:
                    shutil.copyfileobj(rows, file)
                kept.add(target)
        _remove(path for path in self.folder.glob("*") if path not in kept)


def _describe_state(path: Path) -> list[str]:
    state = path.stat()
    numbers = (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    return list(map(str, numbers))


def _footer(part: Part) -> bytes:
    """The digest of a file's footer, which tells where every column of every row group lies."""
    with part.path.open("rb") as file:
        file.seek(-FOOTER_END_BYTES, 2)
        length = int.from_bytes(file.read(4), "little")
        file.seek(-min(length + FOOTER_END_BYTES, part.path.stat().st_size), 2)
        return hashlib.sha256(file.read()).digest()


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        remove_path(path)
