"""Texts of products to what pairs are compared by: terms, codes, quantities, colours, sizes."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from prodmatch.lexical.folding import fold
from prodmatch.lexical.languages import STOP_WORDS
from prodmatch.lexical.prices.currencies import SIGNS
from prodmatch.lexical.quantities import BASE_UNITS, UNITS, find_quantities
from prodmatch.lexical.terms import JOINT
from prodmatch.matching.listings.named_values import COLOURS, add_value, close_audience, read_names

COMPOUND = re.compile(r"[^\W_]+(?:[-_./'+][^\W_]+)*")
PART = re.compile(r"\d+(?:\.\d+)+|[^\W_]+")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
CODE_LENGTH = 4  # of letters and digits, from which on they may be a model number
LONG_NUMBER = 5  # digits, from which on a number names one thing
LETTER_SIZES = read_names(
    "xxs, xs, s small, m med medium, l large, xl, xxl 2xl, xxxl 3xl, 4xl xxxxl, 5xl, 6xl"
)
SIZE = re.compile(r"\b(?:size|sz|uk|eu|us|eur|groesse|grosse|taille|talla)[\s:.-]*(\d+(?:\.5)?)\b")
PLUS_SIZE = re.compile(r"(?<=\bplus )[1-6]x\b|(?<=\bsize )[1-6]x\b|(?<=\s)[1-6]x\b(?!\s+\w)")
EXTRA_SIZE = re.compile(r"\b(x{1,3}|[2-6]x|extra)[\s-]?(large|small)\b")
PACK = re.compile(
    r"\b(?:(?:pack|set|box|lot|combo|case|bundle)\s+of|pack)\s+(\d+)\b"
    r"|\b(\d+)[\s-]*(?:pack|pcs|pc|pieces?|count|ct|er-pack|stuck|cans|bottles|dosen|flaschen)\b"
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
    "bt": "bluetooth",
    "pk": "pack",
    **dict.fromkeys(("twin pack", "twinpack", "double pack", "doppelpack"), "pack of 2"),
    **dict.fromkeys(("open box", "open-box", "like new", "wie neu", "b-ware"), "openbox"),
    **{"edt": "eau de toilette", "edp": "eau de parfum", "blu-ray": "bluray", "blu ray": "bluray"},
}
OTHER_NAME = re.compile(rf"\b(?:{'|'.join(OTHER_NAMES)})\b")
ORDINAL = re.compile(r"\b(\d+)(?:st|nd|rd|th)\b")
FLUID_OUNCES = re.compile(r"\b(\d+(?:\.\d+)?)[\s-]?(?:fl\.?|fluid)\s?(?:oz|ounces?)\b")
CENTILITRES = 2.957  # of a fluid ounce
USED = re.compile(r"^used\b|\bused(?=\s*(?:[)\],|-]|$))")  # not "used for"
# What a seller wants, not what a product is: "\u20ac799.20", "33.50 EUR", "up to 40% off".
AMOUNT = r"\d+(?:[,.']\d{3})*(?:[.,]\d\d|[.,]?[-\u2013])?"
OFFER = re.compile(
    rf"(?:\b(?:us|au?|ca?|nz))?{SIGNS}\s?{AMOUNT}(?![.,]?\d)"
    rf"|\b(?:usd|gbp|chf|inr|rs\.?)\s?{AMOUNT}(?![.,]?\d)"
    rf"|(?<![\w.,]){AMOUNT}\s?(?:{SIGNS}|(?:usd|gbp|chf|inr|euros?)\b)(?!\s?\d)"
    rf"|(?<![\w.,])(?=[\d,.']*(?:\d{{3}}|[.,]\d\d)\s?eur\b){AMOUNT}\s?eur\b"  # no size: 42 eur
    r"|(?:\bup to )?\b\d\d?\s?%\s?(?:off|discount|rabatt|reduced)\b"
)
# Where it is what the product is worth.
WORTH = re.compile(r"card|voucher|coupon|gift|credit|warranty|\bplan\b|gutschein|guthaben")
# "80 x 28 x 202 cm", "12 x 330 ml"
MULTIPLIED = re.compile(
    rf"(?<![\w.])((?:\d+(?:\.\d+)?\s?[x\u00d7]\s?){{1,3}})(\d+(?:\.\d+)?)[\s-]?({'|'.join(UNITS)})\b"
)


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
    sizes: tuple[str, ...]
    packs: tuple[str, ...]  # how many pieces; one where it does not say
    compact: str  # letters and digits without spaces
    named: Mapping[str, tuple[str, ...]]  # the values of attributes of `named_values`
    units_written: Mapping[str, str]  # of the quantities, before they were converted
    says_pack: bool
    twice: frozenset[str]  # quantities and colours that it names more than once


def parse_text(text: str) -> ParsedText:
    """What a text says."""
    folded = _write_one_way(text)
    found: dict[str, dict[str, None]] = {name: {} for name in KINDS}
    named: dict[str, dict[str, None]] = {}
    written: dict[str, str] = {}
    mentions = Counter[tuple[str, str]]()  # in a unit: "27 inch (68.6 cm)" is one of each
    for size in SIZE.finditer(folded):
        found["sizes"][size[1]] = None
    for pack in PACK.finditer(folded):
        found["packs"][next(filter(None, pack.groups())).lstrip("0") or "0"] = None
    says_pack = bool(found["packs"])
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
        written[number + unit] = quantity.unit
        mentions[number + unit, quantity.unit] += 1
        rest[quantity.start : quantity.end] = " " * (quantity.end - quantity.start)
    for compound in COMPOUND.findall("".join(rest)):
        _read_compound(compound, found, named)
        parts = PART.findall(compound)
        mentions.update((COLOURS[part], "") for part in parts if part in COLOURS)
    close_audience(named)
    found["colours"] = named.pop("colour", {})
    return ParsedText(
        **{name: tuple(values) for name, values in found.items()},
        compact="".join(character for character in folded if character.isalnum()),
        named={kind: tuple(values) for kind, values in named.items()},
        units_written=written,
        says_pack=says_pack,
        twice=frozenset(value for (value, _), count in mentions.items() if count > 1),
    )


def split_words(text: str) -> list[str]:
    """Its words and numbers in order, by the names that terms have."""
    return [name_word(part) for part in PART.findall(_write_one_way(text))]


def name_word(word: str) -> str:
    """The name that a word has whatever its number and language: "shirt", "black"."""
    return COLOURS.get(word) or _singular(word)


def _write_one_way(text: str) -> str:
    """The folded text with one name, and one way to write packs and sizes, for several."""
    folded = fold(text)
    if not WORTH.search(folded):
        folded = OFFER.sub(" ", folded)
    folded = OTHER_NAME.sub(lambda name: OTHER_NAMES[name[0]], folded)
    folded = FLUID_OUNCES.sub(
        lambda found: f"{float(found[1]) * CENTILITRES:.3g} cl", USED.sub("preowned", folded)
    )
    return MULTIPLIED.sub(_write_apart, ORDINAL.sub(r"\1", folded))


def _write_apart(found: re.Match[str]) -> str:
    """The sides of a thing each with its unit; or how many pieces, and what is in each."""
    numbers, unit = [*NUMBER.findall(found[1]), found[2]], found[3]
    base = _in_base_unit(found[2], UNITS[unit])[1]
    if base == "cm":
        return " ".join(f"{number} {unit}" for number in numbers)
    if base in ("g", "ml") and len(numbers) == 2:
        return f"pack {numbers[0]} {numbers[1]} {unit}"
    return found[0]


def _name_size(extra: str, size: str) -> str:
    """The letters of a size in words: "xl" of "extra large", "4xl" of "4x-large"."""
    count = 1 if extra == "extra" else int(extra[0]) if extra[0].isdigit() else len(extra)
    return (f"{count}x" if count > 3 else "x" * count) + size[0]


def _read_compound(
    compound: str, found: dict[str, dict[str, None]], named: dict[str, dict[str, None]]
) -> None:
    whole = JOINT.sub("", compound).replace("+", "")
    if is_model_code(whole):
        found["codes"][whole] = found["terms"][whole] = None
    add_value(named, whole)  # "wi-fi"
    for part in PART.findall(compound):
        if NUMBER.fullmatch(part) and not is_model_code(part):
            found["numbers"][_plain(part)] = found["terms"][_plain(part)] = None
            continue
        found["terms"][name_word(part)] = None
        if is_model_code(part):
            found["codes"][part] = None
        elif part in LETTER_SIZES:
            found["sizes"][LETTER_SIZES[part]] = None
        elif part.isalpha() and part not in STOP_WORDS:
            found["words"][part] = None
        add_value(named, part)


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


NO_KINDS = "compact", "named", "units_written", "says_pack", "twice"
KINDS = tuple(name for name in ParsedText.__annotations__ if name not in NO_KINDS)
