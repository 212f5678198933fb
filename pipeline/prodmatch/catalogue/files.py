"""The files of a catalogue: one, or all below a directory; what is passed over is named."""

import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from prodmatch.errors import CatalogueError

ENDINGS = (".parquet", ".pq")  # in any case
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"  # as Hive, Spark and Arrow write a null
TABLE_LOGS = {"_delta_log": "Delta", ".hoodie": "Hudi"}
MOST_NAMED = 5  # of what is passed over for one reason


@dataclass(frozen=True)
class FoundFile:
    """A Parquet file, and the texts of the `key=value` folders that it lies in."""

    path: Path
    keys: Mapping[str, str | None]


@dataclass(frozen=True)
class FoundFiles:
    """The files of a catalogue in the order of their paths, and warnings of what is passed over."""

    files: Sequence[FoundFile]
    warnings: tuple[str, ...] = ()


def find_files(path: Path) -> FoundFiles:
    """The Parquet file at `path`, or all below that directory.

    Names that begin with `_` or `.` are skipped, `_key=value` folders excepted. Links are followed.
    Files of other endings, empty files, links that lead nowhere and whatever is no file are passed
    over with a warning.

    Raises:
        CatalogueError: there is nothing at `path`, no Parquet file below it, or a directory that
            cannot be listed.
    """
    if path.is_dir():
        walk = _Walk(path)
        walk.enter(path, {})
        if not walk.files:
            passed = "".join(f" {warning}" for warning in walk.warnings())
            raise CatalogueError(f"{path}: holds no file that ends in .parquet or .pq.{passed}")
        return FoundFiles(walk.files, tuple(walk.warnings()))
    if not path.exists():
        raise CatalogueError(f"{path}: there is no such file or directory.")
    if not path.is_file():  # a pipe would be waited for
        raise CatalogueError(f"{path}: is no regular file. Write the catalogue to one.")
    return FoundFiles([FoundFile(path, {})])


@dataclass
class _Walk:
    """A pass over a directory, each file and each folder once, whatever links lead to it."""

    root: Path
    files: list[FoundFile] = field(default_factory=list)
    passed_over: dict[str, list[str]] = field(default_factory=dict)  # names by reason
    table_log: str | None = None
    visited: set[tuple[int, int]] = field(default_factory=set)

    def enter(self, folder: Path, keys: Mapping[str, str | None]) -> None:
        try:
            names = sorted(path.name for path in folder.iterdir())
        except OSError as error:
            raise CatalogueError(
                f"{folder}: cannot be listed ({error.strerror}). Make it readable."
            ) from error
        self.table_log = self.table_log or next(filter(None, map(TABLE_LOGS.get, names)), None)
        for name in names:
            if name[0] != "." and (name[0] != "_" or "=" in name):
                self._visit(folder / name, keys)

    def _visit(self, path: Path, keys: Mapping[str, str | None]) -> None:
        try:
            found = path.stat()
        except OSError:
            self._pass_over(path, "links that lead nowhere")
            return
        identity = (found.st_dev, found.st_ino)
        if stat.S_ISDIR(found.st_mode):
            if self._is_new(path, identity):
                self.enter(path, {**keys, **_read_key(path.name)})
        elif not stat.S_ISREG(found.st_mode):
            self._pass_over(path, "no regular files")
        elif not path.name.lower().endswith(ENDINGS):
            self._pass_over(path, "files that do not end in .parquet or .pq")
        elif not found.st_size:
            self._pass_over(path, "empty files")
        elif self._is_new(path, identity):
            self.files.append(FoundFile(path, keys))

    def _is_new(self, path: Path, identity: tuple[int, int]) -> bool:
        if identity in self.visited:
            self._pass_over(path, "other names of what is read already")
            return False
        self.visited.add(identity)
        return True

    def _pass_over(self, path: Path, reason: str) -> None:
        self.passed_over.setdefault(reason, []).append(repr(str(path.relative_to(self.root))))

    def warnings(self) -> list[str]:
        """A line for each reason, with the first names."""
        lines = []
        for reason, names in self.passed_over.items():
            more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
            lines.append(
                f"{self.root}: passed over, as {reason}: {', '.join(names[:MOST_NAMED])}{more}."
            )
        if self.table_log:
            lines.append(
                f"{self.root}: is a {self.table_log} table, whose log is not read: rows that it "
                "removed count as products. Give a plain copy of its newest version."
            )
        return lines


def _read_key(name: str) -> dict[str, str | None]:
    """The key and value of a folder called `key=value`; empty for another."""
    key, equals, value = name.partition("=")
    if not (key and equals):
        return {}
    return {unquote(key): None if value in ("", NO_VALUE) else unquote(value)}
