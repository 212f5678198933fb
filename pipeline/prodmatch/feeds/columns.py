"""Names and cells of a product file's columns."""

import re

from prodmatch.feeds.rows import Cell, number_name


def plain_name(name: str) -> str:
    """A column's name in small letters, its words joined by underscores, without `g:`."""
    bare = name.strip()
    bare = bare[2:] if bare[:2].lower() == "g:" else bare
    return re.sub(r"\W+", "_", bare.lower()).strip("_") or bare


def filled(cell: Cell) -> bool:
    """Whether a cell holds anything."""
    return cell is not None and cell != [] and (not isinstance(cell, str) or bool(cell.strip()))


class PlainNames:
    """New names for columns, no two the same; some are taken from the start."""

    def __init__(self, special: dict[str, str], *taken: str) -> None:
        self.special = special
        self.names = {f"\0{name}": name for name in taken}

    def __getitem__(self, name: str) -> str:
        if name not in self.names:
            plain = plain_name(name)
            chosen, taken = self.special.get(plain, plain), self.names.values()
            self.names[name] = number_name(chosen, taken) if chosen in taken else chosen
        return self.names[name]
