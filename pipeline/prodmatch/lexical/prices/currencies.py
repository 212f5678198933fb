"""Currencies as people write them: $, US$, dollars, euro, quid, 300 kr, 99p."""

import re

CODES = frozenset(
    """AED ARS AUD BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR ISK JPY KES
    KRW KWD MAD MXN MYR NGN NOK NZD PEN PHP PKR PLN QAR RON RSD RUB SAR SEK SGD THB TND TRY TWD UAH
    USD UYU VND ZAR""".split()  # noqa: SIM905
)
OTHER_WORDS = frozenset(["COP", "MAD", "PEN", "RON", "SAR", "TRY"])  # no codes in small letters
SIGNS = "[$\u20ac\u00a3\u00a5\u20b9\u20a9\u20bd\u20ba\u20b4\u0e3f\u20ab\u20aa\u20b1]"
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
    "INR": r"\u20b9|rs\.?|rupees?",
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
    "RUB": r"\u20bd|rou?bles?",
    "TRY": r"\u20ba|lira",
    "UAH": r"\u20b4|hryvnia",
    "THB": r"\u0e3f|baht",
    "VND": r"\u20ab|dong",
    "ILS": r"\u20aa|shekels?",
    "PHP": r"\u20b1",
    "AED": "dirhams?",
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
}


def read_currency(text: str) -> str:
    """The code of a currency as written, or its sign where several have it; empty for cents."""
    if text.upper() in CODES:
        return text.upper()
    return next((name for pattern, name in _OF_SPELLING if pattern.fullmatch(text)), "")


def may_be(currency: str, other: str) -> bool:
    """Whether two currencies, as `read_currency` gives them, may be one; an unnamed one may."""
    one, two = (_SEVERAL.get(each, frozenset([each])) for each in (currency, other))
    return not currency or not other or bool(one & two)
