"""Quantities: a number and its unit, in whatever way they are written, and in other units."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

UNIT_NAMES = {
    "inch": "inch inches",
    "ft": "ft foot feet",
    "cm": "cm cms centimeter centimeters centimetre centimetres",
    "mm": "mm millimeter millimeters millimetre millimetres",
    "m": "m mtr mtrs meter meters metre metres",
    "kg": "kg kgs kilo kilos kilogram kilograms",
    "g": "g gm gms gram grams",
    "mg": "mg",
    "lb": "lb lbs pound pounds",
    "oz": "oz ounce ounces",
    "ml": "ml milliliter milliliters millilitre millilitres",
    "cl": "cl centiliter centiliters centilitre centilitres",
    "l": "l ltr ltrs liter liters litre litres",
    "kb": "kb",
    "mb": "mb megabyte megabytes",
    "gb": "gb gigabyte gigabytes",
    "tb": "tb terabyte terabytes",
    "w": "w watt watts",
    "kw": "kw",
    "v": "v volt volts",
    "amp": "amp amps ampere amperes",
    "mah": "mah",
    "hz": "hz hertz",
    "khz": "khz",
    "mhz": "mhz",
    "ghz": "ghz",
    "mp": "mp megapixel megapixels",
    "mbps": "mbps",
    "gbps": "gbps",
    "rpm": "rpm",
    "lm": "lm lumen lumens",
    "gal": "gal gallon gallons",
}
UNITS = {spelling: unit for unit, names in UNIT_NAMES.items() for spelling in names.split()}
# One unit for each kind of thing, so that "1.5 l" is "1500 ml".
BASE_UNITS = {
    "inch": ("cm", 2.54),
    "ft": ("cm", 30.48),
    "mm": ("cm", 0.1),
    "m": ("cm", 100.0),
    "kg": ("g", 1000.0),
    "mg": ("g", 0.001),
    "lb": ("g", 453.6),
    "oz": ("g", 28.35),
    "cl": ("ml", 10.0),
    "l": ("ml", 1000.0),
    "tb": ("gb", 1000.0),
    "kw": ("w", 1000.0),
    "khz": ("hz", 1e3),
    "mhz": ("hz", 1e6),
    "ghz": ("hz", 1e9),
}
LEAST_AMOUNT, MOST_AMOUNT = 0.01, 1e6  # that anything is measured by
DIGIT = re.compile(r"\d")
QUANTITY = re.compile(
    r"(?<![^\W_])(?<!\d\.)(?P<number>\d+(?:\.\d+)?)"
    rf"(?:[\s-]?(?P<unit>{'|'.join(sorted(UNITS, key=len, reverse=True))})\b|\s?\"|in\b(?!-))"
)
SIGN_AND_DIGIT, X_AND_DIGIT = re.compile(r"[.,]\d"), re.compile(r"x\d")  # quick to look for
SPACED_PACK = re.compile(rf"(?<=\dx)(\d+(?:\.\d+)?)\s(?=(?:{'|'.join(UNITS)})\b)")  # "6x330 ml"
# The number of a quantity with a decimal comma, thousands, or nothing before its sign.
SIGNED_NUMBER = re.compile(
    rf"(?<![\d.,a-wyz])(\d*)([.,])(\d{{1,3}})(?=(?:\.\d+)?[\s-]?(?:{'|'.join(UNITS)})\b|\s?\"|in\b(?!-))"
)


@dataclass(frozen=True)
class Quantity:
    """A number with its unit, wherever it stands in a text."""

    start: int
    end: int
    number: str
    unit: str  # its short name

    @property
    def term(self) -> str:
        """The number without zeros behind its point, and the unit: "480gb", "55inch"."""
        plain = self.number.rstrip("0").rstrip(".") if "." in self.number else self.number
        return plain + self.unit


def write_plainly(text: str) -> str:
    """A folded text whose quantities read the same: "1,5 l", ".5 l", "1,500 ml", "6x330 ml"."""
    if SIGN_AND_DIGIT.search(text):
        text = SIGNED_NUMBER.sub(_plain_number, text)
    return SPACED_PACK.sub(r"\1", text) if X_AND_DIGIT.search(text) else text


def _plain_number(found: re.Match[str]) -> str:
    whole, sign, rest = found.groups()
    if sign == "," and len(rest) == 3 and 0 < len(whole) <= 3 and whole != "0":
        return whole + rest
    return f"{whole or '0'}.{rest}" if whole or sign == "." else found[0]


def find_quantities(text: str) -> Iterator[Quantity]:
    """The quantities of a folded text, in order: "480 gb", "480-gb" and "480 gigabytes" are one."""
    for found in QUANTITY.finditer(text) if DIGIT.search(text) else ():
        unit = UNITS[found["unit"] or "inch"]
        yield Quantity(found.start(), found.end(), found["number"], unit)


def equal_terms(quantity: Quantity) -> tuple[str, ...]:
    """The quantity in other units, where its number stays short: "500ml" and "50cl" of "0.5l".

    Also as a word of its own that is no unit elsewhere: "16a" of "16 amp".
    """
    base, factor = BASE_UNITS.get(quantity.unit, (quantity.unit, 1.0))
    same = {base: 1.0, **{name: times for name, (of, times) in BASE_UNITS.items() if of == base}}
    amounts = {name: float(quantity.number) * factor / times for name, times in same.items()}
    terms = (
        f"{amount:.10g}{name}"
        for name, exact in amounts.items()
        if (amount := round(exact, 2))
        and abs(amount - exact) < 1e-9 * exact
        and LEAST_AMOUNT <= amount <= MOST_AMOUNT
    )
    short = [quantity.term.removesuffix("mp")] if quantity.unit == "amp" else []
    return (*short, *(term for term in terms if term != quantity.term))
