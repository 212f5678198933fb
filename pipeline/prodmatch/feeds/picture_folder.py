"""The pictures of a folder, matched to products by the names of their files."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from prodmatch.errors import CatalogueError

ENDINGS = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".avif")
# What stands after a product's value: SKU_1, SKU-02, SKU (3), SKU_front.
NUMBERED = re.compile(
    r"[ _.\-]*\(\d{1,3}\)$|"
    r"[ _.\-]+(\d{1,3}|[a-z]|front|back|side|left|right|top|bottom|main|detail|"
    r"alt|zoom|large|small|thumb|hero|image|img|photo)$",
    re.IGNORECASE,
)
EXAMPLES = 5


@dataclass
class FolderMatches:
    """Files below the folder by the value that they are named by, a product's first one first."""

    files: dict[str, list[str]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)  # bytes by value
    file_count: int = 0
    unmatched: list[str] = field(default_factory=list)  # the first ones
    unmatched_count: int = 0
    other_endings: Counter[str] = field(default_factory=Counter)


def match_pictures(folder: Path, values: Iterable[str]) -> FolderMatches:
    """The pictures below a folder for these values, such as SKUs.

    A file is a value's if its name is the value, in any case, with a number or a word such as
    `front` after it perhaps; or if the folder that it is in is called so. What a name cannot hold,
    such as `/`, may be `_`, `-` or left out.

    Raises:
        CatalogueError: there is no such folder.
    """
    if not folder.is_dir():
        raise CatalogueError(f"{folder}: is no directory of pictures (`images`).")
    known = _Values(values)
    matches = FolderMatches()
    for path, size in _walk(folder, matches):
        matches.file_count += 1
        value = known.find(Path(path))
        if value is None:
            matches.unmatched_count += 1
            if len(matches.unmatched) < EXAMPLES:
                matches.unmatched.append(path)
            continue
        matches.files.setdefault(value, []).append(path)
        matches.sizes[value] = matches.sizes.get(value, 0) + size
    for found in matches.files.values():
        found.sort(key=_natural_order)
    return matches


def _walk(folder: Path, matches: FolderMatches) -> Iterator[tuple[str, int]]:
    """Path below the folder and bytes of every picture; links to elsewhere are not followed."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(parent, name)
            if name.startswith(".") or not file.is_file():
                continue
            if file.suffix.lower() in ENDINGS:
                yield file.relative_to(folder).as_posix(), file.stat().st_size
            else:
                matches.other_endings[file.suffix.lower() or "no ending"] += 1


class _Values:
    """The values of a column, as files may be named by them."""

    def __init__(self, values: Iterable[str]) -> None:
        self.exact: dict[str, str] = {}
        self.folded: dict[str, str | None] = {}  # None where two values are alike
        for value in values:
            bare = _normal(value.strip())
            self.exact.setdefault(bare, value)
            for replacement in ("_", "-", ""):
                spelling = re.sub(r'[/\\:*?"<>|\s]+', replacement, bare)
                for form in {spelling.casefold(), bare.casefold()}:
                    if self.folded.setdefault(form, value) != value:
                        self.folded[form] = None

    def find(self, path: Path) -> str | None:
        """The value that a picture is named by."""
        stem = _normal(path.stem)
        while stem:
            if value := self.exact.get(stem) or self.folded.get(stem.casefold()):
                return value
            shorter = NUMBERED.sub("", stem)
            if shorter == stem:
                break
            stem = shorter
        parent = _normal(path.parent.name)
        return self.exact.get(parent) or self.folded.get(parent.casefold()) if parent else None


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _natural_order(path: str) -> list[tuple[int, int, str]]:
    """SKU before SKU_2, and that before SKU_10."""
    stem = path.rpartition(".")[0]
    return [
        (1, int(part), "") if part.isdecimal() else (0, 0, part.casefold())
        for part in re.split(r"(\d+)", stem)
    ]
