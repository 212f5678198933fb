"""Several pictures that are named in one cell of text: a.jpg|b.jpg, or a list as JSON."""

import json
from collections.abc import Sequence

from prodmatch.catalogue.pictures.names import MARKS
from prodmatch.storage.places.picture_names import are_names

NO_LIST = "data:"


def split_pictures(text: str, mark: str | None) -> list[str]:
    """The names of the pictures in a cell; one where it has no mark.

    Args:
        text: the cell.
        mark: what separates them; None for a list as JSON.
    """
    if text.lstrip()[:5].lower() == NO_LIST:
        return [text]
    if mark is None:
        return _read_list(text) or [text]
    return [part for each in text.split(mark) if (part := each.strip())]


def _read_list(text: str) -> list[str]:
    if not text.lstrip().startswith("["):
        return []
    try:
        found = json.loads(text)
    except ValueError:
        return []
    is_list = isinstance(found, list) and all(isinstance(each, str) for each in found)
    return [each for each in found if each] if is_list else []


class PictureMarks:
    """Which mark separates the pictures in the cells of a column."""

    def __init__(self) -> None:
        self._counts: dict[str | None, int] = dict.fromkeys((None, *MARKS), 0)
        self.example = ""

    def add(self, cells: Sequence[str]) -> None:
        """Drops the marks that do not separate names of pictures in these cells."""
        for mark in list(self._counts):
            for cell in cells:
                parts = split_pictures(cell, mark)
                if len(parts) < 2:
                    continue
                if not are_names(parts) or any(map(_has_several, parts)):
                    del self._counts[mark]
                    break
                self._counts[mark] += 1
                self.example = self.example or cell

    def find(self) -> str | bool | None:
        """The mark; None for JSON, False where every cell names one picture."""
        found = [mark for mark, count in self._counts.items() if count]
        return found[0] if found else False


def _has_several(part: str) -> bool:
    """Whether a part is itself several pictures, apart by another mark."""
    return any(len(parts := split_pictures(part, mark)) > 1 and are_names(parts) for mark in MARKS)
