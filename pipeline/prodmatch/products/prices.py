"""The columns of prices, which limits in queries are of, and their currencies."""

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from prodmatch.lexical.prices.column_names import CURRENCY, is_currency, is_product_price
from prodmatch.lexical.prices.currencies import currency_of_name, may_be, read_currency
from prodmatch.lexical.prices.limits import Limit
from prodmatch.names import name_words
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
PAID = re.compile(r"coalesce\(nullif\((.+?), 0\), (.+?)\)(?= [<>=])")  # as SQL
MOST_NAMED = 5  # currencies of a column that a message names


@dataclass(frozen=True)
class PriceColumn:
    """A column of prices."""

    name: str  # of the column
    sample: str = ""  # one of its values, where they are text
    currency: str = ""  # as `read_currency` gives it; empty where nothing tells it, or several do
    currencies: tuple[tuple[str, str], ...] = ()  # several: as a column has them, and as read
    currency_column: str = ""  # that holds them
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
        units = 100 if CENTS & {*words} else 1
        price = PriceColumn(column.name, column.sample if is_text else "", units=units)
        if named := currency_of_name(words, column.name):
            found.append(replace(price, currency=named))
        else:
            found.append(_with_currencies(price, connection, columns))
    return found


def _with_currencies(
    price: PriceColumn, connection: sqlite3.Connection, columns: Sequence[Column]
) -> PriceColumn:
    """A column of prices with the currency, or the currencies, that a column next to it holds."""
    names = [each.name for each in columns if is_currency(each.name)]
    own = [name for name in names if name.lower() == f"{price.name}_currency".lower()]
    plain = [name for name in names if all(map(CURRENCY.fullmatch, name_words(name)))]
    names = own or (plain if len(plain) == 1 else names)
    if len(names) != 1:
        return price
    name = quote_name(names[0])
    query = f"SELECT DISTINCT {name} FROM products WHERE {name} IS NOT NULL ORDER BY 1"
    values = [str(value) for (value,) in connection.execute(query) if str(value).strip()]
    read = tuple((value, read_currency(value.strip())) for value in values)
    if len({currency or value for value, currency in read}) < 2:
        return replace(price, currency=read[0][1] if read else "")
    return replace(price, currencies=read, currency_column=names[0])


def choose_price(columns: Sequence[PriceColumn], currency: str = "") -> PriceColumn | None:
    """What customers pay, of columns of prices that are numbers; None where that is not clear.

    `price` where there is a `cost` or an `msrp` too; `sale_price` where it has a value, else it.
    `price_eur` of `price_eur` and `price_usd` where the currency is EUR.
    """
    numbers = [column for column in columns if not column.sample]
    chosen = _choose(numbers)
    if chosen is None and currency:
        return _choose(
            [each for each in numbers if each.currency and may_be(each.currency, currency)]
        )
    return chosen


def _choose(numbers: Sequence[PriceColumn]) -> PriceColumn | None:
    """What customers pay, of columns of numbers."""
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
    is_same = may_be(reduced[0].currency, price.currency) and reduced[0].units == price.units
    return replace(price, reduced=reduced[0].name) if is_same else None


def _has_word(column: PriceColumn, words: re.Pattern[str]) -> bool:
    return any(map(words.fullmatch, name_words(column.name)))


def conditions(limits: Sequence[Limit], columns: Sequence[PriceColumn]) -> list[str]:
    """Limits that can be applied, as SQL; of the products whose prices are in their currency."""
    price = choose_price(columns, _currency(limits))
    if price is None:
        return []
    found = [limit.condition(price.paid, price.units) for limit in limits]
    if limits and price.currencies:
        values = ", ".join(_quote(value) for value in _values_of(price, limits))
        found.append(f"{quote_plain(price.currency_column)} IN ({values})")
    return found


def say_paid(condition: str) -> str:
    """A condition of a price for a person: "sale_price or price < 5"."""
    return PAID.sub(r"\1 or \2", condition)


def are_pounds_money(columns: Sequence[PriceColumn]) -> bool:
    """Whether prices are in pounds."""
    known = {each.currency for each in columns} | {
        currency for each in columns for _, currency in each.currencies
    }
    return any(may_be("pounds", currency) for currency in known if currency)


def say_why_not(limits: Sequence[Limit], columns: Sequence[PriceColumn]) -> str | None:
    """Why limits cannot be applied to the columns of prices; None where they can."""
    numbers = [column for column in columns if not column.sample]
    column = choose_price(columns, _currency(limits))
    if column is None and numbers:
        return f"there are several columns of prices, {', '.join(each.name for each in numbers)}"
    if column is None:
        texts = ", ".join(f"{each.name} is text ({each.sample!r})" for each in columns)
        return texts or "there is no column of prices"
    above = [limit.amount for limit in limits if limit.operator in (">", ">=", "=")]
    below = [limit.amount for limit in limits if limit.operator in ("<", "<=", "=")]
    if above and below and max(above) > min(below):
        return "no price meets all of them"
    return _say_which_currency(limits, column)


def _say_which_currency(limits: Sequence[Limit], column: PriceColumn) -> str | None:
    """Why limits are of other currencies than a column; None where they may be of its own."""
    named = [each.currency for each in limits if each.currency]
    if column.currencies:
        several = ", ".join(value for value, _ in column.currencies[:MOST_NAMED])
        prices = f"{column.name} is in several currencies ({column.currency_column}: {several})"
        if not named:
            return f"{prices}, and the query says none"
        is_one = bool(_values_of(column, limits))
    else:
        prices = f"{column.name} is in {column.currency}"
        is_one = not column.currency or all(may_be(each, column.currency) for each in named)
    return None if is_one else f"{prices}, and the query says {' and '.join(dict.fromkeys(named))}"


def _quote(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _currency(limits: Sequence[Limit]) -> str:
    """The first currency that limits name; empty where they name none."""
    return next((each.currency for each in limits if each.currency), "")


def _values_of(price: PriceColumn, limits: Sequence[Limit]) -> list[str]:
    """The currencies of prices, as their column has them, that all limits may be in."""
    return [
        value
        for value, currency in price.currencies
        if currency and all(may_be(currency, each.currency) for each in limits)
    ]
