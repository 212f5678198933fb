"""Text to its plainest form, and the quantities in it."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

APOSTROPHES = re.compile("[\u2018\u2019\u201b\u02bc\u02b9\u00b4`\u2032]")
INCHES = re.compile("[\u201c\u201d\u2033\u3003]|''")
TRADE_MARKS = re.compile(
    "[\u2122\u2120\u00ae\u00a9]"
)  # compatibility forms would add "TM" to a name
LATIN_MARKS = re.compile("[\u0300-\u036f]")
LETTERS_WITHOUT_MARKS = str.maketrans(
    {
        "æ": "ae",
        "œ": "oe",
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "\u0131": "i",
    }
)
NUMBER_SIGN = re.compile(r"(?<![^\W_])n\s?[\u00b0\u00ba]\s?(?=\d)|\u2116", re.IGNORECASE)
# "C++", "F#": names of one letter and signs.
CPP = re.compile(r"(?<![^\W_])c\+\+(?![^\W_])")
SHARP = re.compile(r"(?<![^\W_])([cfj])#(?![^\W_])")
POSSESSIVE = re.compile(r"(?<=[^\W_])'s\b")
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
}
UNITS = {spelling: unit for unit, names in UNIT_NAMES.items() for spelling in names.split()}
DIGIT = re.compile(r"\d")
QUANTITY = re.compile(
    r"(?<![^\W_])(?P<number>\d+(?:\.\d+)?)"
    rf"(?:[\s-]?(?P<unit>{'|'.join(sorted(UNITS, key=len, reverse=True))})\b|\s?\"|in\b(?!-))"
)


@dataclass(frozen=True)
class Quantity:
    """A number with its unit, wherever it stands in a text."""

    start: int
    end: int
    number: str
    term: str  # with the unit's short name: "480gb", "55inch"


def fold(text: str) -> str:
    """The text in lower case, without accents, trade marks, possessives and compatibility forms.

    "C#" becomes "csharp", "C++" "cpp", and "N\u00b0 5" "no 5".
    """
    if text.isascii():  # as below, in a tenth of the time
        text = text.replace("`", "'").replace("''", '"').lower()
    else:
        text = TRADE_MARKS.sub(" ", INCHES.sub('"', APOSTROPHES.sub("'", text)))
        text = unicodedata.normalize("NFKD", NUMBER_SIGN.sub("no ", text))
        text = LATIN_MARKS.sub("", text).casefold()
        text = unicodedata.normalize("NFC", text).translate(LETTERS_WITHOUT_MARKS)
    if "+" in text or "#" in text:
        text = SHARP.sub(r"\1sharp", CPP.sub("cpp", text))
    return POSSESSIVE.sub("", text) if "'s" in text else text


def find_quantities(text: str) -> Iterator[Quantity]:
    """The quantities of a folded text, in order: "480 gb", "480-gb" and "480 gigabytes" are one."""
    for found in QUANTITY.finditer(text) if DIGIT.search(text) else ():
        unit = UNITS[found["unit"] or "inch"]
        yield Quantity(found.start(), found.end(), found["number"], found["number"] + unit)
