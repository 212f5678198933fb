"""Quantities: a number and its unit, in whatever way they are written, and in other units."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

UNIT_NAMES = {
    "inch": "inch inches zoll pouce pouces pulgada pulgadas pollice pollici duim",
    "ft": "ft foot feet",
    "cm": "cm cms centimeter centimeters centimetre centimetres zentimeter",
    "mm": "mm millimeter millimeters millimetre millimetres",
    "m": "m mtr mtrs meter meters metre metres metro metros metri",
    "kg": "kg kgs kilo kilos kilogram kilograms kilogramm chilo",
    "g": "g gm gms gram grams gr gramm grammes gramos grammi",
    "mg": "mg",
    "lb": "lb lbs pound pounds",
    "oz": "oz ounce ounces",
    "ml": "ml milliliter milliliters millilitre millilitres",
    "cl": "cl centiliter centiliters centilitre centilitres",
    "l": "l ltr ltrs liter liters litre litres litro litros litri",
    "kb": "kb",
    "mb": "mb megabyte megabytes",
    "gb": "gb gigabyte gigabytes",
    "tb": "tb terabyte terabytes",
    "w": "w watt watts vatio vatios",
    "kw": "kw",
    "v": "v volt volts vdc vac voltio voltios",
    "amp": "amp amps ampere amperes",
    "mah": "mah",
    "ah": "ah",
    "hz": "hz hertz",
    "khz": "khz",
    "mhz": "mhz",
    "ghz": "ghz",
    "mp": "mp mpx megapixel megapixels",
    "mbps": "mbps",
    "gbps": "gbps",
    "rpm": "rpm",
    "bar": "bar",
    "psi": "psi",
    "lm": "lm lumen lumens",
    "gal": "gal gallon gallons",
}
# What is counted, and units that are words of other things where listings are compared.
COUNT_NAMES = {
    "pack": "pack packs pk pks",
    "pcs": "pcs pc pce pces piece pieces stuck teilig stuks pezzi piezas",
    "ct": "ct carat carats karat karats kt",
    "kelvin": "kelvin",
    "hr": "hr hrs hour hours",
}
UNITS = {spelling: unit for unit, names in UNIT_NAMES.items() for spelling in names.split()}
COUNTED = {spelling: unit for unit, names in COUNT_NAMES.items() for spelling in names.split()}
# How else a number of these is written, as a word that is no unit elsewhere: "16a", "x4", "18k".
SHORT_FORMS = {
    "amp": "{}a",
    "pack": "x{} {}x {}pcs {}ct",
    "ct": "{}k",
    "kelvin": "{}k",
    "hr": "{}h",
}
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
    "ah": ("mah", 1000.0),
    "khz": ("hz", 1e3),
    "mhz": ("hz", 1e6),
    "ghz": ("hz", 1e9),
}
LEAST_AMOUNT, MOST_AMOUNT = 0.01, 1e6  # that anything is measured by
DIGIT = re.compile(r"\d")
_FRACTION = r"[1-9]\d?/(?:2|3|4|8|16|32|64)(?!\d)"


def _alternatives(names: Iterable[str]) -> str:
    return "|".join(sorted(names, key=len, reverse=True))


def _unit_of(names: Iterable[str]) -> str:
    return rf"[\s-]?(?P<unit>{_alternatives(names)})\b|\s?\"|in\b(?!-)"


_NUMBER = rf"(?<![^\W_])(?<!\d\.)(?P<number>{_FRACTION}|\d+(?:\.\d+)?)"
QUANTITY = re.compile(rf"{_NUMBER}(?:{_unit_of(UNITS)})")
MEASURE = re.compile(
    rf"{_NUMBER}(?:{_unit_of([*UNITS, *COUNTED])}"
    r"|\s?(?P<gold>k)(?=(?:\s[a-z]+)?\sgold\b))"  # "18k white gold", though "4k" is no carat
    r"|(?<![^\W_])packs? of (?P<count>\d+)(?![^\W_])(?!\.\d)"
)
SIGN_AND_DIGIT, X_AND_DIGIT = re.compile(r"[.,]\d"), re.compile(r"x\d")  # quick to look for
SPACED_PACK = re.compile(rf"(?<=\dx)(\d+(?:\.\d+)?)\s(?=(?:{'|'.join(UNITS)})\b)")  # "6x330 ml"
# The number of a quantity with a decimal comma, thousands, or nothing before its sign.
SIGNED_NUMBER = re.compile(
    rf"(?<![\d.,a-wyz])(\d*)([.,])(\d{{1,3}})(?=(?:\.\d+)?[\s-]?(?:{'|'.join(UNITS)})\b|\s?\"|in\b(?!-))"
)
# "1 1/2 inch", "1-1/2\""; and "half inch", "half a litre".
MIXED_NUMBER = re.compile(rf"(?<![\w./-])(\d{{1,3}})[\s-]({_FRACTION})(?={_unit_of(UNITS)})")
HALF = re.compile(
    rf"(?<![^\W_])half[\s-](?:an?\s)?(?=(?:{_alternatives(x for x in UNITS if len(x) > 1)})\b)"
)


@dataclass(frozen=True)
class Quantity:
    """A number with its unit, wherever it stands in a text."""

    start: int
    end: int
    number: str  # as a decimal
    unit: str  # its short name
    written: str  # its number, as it stands there

    @property
    def term(self) -> str:
        """The number without zeros behind its point, and the unit: "480gb", "55inch"."""
        plain = self.number.rstrip("0").rstrip(".") if "." in self.number else self.number
        return plain + self.unit


def write_plainly(text: str) -> str:
    """A folded text whose quantities read the same: "1,5 l", ".5 l", "1,500 ml", "6x330 ml".

    So do "half inch" and "1/2 inch", and "1 1/2 inch" and "1.5 inch".
    """
    if "half" in text:
        text = HALF.sub("1/2 ", text)
    if "/" in text:
        text = MIXED_NUMBER.sub(lambda match: _decimal(match[2], int(match[1])), text)
    if SIGN_AND_DIGIT.search(text):
        text = SIGNED_NUMBER.sub(_plain_number, text)
    return SPACED_PACK.sub(r"\1", text) if X_AND_DIGIT.search(text) else text


def _plain_number(found: re.Match[str]) -> str:
    whole, sign, rest = found.groups()
    if sign == "," and len(rest) == 3 and 0 < len(whole) <= 3 and whole != "0":
        return whole + rest
    return f"{whole or '0'}.{rest}" if whole or sign == "." else found[0]


def _decimal(fraction: str, whole: int = 0) -> str:
    """A number, perhaps a fraction, as a decimal: "1/2" as "0.5"."""
    over, slash, under = fraction.partition("/")
    return f"{whole + int(over) / int(under):.6g}" if slash else fraction


def find_quantities(text: str) -> Iterator[Quantity]:
    """The quantities of a folded text, in order: "480 gb", "480-gb" and "480 gigabytes" are one."""
    for match in QUANTITY.finditer(text) if DIGIT.search(text) else ():
        unit = UNITS[match["unit"] or "inch"]
        yield Quantity(*match.span(), _decimal(match["number"]), unit, match["number"])


def find_measures(text: str) -> Iterator[Quantity]:
    """The quantities of a folded text, and what is counted: "4 pack", "pack of 4", "9 carat"."""
    for match in MEASURE.finditer(text) if DIGIT.search(text) else ():
        if count := match["count"]:
            yield Quantity(*match.span(), count, "pack", count)
            continue
        name = match["unit"] or ("ct" if match["gold"] else "inch")
        unit = UNITS.get(name) or COUNTED[name]
        yield Quantity(*match.span(), _decimal(match["number"]), unit, match["number"])


def equal_terms(quantity: Quantity) -> tuple[str, ...]:
    """The quantity in other units, where its number stays short: "500ml" and "50cl" of "0.5l".

    Also as a word of its own that is no unit elsewhere: "16a" of "16 amp", "x4" of "4 pack".
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
    number = quantity.term.removesuffix(quantity.unit)
    short = SHORT_FORMS.get(quantity.unit, "").format(*[number] * 4).split()
    return (*short, *(term for term in terms if term != quantity.term))
