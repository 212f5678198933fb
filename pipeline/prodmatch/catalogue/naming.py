"""Some of many products, as messages name them."""

from collections.abc import Iterable
from itertools import islice

NAMED = 5  # products, in a message


def name_some(ids: Iterable[str], count: int) -> str:
    """Up to five ids of so many products."""
    shown = ", ".join(repr(name) for name in islice(ids, NAMED))
    return f"{shown}, ..." if count > NAMED else shown
