"""The columns of a catalogue that tell variants apart: colour, size, capacity and the like."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from prodmatch.lexical.folding import fold
from prodmatch.matching.listings.named_values import COLOURS, KIND_OF, VALUES, read_names
from prodmatch.matching.listings.parsed_text import LETTER_SIZES, ParsedText, name_word, parse_text

COLUMNS = read_names(
    "colour color farbe couleur, size groesse grosse taille, capacity storage memory, "
    "pack pack_size pieces, gender, material, pattern, "
    "gtin gtin8 gtin12 gtin13 gtin14 ean ean8 ean13 upc upca barcode isbn isbn13"
)
GTIN = "gtin"
GTIN_DIGITS = 8, 14  # at least, as numbers lose zeros at their start; at most
ATTRIBUTES = tuple(dict.fromkeys(COLUMNS.values()))
# Of these a value that each has alone is a conflict; of the others, that they share none.
EXACT = ("amounts", "numbers")
PARTS = (*EXACT, "colours", "words")
NO_VALUE = frozenset(["unisex", "multi", "none", "n", "na", "null"])
# They stand next to what a column says, or not: "size 40", "EU 40", "40".
SAY_LITTLE = frozenset("size sz eu eur uk us pack set pc pcs piece count er x".split())  # noqa: SIM905
PERCENTAGE = re.compile(r"\d+(?:[.,]\d+)?\s*%")
JOINED = re.compile(r"\s*([,&+])\s*")
# Around the name of what a column is of: "pa_size", "color_name".
AFFIXES = re.compile(r"^(?:pa|attribute|attr|product|item|variant|spec|main)_|_(?:name|value)$")
OPTION = re.compile(
    r"option_?\d"
)  # of a shop's export: its name in one column, its value in another
DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d{1,2}(?!\d))")


@dataclass(frozen=True)
class AttributeValue:
    """What a column says, in the units and by the names that are compared.

    Attributes:
        text: as it is shown.
        amounts: "64gb", "1000ml".
        numbers: also sizes and numbers of pieces.
        colours: those that have a name.
        words: all words, by one name for each, besides what says little; or GTINs.
    """

    text: str
    amounts: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def denies(self, other: "AttributeValue") -> bool:
        """Whether the other is another value.

        An amount or a number that each has alone says so, colours that share none, and, where they
        share nothing else, words.
        """
        pairs = {name: (set(getattr(self, name)), set(getattr(other, name))) for name in PARTS}
        if any(own - its and its - own for own, its in (pairs[name] for name in EXACT)):
            return True
        apart = {name: bool(own and its and not own & its) for name, (own, its) in pairs.items()}
        shares = any(own & its for own, its in pairs.values())
        return apart["colours"] or (apart["words"] and not shares)


def read_attributes(columns: Mapping[str, object]) -> dict[str, AttributeValue]:
    """The value of every attribute that a product has a column of, or several."""
    texts: dict[str, list[str]] = {}
    for column, value in named_columns(columns):
        name = COLUMNS.get(column)
        if name is not None and value is not None:
            texts.setdefault(name, []).append(PERCENTAGE.sub(" ", str(value)))
    found = {
        name: _read_gtins(each) if name == GTIN else _read_value(" / ".join(each))
        for name, each in texts.items()
    }
    return {name: value for name, value in found.items() if value is not None}


def named_columns(columns: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """The plain name and the value of every column; an option's name is that which it has."""
    for column, value in columns.items():
        name = name_column(column)
        if OPTION.fullmatch(name):
            if name == _fold_name(column).removesuffix("_value"):
                names = {_fold_name(each): own for each, own in columns.items()}
                yield name_column(str(names.get(f"{name}_name") or name)), value
            continue
        yield name, value


@lru_cache(maxsize=4096)
def name_column(column: str) -> str:
    """The name of a column without what stands around it."""
    return AFFIXES.sub("", _fold_name(column))


def _fold_name(column: str) -> str:
    return fold(column).replace(" ", "_")


def _read_gtins(texts: list[str]) -> AttributeValue | None:
    """The numbers that name one product in all shops (EAN, UPC, ISBN), by 14 digits each."""
    written = (part for text in texts for part in re.split("[,;|/]", text))
    digits = (re.sub(r"\.0$|[\s-]", "", part.strip()) for part in written)
    found = tuple(dict.fromkeys(each.zfill(14) for each in digits if _is_gtin(each)))
    return (
        AttributeValue(" ".join(each.lstrip("0") for each in found), words=found) if found else None
    )


def _is_gtin(digits: str) -> bool:
    """Whether its check digit is right, and it is no number that a shop gives for itself."""
    least, most = GTIN_DIGITS
    if not (digits.isascii() and digits.isdigit() and least <= len(digits) <= most):
        return False
    whole = digits.zfill(14)
    check = sum(int(digit) * (3, 1)[place % 2] for place, digit in enumerate(whole)) % 10
    return check == 0 and whole[:2] != "02" and len(set(whole[1:].lstrip("0"))) > 1


def _read_value(written: str) -> AttributeValue | None:
    """What a column says; None where that is nothing, or all."""
    folded = fold(DECIMAL_COMMA.sub(".", written))
    parsed = parse_text(folded)
    named = _name_colours(folded) if parsed.colours else map(_name, parsed.words)
    words = tuple(dict.fromkeys(named))
    plain = folded.replace("/", " ").split()
    if not plain or NO_VALUE & {*words, *plain} or {"men", "women"} <= {*words}:
        return None
    return AttributeValue(
        text=" ".join(plain),
        amounts=parsed.quantities,
        numbers=_numbers_of(parsed),
        colours=tuple(word for word in words if {*word.split("+")} <= {*COLOURS.values()}),
        words=(*(word for word in words if word not in SAY_LITTLE), *_narrower(words)),
    )


def _name_colours(folded: str) -> list[str]:
    """The words of a text of colours; those that are joined are one: "grey-green" is not grey."""
    found = []
    for word in JOINED.sub(r"\1", folded).replace("/", " ").split():
        parts = re.findall(r"[^\W_]+", word)
        names = sorted({COLOURS[part] for part in parts if part in COLOURS})
        found.append("+".join(names) if all(part in COLOURS for part in parts) else word)
    return [word for word in found if word]


def _name(word: str) -> str:
    kind = KIND_OF.get(word)
    return VALUES[kind][word] if kind else name_word(word)


def _narrower(words: tuple[str, ...]) -> tuple[str, ...]:
    """Who else is named: what is for kids is for boys and for girls."""
    return ("boys", "girls") if "kids" in words else ()


def _numbers_of(parsed: ParsedText) -> tuple[str, ...]:
    packs = parsed.packs if parsed.says_pack else ()
    coded = (
        term
        for term in parsed.terms
        if any(map(str.isdigit, term))
        and term not in {*parsed.quantities, *LETTER_SIZES}
        and not (packs and not term.isdigit())  # "4er", of a pack
    )
    return tuple(dict.fromkeys((*coded, *parsed.sizes, *packs)))
