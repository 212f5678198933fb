"""How values of the catalogue are kept in SQLite, so that they compare and come back exactly.

The declared type of a column tells what it holds. A decimal is kept as the double nearest to it, as
SQLite reads a number in a filter, and comes back with its own digits. What has more digits than a
double or an integer of SQLite has is kept as text too, in the table `exact`.
"""

import re
from collections.abc import Callable
from decimal import Decimal

DOUBLE_DIGITS = 15  # that a double keeps of every decimal
BOOLEAN = "BOOLEAN"
BIG_INTEGER = "BIG INTEGER"
DECIMAL = re.compile(r"REAL DECIMAL\((\d+)\)")


def quote_name(name: str) -> str:
    """A column's name as SQL has it, whatever is in it."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def declare_decimal(scale: int) -> str:
    """The declared type of decimals with so many digits after the point."""
    return f"REAL DECIMAL({scale})" if scale > 0 else BIG_INTEGER


def fits_sqlite(value: int) -> bool:
    """Whether SQLite has an integer for it."""
    return -(2**63) <= value < 2**63


def exact_text(value: object) -> str | None:
    """The digits of a number that SQLite's own numbers would lose; None where they do not."""
    if isinstance(value, int):
        return None if fits_sqlite(value) else str(value)
    if isinstance(value, Decimal):
        digits = "".join(map(str, value.as_tuple().digits)).strip("0")
        return format(value, "f") if len(digits) > DOUBLE_DIGITS else None
    return None


def restorer(declared: str) -> Callable[[object, str | None], object] | None:
    """What makes the catalogue's value of SQLite's and its exact text; None where it is one."""
    if declared == BOOLEAN:
        return lambda value, exact: None if value is None else bool(value)
    if declared == BIG_INTEGER:
        return lambda value, exact: value if exact is None else int(exact)
    if (found := DECIMAL.fullmatch(declared)) is not None:
        scale = int(found[1])

        def restore(value: object, exact: str | None) -> object:
            if value is None or exact is not None:
                return None if exact is None else Decimal(exact)
            return Decimal(format(Decimal(f"{value:.{DOUBLE_DIGITS}g}"), f".{scale}f"))

        return restore
    return None
