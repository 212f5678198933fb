"""Currencies as people write them: $, US$, dollars, euro, quid, 300 kr, 99p.

Pounds are a weight, and money where prices are in pounds: `mark_pounds`.
"""

import re
from collections.abc import Sequence

CODES = frozenset(
    """AED ARS AUD BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR ISK JPY KES
    KRW KWD MAD MXN MYR NGN NOK NZD PEN PHP PKR PLN QAR RON RSD RUB SAR SEK SGD THB TND TRY TWD UAH
    USD UYU VND ZAR""".split()  # noqa: SIM905
)
OTHER_WORDS = frozenset(["COP", "MAD", "PEN", "RON", "SAR", "TRY"])  # no codes in small letters
SIGNS = "[$\u20ac\u00a3\u00a5\u20b9\u20a9\u20bd\u20ba\u20b4\u0e3f\u20ab\u20aa\u20b1]"
MARK = "\uf000"  # before what is money, though it is a unit elsewhere; in no text
SPELLED = {  # what is part of another stands behind it
    "USD": r"US\s?\$|\$\s?US(?=\s|$)|(?:US|american)\s+dollars?",
    "CAD": r"CA?\$|canadian\s+dollars?",
    "AUD": r"AU?\$|australian\s+dollars?",
    "NZD": r"NZ\$",
    "HKD": r"HK\$",
    "SGD": r"S\$",
    "MXN": r"MX\$",
    "BRL": r"R\$|reais",
    "$": r"\$|dollars?|bucks?",
    "EUR": "\u20ac|euros?",
    "GBP": "\u00a3|quid|(?:pounds?\\s+)?sterling",
    "pounds": rf"{MARK}pounds?(?:\s+sterling)?",
    "INR": r"\u20b9",
    "rupees": r"rs\.?|rupees?",
    "JPY": "yen",
    "CNY": "rmb|yuan",
    "\u00a5": "\u00a5",
    "KRW": "\u20a9|won",
    "PLN": "z\u0142oty(?:ch)?|zlotys?|z\u0142",
    "kr": r"kron(?:or|er|a|e)|kr\.?",
    "CHF": r"francs?|sfr\.?|fr\.",
    "pesos": "pesos?",
    "CZK": "k\u010d",
    "HUF": "forints?",
    "RUB": "\u20bd|rou?bles?|\u0440\u0443\u0431(?:\\.|лей|ля|ль)?",
    "TRY": r"\u20ba|lira",
    "UAH": r"\u20b4|hryvnia|грн\.?",
    "RON": "lei|leu",
    "BGN": r"лв\.?|leva?",
    "THB": r"\u0e3f|baht",
    "VND": r"\u20ab|dong",
    "ILS": r"\u20aa|shekels?",
    "PHP": r"\u20b1",
    "dirhams": "dirhams?",
    "ZAR": "rand",
}
_CODES = "|".join(f"(?-i:{code})" if code in OTHER_WORDS else code for code in sorted(CODES))
_WHOLE = "(?![^\\W\\d_])"  # no letter follows
CURRENCY = rf"(?<![^\W\d_])(?:(?:{'|'.join(SPELLED.values())}|{_CODES}){_WHOLE})"
SPELLED_CENTS = {
    "GBP": "pence|penn(?:y|ies)|p",
    "$": "\u00a2",
    "INR": "paise",
    "": r"cents?|centimes?|centavos",
}
CENTS = rf"(?:(?:{'|'.join(SPELLED_CENTS.values())}){_WHOLE})"
_OF_SPELLING = [
    (re.compile(rf"(?:{pattern})", re.IGNORECASE), name)
    for names in (SPELLED, SPELLED_CENTS)
    for name, pattern in names.items()
]
_SEVERAL = {  # what may be meant
    "$": frozenset("USD CAD AUD NZD HKD SGD MXN ARS CLP COP UYU TWD".split()),  # noqa: SIM905
    "\u00a5": frozenset(["JPY", "CNY"]),
    "kr": frozenset(["SEK", "NOK", "DKK", "ISK"]),
    "pesos": frozenset("MXN ARS CLP COP PHP UYU".split()),  # noqa: SIM905
    "pounds": frozenset(["GBP", "EGP"]),
    "rupees": frozenset(["INR", "PKR"]),
    "dirhams": frozenset(["AED", "MAD"]),
}
_POUNDS = re.compile(r"(?<![^\W_])pounds?(?![^\W_])", re.IGNORECASE)
_WEIGHT = re.compile(r"weigh|\b(?:kgs?|lbs?|kilos?)\b", re.IGNORECASE)


def read_currency(text: str) -> str:
    """The code of a currency as written, or its sign where several have it; empty for cents."""
    if text.upper() in CODES:
        return text.upper()
    return next((name for pattern, name in _OF_SPELLING if pattern.fullmatch(text)), "")


def mark_pounds(text: str) -> str:
    """The text with a mark before the pounds that are money; a text of weights stays as it is."""
    return text if _WEIGHT.search(text) else _POUNDS.sub(rf"{MARK}\g<0>", text)


def currency_of_name(words: Sequence[str], name: str) -> str:
    """The currency that the name of a column of prices says, and its words; else empty."""
    signs = re.findall(SIGNS, name)
    texts = [f"{MARK}{word}" if _POUNDS.fullmatch(word) else word for word in words]
    found = map(read_currency, [*signs, *(text for text in texts if len(text) > 1)])
    return next(filter(None, found), "")


def may_be(currency: str, other: str) -> bool:
    """Whether two currencies, as `read_currency` gives them, may be one; an unnamed one may."""
    one, two = (_SEVERAL.get(each, frozenset([each])) for each in (currency, other))
    return not currency or not other or bool(one & two)
