"""How values of the catalogue are kept in SQLite, so that they compare and come back exactly.

The declared type of a column tells what it holds. A decimal is kept as the double nearest to it, as
SQLite reads a number in a filter, and comes back with its own digits. What has more digits than a
double or an integer of SQLite has is kept as text too, in the table `exact`. Here is also how a
condition names a column.
"""

import re
from collections.abc import Callable
from decimal import Decimal

DOUBLE_DIGITS = 15  # that a double keeps of every decimal
BOOLEAN = "BOOLEAN"
BIG_INTEGER = "BIG INTEGER"
DECIMAL = re.compile(r"REAL DECIMAL\((\d+)\)")
KEYWORDS = frozenset(
    """abort action add after all alter always analyze and as asc attach autoincrement before begin
    between by cascade case cast check collate column commit conflict constraint create cross
    current current_date current_time current_timestamp database default deferrable deferred delete
    desc detach distinct do drop each else end escape except exclude exclusive exists explain fail
    false filter first following for foreign from full generated glob group groups having if ignore
    immediate in index indexed initially inner insert instead intersect into is isnull join key last
    left like limit match materialized natural no not nothing notnull null nulls of offset on or
    order others outer over partition plan pragma preceding primary query raise range recursive
    references regexp reindex release rename replace restrict returning right rollback row rows
    savepoint select set table temp temporary then ties to transaction trigger true unbounded union
    unique update using vacuum values view virtual when where window with without""".split()  # noqa: SIM905
)


def quote_name(name: str) -> str:
    """A column's name as SQL has it, whatever is in it."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def quote_plain(name: str) -> str:
    """A column's name as a person would write it in a condition."""
    return f'"{name}"' if needs_quotes(name) else name


def needs_quotes(name: str) -> str:
    """Why a name needs quotes; empty where it needs none."""
    if name.lower() in KEYWORDS:
        return "a word of SQL"
    return "" if re.fullmatch(r"[^\W\d]\w*", name) else "no plain word"


def write_cast(name: str, value: str) -> str:
    """A column of text as a number, by one of its values: '1,299.00', '5,00', '$ 5'."""
    number = quote_plain(name)
    if before := re.match(r"[^\d.,+'-]+", value):
        number = f"LTRIM({number}, '{before[0]}')"
    if re.search(r",\d{1,2}(?=\D*$)", value):  # a decimal comma
        number = f"REPLACE({number}, '.', '')" if "." in value else number
        number = f"REPLACE({number}, ',', '.')"
    elif "," in value:
        number = f"REPLACE({number}, ',', '')"
    return f"CAST({number} AS REAL)"


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
