"""Numbers as people write them: 1.299,00 €, $1,299.00, 1 299,00 EUR, 19.99 USD."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from prodmatch.lexical.prices.column_names import PRICE
from prodmatch.lexical.prices.currencies import CODES
from prodmatch.names import name_words

NO_VALUE = frozenset(["na", "n/a", "#n/a", "null", "none", "nan", "nil", "-", "--", "\\n"])
SIGNS = "€$£¥₹₩₽₺₴฿₫₪₱₦₡"
CURRENCY = rf"(?:(?:US|AU?|CA?|NZ|HK|R|S|MX)?\$|[{SIGNS}]|zł|Kč|Ft|lei|Rs\.?|[Kk]r\.?|Fr\.?|" + (
    "|".join(sorted(CODES)) + ")"
)
SPACE = " \u00a0\u202f\u2009"
AMOUNT = re.compile(
    rf"(?P<minus>-)?(?P<before>{CURRENCY})?[{SPACE}]*(?P<minus2>-)?"
    rf"(?P<digits>\d[\d.,'\u2019{SPACE}]*?)(?P<none>[.,][-\u2013\u2014]+)?[{SPACE}]*(?P<after>{CURRENCY})?"
)
PLAIN = r"(?:0|[1-9]\d*)"
GROUPS = r"[1-9]\d{{0,2}}(?:(?P<mark>[{marks}])\d{{3}})(?:(?P=mark)\d{{3}})*"
MARKS = SPACE + "'\u2019"  # between thousands, under either style
INDIAN = r"[1-9]\d?(?:,\d\d)+,\d{3}"  # 1,29,999: lakhs and crores
POINT = re.compile(rf"(?:{PLAIN}|{GROUPS.format(marks=MARKS + ',')}|{INDIAN})(?P<part>\.\d+)?")
COMMA = re.compile(rf"(?:{PLAIN}|{GROUPS.format(marks=MARKS + '.')})(?P<part>,\d+)?")
MEASURE = re.compile(
    "total|sales?|stock|quantity|qty|count|inventory|weight|width|height|length|depth|diameter|"
    "volume|rating|stars|reviews|discount|tax|vat|shipping|gewicht|breite|höhe|hoehe|länge|laenge|"
    "tiefe|menge|bestand|bewertung|poids|largeur|hauteur|profondeur|peso"
)
LIST = re.compile(
    "sizes?|grösse|größe|ids|skus|tags|category|categories|colou?rs|related|dimensions|keywords"
)


class AmountStyle(Enum):
    """Which mark stands before the fraction."""

    POINT = "decimal point"
    COMMA = "decimal comma"


@dataclass(frozen=True, slots=True)
class Amount:
    """A number read from text, under every style that it can be read in."""

    values: dict[AmountStyle, str]
    currency: str | None
    separated: bool  # it has a mark that the styles read differently


def read_amount(text: str) -> Amount | None:
    """The amount that is the whole text; None where there is none."""
    found = AMOUNT.fullmatch(text)
    if found is None or (found["before"] and found["after"]):
        return None
    digits = found["digits"].strip(SPACE)
    minus = "-" if found["minus"] or found["minus2"] else ""
    values = {style: minus + number for style, number in _read(digits)}
    if not values:
        return None
    return Amount(values, found["before"] or found["after"], len(set(values.values())) > 1)


def _read(digits: str) -> Iterator[tuple[AmountStyle, str]]:
    for style, pattern in ((AmountStyle.POINT, POINT), (AmountStyle.COMMA, COMMA)):
        if found := pattern.fullmatch(digits):
            part = found["part"] or ""
            whole = digits[: len(digits) - len(part)]
            number = "".join(filter(str.isdigit, whole))
            yield style, number + part.replace(",", ".")


def is_price(name: str) -> bool:
    """Whether a column of this name holds prices."""
    return any(map(PRICE.fullmatch, name_words(name)))


def is_measure(name: str) -> bool:
    """Whether a column of this name holds numbers."""
    return is_price(name) or any(map(MEASURE.fullmatch, name_words(name)))


def may_be_list(name: str) -> bool:
    """Whether a comma in a column of this name may separate things."""
    return any(map(LIST.fullmatch, name_words(name)))
