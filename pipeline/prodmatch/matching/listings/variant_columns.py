"""Columns of which two listings of one product say the same, besides those of `attributes`.

They are compared pair by pair, each kind of column in its own way.
"""

import re
from collections.abc import Callable, Mapping
from string import digits

from prodmatch.lexical.folding import fold
from prodmatch.matching.listings.attributes import COLUMNS, named_columns
from prodmatch.matching.listings.named_values import KIND_OF, VALUES, read_names
from prodmatch.matching.listings.parsed_text import name_word, parse_text, split_quantity

NAMES = read_names(
    "flavour flavor taste geschmack gout sabor gusto, scent duft aroma fragrance, shade farbton, "
    "fit passform, finish, author autor auteur autore, animal species pet_type tierart, platform "
    "console plattform, format binding cover_type, side position, sleeve sleeve_length, neckline, "
    "language sprache langue idioma lingua, condition item_condition zustand etat, "
    "mpn part_number manufacturer_part_number model_number, model modell modele, "
    "voltage spannung, power wattage leistung, length lange laenge longueur, diameter durchmesser, "
    "content net_content net_weight inhalt fullmenge, weight gewicht poids peso, width breite, "
    "height hohe hoehe, depth tiefe"
)
# Each alone has a word: "dark chocolate" is not "white chocolate". Others share no word.
EACH_WORD = frozenset(["flavour", "scent", "shade", "fit", "finish"])
MEASURES = frozenset(
    ["voltage", "power", "length", "diameter", "content", "weight", "width", "height", "depth"]
)
# Other shops measure these with what the product is packed in, or in another order.
OF_ONE_SHOP = frozenset(["weight", "width", "height", "depth"])
MOST_RATIO = 1.2  # of an amount that is rounded, or converted
SAY_LITTLE = frozenset(
    "flavour flavor flavoured taste scent scented fragrance fit side edition series geschmack "  # noqa: SIM905
    "duft with and of the mit und de".split()
)
LANGUAGES = read_names(
    "english en eng, german de deu ger, french fr fra fre, spanish es spa, italian it ita, "
    "portuguese pt por, dutch nl nld, russian ru rus, japanese ja jp jpn, chinese zh chi"
)
NEW = re.compile(r"\b(?:brand ?)?(?:new|neu|neuf|nuevo|nuovo|nieuw)\b|newcondition")
LEAST_CODE = 3  # letters and digits
CODE = re.compile(r"[^\W_]+")
LISTED_NAMES = sorted({*NAMES, *COLUMNS} - {"content", "position"})
MEASURED = "|".join(sorted({*MEASURES, "capacity", "size"} - {"content"}))
# "Scent: lavender" and "Capacity 500 GB", in a description.
LISTED = re.compile(
    rf"(?:^|[.;|\n•*-])[^\S\n]*(?:({'|'.join(LISTED_NAMES)})[^\S\n]*[:=]|({MEASURED})[^\S\n]+(?=\d))"
    r"((?:[^.:;|\n•]|(?<=\d)\.(?=\d)){1,40})(?=[.;|\n•]|$)".replace("_", "[ _]"),
    re.IGNORECASE,
)
TASTES_OF = re.compile(
    r"\b(?:flavou?r|taste|scent|aroma|fragrance|geschmack|duft) (?:of|von|nach)"
    r"((?: [^\W\d_]+){1,3})"
)
Values = tuple[str, str]


def read_columns(columns: Mapping[str, object]) -> dict[str, str]:
    """What a product has in such columns, by attribute, folded; also what its description lists."""
    found: dict[str, str] = {}
    for name, value in named_columns(columns):
        if name in NAMES and value is not None and (text := fold(str(value)).strip()):
            found.setdefault(NAMES[name], text)
    return found


def list_columns(columns: Mapping[str, object]) -> dict[str, object]:
    """The columns, with what the description lists by name and no column has."""
    names = {**COLUMNS, **NAMES}
    known = {
        names[name] for name, value in named_columns(columns) if name in names and value is not None
    }
    listed: dict[str, object] = {}
    description = str(columns.get("description") or "")
    for plain, measured, value in LISTED.findall(description):
        attribute = names[fold(plain or measured).replace(" ", "_")]
        if attribute not in known:
            listed.setdefault(attribute, _cut(value))
    if "flavour" not in known and (flavours := _flavours(description)):
        listed.setdefault("flavour", flavours)
    return {**columns, **listed}


def _cut(value: str) -> str:
    """What is listed, without remarks of several words behind it: "red, quick drying"."""
    first, *more = value.split(",")
    return ",".join([first, *(part for part in more if len(part.split()) == 1)])


def _flavours(description: str) -> str:
    """The flavours that a description says a thing tastes or smells of."""
    words = " ".join(TASTES_OF.findall(fold(description))).split()
    return " ".join(word for word in words if word in VALUES["flavour"])


def find_conflicts(
    own: Mapping[str, str], other: Mapping[str, str], *, is_one: bool
) -> dict[str, Values]:
    """The attributes of which two products have other values, with these.

    `is_one`: whether they are of one catalogue, where numbers without a unit are of one.
    """
    found = {}
    for name in sorted(own.keys() & other.keys()):
        if name in OF_ONE_SHOP and not is_one:
            continue
        values = own[name], other[name]
        if values[0] != values[1] and _compare(name, *values, is_one=is_one):
            found[name] = values
    return found


def _compare(name: str, one: str, other: str, *, is_one: bool) -> bool:
    if name in MEASURES:
        return _measures_apart(one, other, is_one=is_one)
    special: Mapping[str, Callable[[str, str], bool]] = {
        "mpn": _codes_apart,
        "model": _models_apart,
        "language": _languages_apart,
        "condition": lambda own, its: bool(NEW.search(own)) != bool(NEW.search(its)),
    }
    if name in special:
        return special[name](one, other)
    words, numbers = zip(_read(one), _read(other), strict=True)
    if all(numbers) and numbers[0] - numbers[1] and numbers[1] - numbers[0]:
        return True
    if name in EACH_WORD:
        return bool(words[0] - words[1] and words[1] - words[0])
    return bool(words[0] and words[1] and not words[0] & words[1])


def _read(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """The words of a value, by one name for each, and its numbers."""
    words = {
        VALUES[KIND_OF[word]][word] if word in KIND_OF else name_word(word.strip(digits))
        for word in CODE.findall(text)
        if word not in SAY_LITTLE
    }
    return frozenset(words - {""}), frozenset(re.findall(r"\d+", text))


def _measures_apart(one: str, other: str, *, is_one: bool) -> bool:
    """Whether two amounts of one unit are further apart than they are rounded."""
    sides = [_amounts(each, is_one=is_one) for each in (one, other)]
    return any(
        max(sides[0][unit], sides[1][unit]) > MOST_RATIO * min(sides[0][unit], sides[1][unit])
        for unit in sides[0].keys() & sides[1].keys()
    )


def _amounts(text: str, *, is_one: bool) -> dict[str, float]:
    """The first amount of each unit, above 0; a number without one too where all are of one."""
    found: dict[str, float] = {}
    for quantity in parse_text(text).quantities:
        number, unit = split_quantity(quantity)
        found.setdefault(unit, float(number))
    if is_one and not found and re.fullmatch(r"\d+(?:\.\d+)?", text):
        found[""] = float(text)
    return {unit: amount for unit, amount in found.items() if amount > 0}


def _codes_apart(one: str, other: str) -> bool:
    """Whether no part number of the one is, or begins, one of the other."""
    sides = [
        ["".join(CODE.findall(part)) for part in re.split("[,;|/]", each)] for each in (one, other)
    ]
    known = [[code for code in side if len(code) >= LEAST_CODE] for side in sides]
    return all(known) and not any(
        own.startswith(its) or its.startswith(own) for own in known[0] for its in known[1]
    )


def _models_apart(one: str, other: str) -> bool:
    """Likewise of models that are codes; their names are other ones in other shops."""
    is_code = all(" " not in each and re.search(r"\d", each) for each in (one, other))
    return is_code and _codes_apart(one, other)


def _languages_apart(one: str, other: str) -> bool:
    sides = [
        {
            LANGUAGES.get(word) or VALUES["language"].get(word) or word
            for word in re.findall(r"[^\W\d_]+", each)
        }
        for each in (one, other)
    ]
    return all(sides) and not sides[0] & sides[1]
