"""What every product file is read as: rows of named cells."""

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

MOST_COLUMNS = 5000


class Number(str):
    """A number as a JSON file writes it, so that no digit is lost before its type is known."""

    __slots__ = ()


Cell = str | bool | list[str] | None  # a `Number` is a str
Row = dict[str, Cell]


@dataclass(frozen=True)
class Feed:
    """A product file that is recognised; its rows can be read any number of times."""

    form: str  # "csv", "json", "xml"
    read_as: str  # for people: the form, the dialect, the encoding
    rows: Callable[[], Iterator[Row]]
    layout: str = "table"  # or "shop export", "shopping feed"
    delimiter: str | None = None
    encoding: str | None = None  # XML names its own
    compression: str | None = None
    warnings: list[str] = field(default_factory=list)


def name_columns(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names that are neither blank nor used twice, and what was changed, for the user."""
    named: list[str] = []
    changes = []
    taken = {name.strip() for name in names}
    used: set[str] = set()
    for number, written in enumerate(names, 1):
        base = written.strip() or f"column_{number}"
        name = number_name(base, used | taken) if base in used else base
        if not written.strip():
            changes.append(f"column {number} has no name; it is called {name!r}")
        elif name != base:
            changes.append(f"column {base!r} stands twice; column {number} is called {name!r}")
        used.add(name)
        named.append(name)
    return named, changes


def number_name(name: str, taken: Container[str]) -> str:
    """A name with the least number behind it, from 2 on, with which it is not taken."""
    numbered = (f"{name}_{number}" for number in count(2))
    return next(each for each in numbered if each not in taken)


def count_of(number: int, noun: str) -> str:
    """A count with its noun, as `1 row` or `2 rows`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
