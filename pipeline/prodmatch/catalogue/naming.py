"""Products and columns, as messages name them."""

from collections.abc import Iterable, Sequence
from itertools import islice

NAMED = 5  # products, in a message
MOST_NAMED = 20  # columns


def name_some(ids: Iterable[str], count: int) -> str:
    """Up to five ids of so many products."""
    shown = ", ".join(repr(name) for name in islice(ids, NAMED))
    return f"{shown}, ..." if count > NAMED else shown


def name_columns(names: Sequence[str]) -> str:
    """Columns by name: no more than twenty, in quotes where one does not show whole."""
    shown = ", ".join(map(show_column, names[:MOST_NAMED]))
    more = len(names) > MOST_NAMED
    return f"{shown}, ... ({len(names)} columns)" if more else shown


def show_column(name: str) -> str:
    """A column's name, in quotes where spaces stand around it or a character shows nothing."""
    return name if name == name.strip() and name.isprintable() else repr(name)
