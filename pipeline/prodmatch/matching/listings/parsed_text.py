"""Texts of products to what pairs are compared by: terms, codes, quantities, colours, sizes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from prodmatch.lexical.folding import fold
from prodmatch.lexical.quantities import BASE_UNITS, find_quantities
from prodmatch.lexical.terms import JOINT, STOP_WORDS

COMPOUND = re.compile(r"[^\W_]+(?:[-_./'+][^\W_]+)*")
PART = re.compile(r"\d+(?:\.\d+)+|[^\W_]+")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
CODE_LENGTH = 4  # of letters and digits, from which on they may be a model number
LONG_NUMBER = 5  # digits, from which on a number names one thing
COLOURS = frozenset(
    """aqua beige black blue bronze brown burgundy camel charcoal chrome copper coral cream
    cyan gold golden graphite gray green grey indigo ivory khaki lavender lilac lime magenta
    maroon mauve melange mint multi multicolor multicolour multicoloured mustard navy nude
    off-white olive orange peach pink platinum purple red rose rust sand silver skin tan
    taupe teal titanium transparent turquoise violet white yellow schwarz weiss rot blau
    grun gelb grau braun rosa noir blanc bleu rouge vert jaune gris marron negro blanco azul
    rojo verde amarillo""".split()  # noqa: SIM905
)
EQUAL_COLOURS = {
    "blk": "black",
    "wht": "white",
    "gray": "grey",
    "golden": "gold",
    "multicolor": "multi",
    "multicolour": "multi",
    "multicoloured": "multi",
}
LETTER_SIZES = {
    name: short
    for short, names in {
        "xxs": "xxs",
        "xs": "xs",
        "s": "s small",
        "m": "m med medium",
        "l": "l large",
        "xl": "xl",
        "xxl": "xxl 2xl",
        "xxxl": "xxxl 3xl",
        "4xl": "4xl xxxxl",
        "5xl": "5xl",
        "6xl": "6xl",
    }.items()
    for name in names.split()
}
# What tells models of one name apart, and what software is sold as, by the ways to write it.
EDITIONS = {
    name: names[0]
    for names in (
        *(("pro", "professional"), ("max",), ("plus",), ("mini",), ("lite",), ("ultra",)),
        *(("se",), ("fe",), ("prime",), ("neo",), ("elite",), ("ii",), ("iii",), ("iv",)),
        *(("wifi",), ("lte",), ("cellular",), ("basic",), ("student",), ("express",)),
        *(("deluxe", "dlx"), ("premium", "prem"), ("standard", "std")),
        ("upgrade", "upg", "upgrd"),
    )
    for name in names
}
SIZE = re.compile(r"\b(?:size|sz|uk|eu|us|eur|groesse|grosse|taille|talla)[\s:.-]*(\d+(?:\.5)?)\b")
PLUS_SIZE = re.compile(r"(?<=\bplus )[1-6]x\b|(?<=\bsize )[1-6]x\b|(?<=\s)[1-6]x\b(?!\s+\w)")
EXTRA_SIZE = re.compile(r"\b(x{1,3}|[2-6]x|extra)[\s-]?(large|small)\b")
PACK = re.compile(
    r"\b(?:(?:pack|set|box|lot|combo|case|bundle)\s+of|pack)\s+(\d+)\b"
    r"|\b(\d+)[\s-]*(?:pack|pcs|pc|pieces?|count|ct|er-pack|stuck)\b"
    r"|(?<![\w-])(?<!plus )(?<!size )(\d{1,2})\s?x\b(?=\s+[a-z])"
)
CONVERTED = frozenset(base for base, _ in BASE_UNITS.values())
OTHER_NAMES = {
    **dict.fromkeys(("zoll", "pouces", "pulgadas", "pollici"), "inch"),
    **dict.fromkeys(("litros", "litri"), "l"),
    **dict.fromkeys(("gramm", "gramos"), "g"),
    "stunden": "hours",
    **dict.fromkeys(("tee", "tees", "tshirt", "tshirts"), "t-shirt"),
    **dict.fromkeys(("ladies", "lady"), "women"),
    "gents": "men",
    "bt": "bluetooth",
    "pk": "pack",
}
OTHER_NAME = re.compile(rf"\b(?:{'|'.join(OTHER_NAMES)})\b")


@dataclass(frozen=True)
class ParsedText:
    """What a text says, each thing once, in order."""

    terms: tuple[str, ...]  # words, numbers, codes and quantities
    words: tuple[str, ...]  # of letters alone, without stop words
    codes: tuple[str, ...]  # model numbers and the like
    quantities: tuple[str, ...]  # "480gb"
    units: tuple[str, ...]  # of the quantities
    numbers: tuple[str, ...]  # without a unit
    colours: tuple[str, ...]
    editions: tuple[str, ...]  # "pro", "deluxe"
    sizes: tuple[str, ...]
    packs: tuple[str, ...]  # how many pieces; one where it does not say
    compact: str  # letters and digits without spaces


def parse_text(text: str) -> ParsedText:
    """What a text says."""
    folded = OTHER_NAME.sub(lambda name: OTHER_NAMES[name[0]], fold(text))
    found: dict[str, dict[str, None]] = {name: {} for name in ParsedText.__annotations__}
    for size in SIZE.finditer(folded):
        found["sizes"][size[1]] = None
    for pack in PACK.finditer(folded):
        found["packs"][next(filter(None, pack.groups())).lstrip("0") or "0"] = None
    found["packs"] = found["packs"] or {"1": None}
    rest = list(folded)
    for extra in EXTRA_SIZE.finditer(folded):
        name = _name_size(extra[1], extra[2])
        found["sizes"][name] = found["terms"][name] = None
        rest[extra.start() : extra.end()] = " " * (extra.end() - extra.start())
    for plus in PLUS_SIZE.finditer(folded):
        found["sizes"][LETTER_SIZES.get(f"{plus[0]}l", plus[0])] = None
    for quantity in find_quantities(folded):
        number, unit = _in_base_unit(quantity.number, quantity.unit)
        found["quantities"][number + unit] = found["terms"][number + unit] = None
        found["units"][unit] = None
        rest[quantity.start : quantity.end] = " " * (quantity.end - quantity.start)
    for compound in COMPOUND.findall("".join(rest)):
        _read_compound(compound, found)
    compact = "".join(character for character in folded if character.isalnum())
    kinds = {name: tuple(values) for name, values in found.items() if name != "compact"}
    return ParsedText(**kinds, compact=compact)


def split_words(text: str) -> list[str]:
    """Its words and numbers in order, by the names that terms have."""
    folded = OTHER_NAME.sub(lambda name: OTHER_NAMES[name[0]], fold(text))
    return [EQUAL_COLOURS.get(part) or _singular(part) for part in PART.findall(folded)]


def _name_size(extra: str, size: str) -> str:
    """The letters of a size in words: "xl" of "extra large", "4xl" of "4x-large"."""
    count = 1 if extra == "extra" else int(extra[0]) if extra[0].isdigit() else len(extra)
    return (f"{count}x" if count > 3 else "x" * count) + size[0]


def _read_compound(compound: str, found: dict[str, dict[str, None]]) -> None:
    whole = JOINT.sub("", compound).replace("+", "")
    if is_model_code(whole):
        found["codes"][whole] = found["terms"][whole] = None
    if whole in EDITIONS:
        found["editions"][EDITIONS[whole]] = None  # "wi-fi"
    for part in PART.findall(compound):
        if NUMBER.fullmatch(part) and not is_model_code(part):
            found["numbers"][_plain(part)] = found["terms"][_plain(part)] = None
            continue
        found["terms"][EQUAL_COLOURS.get(part) or _singular(part)] = None
        if is_model_code(part):
            found["codes"][part] = None
        elif part in LETTER_SIZES:
            found["sizes"][LETTER_SIZES[part]] = None
        elif part.isalpha() and part not in STOP_WORDS:
            found["words"][part] = None
        if part in EDITIONS:
            found["editions"][EDITIONS[part]] = None
        if part in COLOURS or part in EQUAL_COLOURS:
            found["colours"][EQUAL_COLOURS.get(part, part)] = None


def _singular(word: str) -> str:
    """A word without the ending of a plural: "shirts" is "shirt"."""
    is_plural = len(word) > 3 and word.isalpha() and word[-1] == "s" and word[-2] not in "siu"
    return word[:-1] if is_plural else word


def is_model_code(term: str) -> bool:
    """Whether a term is likely the name of one thing: letters with digits, or a long number."""
    if term.isdigit():
        return len(term) >= LONG_NUMBER
    has_digit = any(map(str.isdigit, term))
    return len(term) >= CODE_LENGTH and has_digit and not NUMBER.fullmatch(term)


def split_quantity(term: str) -> tuple[str, str]:
    """The number and the unit of a quantity."""
    number = re.match(r"[\d.]+", term)
    end = number.end() if number else 0
    return term[:end], term[end:]


def _in_base_unit(number: str, unit: str) -> tuple[str, str]:
    """A quantity in the unit that is compared, rounded where it may have been converted."""
    base, factor = BASE_UNITS.get(unit, (unit, 1.0))
    if base not in CONVERTED:
        return _plain(number), unit
    converted = float(number) * factor
    return f"{converted:.0f}" if converted >= 100 else f"{converted:.3g}", base


def _plain(number: str) -> str:
    """A number as it is written most simply: "7.0" as "7"."""
    plain = number.rstrip("0").rstrip(".") if number.count(".") == 1 else number
    return plain.lstrip("0") or "0"


def iterate_kinds(parsed: ParsedText) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The kinds of things with what a text says of each."""
    for name in KINDS:
        yield name, getattr(parsed, name)


KINDS = tuple(name for name in ParsedText.__annotations__ if name != "compact")
