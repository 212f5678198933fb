"""The files of a catalogue: one, or all below a directory; what is passed over is named."""

import contextlib
import mimetypes
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from prodmatch.errors import CatalogueError

ENDINGS = (".parquet", ".pq")  # in any case
PARQUET = b"PAR1"  # a file's first bytes
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"  # as Hive, Spark and Arrow write a null
TABLE_LOGS = {"_delta_log": "Delta", ".hoodie": "Hudi"}
ICEBERG = ".metadata.json"
MOST_NAMED = 5  # of what is passed over for one reason


@dataclass(frozen=True)
class FoundFile:
    """A Parquet file, and the texts of the `key=value` folders that it lies in."""

    path: Path
    keys: Mapping[str, str | None]
    name: str  # for messages


@dataclass(frozen=True)
class FoundFiles:
    """The files of a catalogue in the order of their paths, and warnings of what is passed over."""

    files: Sequence[FoundFile]
    warnings: tuple[str, ...] = ()


def find_files(
    path: Path, name: str | None = None, *, image_root: Path | str | None = None
) -> FoundFiles:
    """The Parquet file at `path`, or all below that directory.

    Args:
        name: what messages call it; the path if None.
        image_root: the directory of the catalogue's pictures, which may lie below `path`.

    Names that begin with `_` or `.` are skipped, `_key=value` folders excepted. Links are followed.
    Files of other endings, empty files, links that lead nowhere and whatever is no file are passed
    over with a warning, but for pictures below `image_root`.

    Raises:
        CatalogueError: there is nothing at `path`, no Parquet file below it, or a directory that
            cannot be listed.
    """
    called = str(path) if name is None else name
    if path.is_dir():
        walk = _Walk(path, name, None if image_root is None else Path(image_root).resolve())
        walk.enter(path, {})
        if not walk.files:
            passed = "".join(f" {warning}" for warning in walk.warnings())
            raise CatalogueError(
                f"{called}: holds no file that ends in .parquet or .pq, but for names that begin "
                f"with . or _, which are skipped.{passed}"
                if walk.has_hidden
                else f"{called}: holds no file that ends in .parquet or .pq.{passed}"
            )
        return FoundFiles(walk.files, tuple(walk.warnings()))
    if not path.exists():
        raise CatalogueError(f"{called}: there is no such file or directory.")
    if not path.is_file():  # a pipe would be waited for
        raise CatalogueError(f"{called}: is no regular file. Write the catalogue to one.")
    return FoundFiles([FoundFile(path, {}, called)])


@dataclass
class _Walk:
    """A pass over a directory, each file and each folder once, whatever links lead to it."""

    root: Path
    name: str | None  # for messages, where it is not the path
    image_root: Path | None  # resolved
    files: list[FoundFile] = field(default_factory=list)
    passed_over: dict[str, list[str]] = field(default_factory=dict)  # names by reason
    table_log: str | None = None
    visited: set[tuple[int, int]] = field(default_factory=set)
    has_hidden: bool = False  # whether a name was skipped

    def enter(self, folder: Path, keys: Mapping[str, str | None]) -> None:
        try:
            names = sorted(path.name for path in folder.iterdir())
        except OSError as error:
            raise CatalogueError(
                f"{folder}: cannot be listed ({error.strerror}). Make it readable."
            ) from error
        self.table_log = self.table_log or next(filter(None, map(TABLE_LOGS.get, names)), None)
        if folder.name == "metadata" and any(name.endswith(ICEBERG) for name in names):
            self.table_log = "Iceberg"
        for name in names:
            if name[0] != "." and (name[0] != "_" or "=" in name):
                self._visit(folder / name, keys)
            else:
                self.has_hidden = True

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
        elif not is_parquet(path.name):
            if not self._is_picture(path):
                self._pass_over(path, _name_other(path))
        elif not found.st_size:
            self._pass_over(path, "empty files")
        elif self._is_new(path, identity):
            relative = path.relative_to(self.root)
            name = str(path) if self.name is None else f"{self.name}/{relative}"
            self.files.append(FoundFile(path, keys, name))

    def _is_picture(self, path: Path) -> bool:
        """Whether a file is one of the pictures that the catalogue's paths are of, by its name."""
        is_image = (mimetypes.guess_type(path.name)[0] or "").startswith("image/")
        root = self.image_root
        return is_image and root is not None and path.resolve().is_relative_to(root)

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
        return describe_passed_over(self.name or str(self.root), self.passed_over, self.table_log)


def is_parquet(name: str) -> bool:
    """Whether a file's name is that of a Parquet file."""
    return name.lower().endswith(ENDINGS)


def describe_passed_over(
    name: str, passed_over: Mapping[str, Sequence[str]], table_log: str | None
) -> list[str]:
    """Warnings of what is passed over in a directory: a line for each reason, with the first names.

    Args:
        passed_over: names by reason.
        table_log: the kind of table whose log it has.
    """
    lines = []
    for reason, names in passed_over.items():
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        lines.append(f"{name}: passed over, as {reason}: {', '.join(names[:MOST_NAMED])}{more}.")
    if table_log:
        lines.append(
            f"{name}: is {_article(table_log)} {table_log} table, whose log is not read: rows that "
            "it removed count as products. Give a plain copy of its newest version."
        )
    return lines


def _name_other(path: Path) -> str:
    """What a file is whose name does not end as that of a Parquet file."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        if file.read(len(PARQUET)) == PARQUET:
            return "Parquet files that do not end in .parquet or .pq (rename them)"
    return "files that do not end in .parquet or .pq"


def _article(name: str) -> str:
    return "an" if name[0] in "AEIOU" else "a"


def _read_key(name: str) -> dict[str, str | None]:
    """The key and value of a folder called `key=value`; empty for another."""
    key, equals, value = name.partition("=")
    if not (key and equals):
        return {}
    return {unquote(key): None if value in ("", NO_VALUE) else unquote(value)}
