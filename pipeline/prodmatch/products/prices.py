"""The columns of prices, which limits in queries are of, and their currencies."""

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from prodmatch.lexical.prices.column_names import is_product_price, name_words
from prodmatch.lexical.prices.currencies import CODES, may_be, read_currency
from prodmatch.lexical.prices.limits import Limit
from prodmatch.products.column_storage import quote_name, quote_plain
from prodmatch.products.conditions import Column
from prodmatch.products.filters import read_columns

CENTS = frozenset(["cents", "cent", "pence", "minor"])
REDUCED = re.compile(
    r"sales?|special|discount(?:ed)?|promo(?:tion(?:al)?)?|offer|reduced|oferta|(?:aktions|angebots|sonder)preis"
)
USUAL = re.compile(r"regular|normal|original|list|msrp|rrp|uvp|was|old|before|compare|listenpreis")
NOT_PAID = re.compile(  # by customers, or not for one piece
    r"costs?|retail|wholesale|purchase|buying|base|unit|net|netto|ht|einkauf(?:s?preis)?|ek|grundpreis|streichpreis"
)


@dataclass(frozen=True)
class PriceColumn:
    """A column of prices."""

    name: str  # of the column
    sample: str = ""  # one of its values, where they are text
    currency: str = ""  # as `read_currency` gives it; empty where nothing tells it
    units: int = 1  # how many of its units make one of the currency: 100 of cents
    reduced: str = ""  # the column of what is paid instead, where it has a value above 0

    @property
    def paid(self) -> str:
        """What a customer pays, as SQL."""
        name = quote_plain(self.name)
        return f"coalesce(nullif({quote_plain(self.reduced)}, 0), {name})" if self.reduced else name


def read_price_columns(connection: sqlite3.Connection) -> list[PriceColumn]:
    """The columns that are prices by their names, numbers and texts."""
    columns = list(read_columns(connection).values())
    found = []
    for column in columns:
        is_text = column.kind == "text"
        if not is_product_price(column.name) or column.kind == "boolean":
            continue
        if is_text and not re.search(r"\d", column.sample):
            continue
        words = name_words(column.name)
        named = next((word.upper() for word in words if word.upper() in CODES), "")
        currency = named or _currency_column(connection, column.name, columns)
        units = 100 if CENTS & {*words} else 1
        found.append(PriceColumn(column.name, column.sample if is_text else "", currency, units))
    return found


def _currency_column(connection: sqlite3.Connection, price: str, columns: Sequence[Column]) -> str:
    """The currency that a column next to one of prices holds everywhere; else empty."""
    names = [each.name for each in columns if "currency" in name_words(each.name)]
    own = [name for name in names if name.lower() == f"{price}_currency".lower()]
    if len(own or names) != 1:
        return ""
    name = quote_name((own or names)[0])
    query = f"SELECT DISTINCT {name} FROM products WHERE {name} IS NOT NULL LIMIT 2"
    values = [str(value).strip() for (value,) in connection.execute(query)]
    return read_currency(values[0]) if len(values) == 1 else ""


def choose_price(columns: Sequence[PriceColumn]) -> PriceColumn | None:
    """What customers pay, of columns of prices that are numbers; None where that is not clear.

    `price` where there is a `cost` or an `msrp` too; `sale_price` where it has a value, else it.
    """
    numbers = [column for column in columns if not column.sample]
    if len(numbers) < 2:
        return numbers[0] if numbers else None
    reduced = [column for column in numbers if _has_word(column, REDUCED)]
    others = [column for column in numbers if column not in reduced]
    plain = [
        each for each in others if not _has_word(each, USUAL) and not _has_word(each, NOT_PAID)
    ]
    usual = plain or [column for column in others if _has_word(column, USUAL)]
    if len(usual) != 1 or len(reduced) > 1:
        return None
    (price,) = usual
    if not reduced:
        return price
    return replace(price, reduced=reduced[0].name) if reduced[0].units == price.units else None


def _has_word(column: PriceColumn, words: re.Pattern[str]) -> bool:
    return any(map(words.fullmatch, name_words(column.name)))


def say_why_not(limits: Sequence[Limit], columns: Sequence[PriceColumn]) -> str | None:
    """Why limits cannot be applied to the columns of prices; None where they can."""
    numbers = [column for column in columns if not column.sample]
    column = choose_price(columns)
    if column is None and numbers:
        return f"there are several columns of prices, {', '.join(each.name for each in numbers)}"
    if column is None:
        texts = ", ".join(f"{each.name} is text ({each.sample!r})" for each in columns)
        return texts or "there is no column of prices"
    above = [limit.amount for limit in limits if limit.operator in (">", ">=", "=")]
    below = [limit.amount for limit in limits if limit.operator in ("<", "<=", "=")]
    if above and below and max(above) > min(below):
        return "no price meets all of them"
    other = [each.currency for each in limits if each.currency]
    if column.currency and any(not may_be(each, column.currency) for each in other):
        return f"{column.name} is in {column.currency}, and the query says {other[0]}"
    return None
