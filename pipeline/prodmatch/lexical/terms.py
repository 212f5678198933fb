"""Text to the terms that the lexical signal counts; the same rules for products and for queries."""

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from prodmatch.lexical.folding import fold
from prodmatch.lexical.languages import ENGLISH, words_of
from prodmatch.lexical.quantities import UNITS, Quantity, equal_terms, find_measures

WORD_RULES = 3  # raise it where other terms come of a text: a generation's manifest has it
# Signs that belong to the letter before them; those that `fold` drops are not among them.
MARKS = "\u0900-\u0963\u0966-\u0dff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
LETTERS = rf"(?:[^\W_]|[{MARKS}])+"
COMPOUND = re.compile(rf"{LETTERS}(?:[-_./'&]{LETTERS})*")
# A decimal number is one part, behind letters too: "hdmi2.1".
PART = re.compile(
    rf"\d+(?:\.\d+)+[a-z]*|(?:(?!(?<=[a-z])\d{{1,2}}\.\d)(?:[^\W_]|[{MARKS}]))+|{LETTERS}"
)
# All but the signs of "3.5" and "3/4".
JOINT = re.compile(r"(?<!\d)[-_./'&]|[-_'&](?=\d)|[-_./'&](?!\d)")
DOTTED_CODE = re.compile(r"(?<![^\W_])\d+(?:\.\d+){2,}(?![^\W_])")  # "002.638.50"
SLASHED_CODE = re.compile(r"[a-z]\d{2,}(?:/\d+)+")  # "hx6851/53": one code, though "3/4" is none
PACK = re.compile(rf"(\d+)x((\d+(?:\.\d+)?)(?:{'|'.join(UNITS)}))")  # "6x330ml"
DECIMAL = re.compile(r"(\d+)\.\d+")
# Scripts written without spaces: their words are found by pairs of neighbouring letters.
_UNSPACED_LETTER = (
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
    r"\uf900-\ufaff\U00020000-\U0003ffff]"
)
UNSPACED = re.compile(f"{_UNSPACED_LETTER}+")
# One of them may be a word: "\u8336", tea.
IDEOGRAPH = re.compile(r"[\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
LETTERS_OR_DIGITS = re.compile(r"[a-z]+|\d+(?:\.\d+)*")
PIECE = re.compile(
    rf"\d+(?:\.\d+)*|{_UNSPACED_LETTER}|(?:(?!{_UNSPACED_LETTER})(?:[^\W\d_]|[{MARKS}]))+"
)
LETTER_BEFORE_DIGIT = re.compile(r"(?<=[a-z])(?=\d)|(?<=\d)(?=[a-z])")
LONGEST_WORD = 64  # letters; beyond it is a token, an address, or a hand on the keys
MAX_COMPOUNDS = 250  # of a query; each letter among them is looked up
MAX_PARTS = 16  # of a compound
MAX_PIECES = 3  # of a word of letters and digits
MAX_JOINED = 3  # neighbours that may be one code
CLOTHES_SIZE = re.compile(r"[2-9]x[ls]")  # "2xl" is no "xl"
SIZE_WORD_WEIGHT = 0.25  # of "size" before a size, which others write without it
PIECE_WEIGHT = 0.5  # of "iphone" and of "13" in "iphone13": together no more than the word itself
ONE_WORD_SHARE = 0.05  # of the products that say "shirt" must say "tshirt" for "t shirt" to be it
AMPERES = re.compile(r"\d{1,3}a")  # and sizes of drumsticks
CODE_LENGTH = 2  # of a word with digits, from which on it may name one thing
LONG_NUMBER = 5  # digits, from which on a number is a name
PREFIX_LENGTH = 5  # of a code, from which on it may be the beginning of a longer one
SIZE_WORDS = frozenset(  # folded, before a size
    """size sz grosse gr taille talla taglia maat tamanho storlek str rozmiar beden""".split()  # noqa: SIM905
)
SIZE_REGIONS = frozenset(["uk", "us", "eu", "eur"])
LETTER_SIZE = re.compile(r"x{0,6}[sl]|m|[2-9]x[sl]")


@dataclass(frozen=True)
class QueryTerm:
    """A term of a query, in every form that it may have in the catalogue."""

    typed: tuple[str, ...]  # the term, and the compound that it is a part of
    joined: tuple[str, ...] = ()  # it as one word with its neighbours
    weight: float = 1.0
    is_measure: bool = False  # of a quantity, which names no product
    start: int = field(default=0, compare=False)  # where it stands in the folded query
    word_start: int = field(default=0, compare=False)  # of the word or quantity that it is part of

    @property
    def forms(self) -> tuple[str, ...]:
        """All of them, the term itself first."""
        return self.typed + self.joined


@dataclass(frozen=True)
class Compound:
    """A run of letters and digits: the parts between hyphens and the like, and all as one word."""

    parts: tuple[str, ...]
    whole: str
    quantity: Quantity | None = None  # that begins with it
    start: int = 0  # where it stands in the folded text


@dataclass(frozen=True)
class Token:
    """A word of a text as phrases are compared by, and where it stands in the folded text."""

    text: str
    start: int
    end: int


def split_terms(text: str) -> list[str]:
    """The terms of a product's text, in order.

    A compound gives its parts and itself without its joints: "long-sleeve" is found by "long
    sleeve" and by "longsleeve", "T-Shirt" by "t-shirt", "tshirt", "t shirt" and "shirt". A quantity
    is a term and so is its number, as is the integer of a decimal number: "480 GB" is found by
    "480gb", "Bluetooth 5.3" by "bluetooth 5". A code that is no part of a compound counts twice.
    """
    folded = fold(text)
    quantities = {quantity.start: quantity for quantity in find_measures(folded)}
    terms: list[str] = []
    for found in COMPOUND.finditer(folded):
        if found.start() in quantities:
            compound = _read_compound(found.group(), quantities[found.start()])
            terms += _product_terms(compound)
        else:
            terms += _plain_terms(found.group())
    return terms


@functools.lru_cache(maxsize=1 << 16)
def _plain_terms(compound: str) -> tuple[str, ...]:
    """The terms of a compound that begins with no quantity; most words come again and again."""
    return tuple(_product_terms(_read_compound(compound)))


def query_terms(
    text: str, count_of: Callable[[str], int], language: str = ENGLISH
) -> list[QueryTerm]:
    """The terms of a query, each in all its forms.

    Stop words are left out, unless there is nothing else. A single letter belongs to the word
    behind it where the products say that as one ("t shirt" is "t-shirt", "a red shirt" is no
    "ared"), and neighbours may be one word in the catalogue.

    Args:
        text: what is searched for.
        count_of: how many products say a term.
        language: whose stop words are left out.
    """
    compounds = list(_join_letters(islice(_compounds(text), MAX_COMPOUNDS), count_of))
    left_out = words_of(language).stop
    compounds = [each for each in compounds if each.whole not in left_out] or compounds
    terms: list[QueryTerm] = []
    for position, compound in enumerate(compounds):
        after_number = position > 0 and _is_number(compounds[position - 1])
        joined = _joined_forms(compounds, position)
        found = list(_terms_of(compound, joined, after_number=after_number))
        if begins_with_size([each.whole for each in compounds[position : position + 3]]):
            found = [replace(term, weight=SIZE_WORD_WEIGHT) for term in found]
        word_start = compounds[position - after_number].start
        terms += [replace(term, start=compound.start, word_start=word_start) for term in found]
    return terms


def _terms_of(
    compound: Compound, joined: tuple[str, ...], *, after_number: bool
) -> Iterator[QueryTerm]:
    if compound.quantity and _is_number(compound):
        forms = (*equal_terms(compound.quantity), *joined)
        yield QueryTerm((compound.quantity.term,), forms, is_measure=True)
    if _is_number(compound) or after_number:
        yield QueryTerm((compound.whole,), weight=PIECE_WEIGHT)
        return
    if compound.quantity:
        joined = (compound.quantity.term, *equal_terms(compound.quantity), *joined)
    is_measure = compound.quantity is not None
    if len(compound.parts) > 1 or compound.parts[0] != compound.whole:
        for part in compound.parts:
            yield QueryTerm((part, compound.whole), joined, is_measure=is_measure)
        return
    first, *others = _pairs(compound.whole)
    yield QueryTerm((first,), joined, is_measure=is_measure)
    yield from (QueryTerm((pair,)) for pair in others)
    yield from (QueryTerm((piece,), weight=PIECE_WEIGHT) for piece in _pieces(compound.whole))


def split_tokens(text: str) -> list[Token]:
    """The words of a text one by one, in order: a quantity is one, "iphone13" two, "l'oreal" one.

    Their letters joined are the same however a text joins or splits them: "T-Shirt", "t shirt".
    """
    folded = fold(text)
    quantities = {quantity.start: quantity for quantity in find_measures(folded)}
    tokens: list[Token] = []
    end = 0
    for compound in COMPOUND.finditer(folded):
        whole = "'" in compound.group()
        for part in [compound] if whole else PART.finditer(folded, *compound.span()):
            if part.start() < end:  # the unit of a quantity
                continue
            end = part.end()
            if quantity := quantities.get(part.start()):
                end = quantity.end
                tokens.append(Token(quantity.term, part.start(), end))
            elif whole:
                tokens.append(Token(JOINT.sub("", part.group()), part.start(), end))
            else:
                pieces = [piece for piece in PIECE.finditer(folded, *part.span())]
                tokens += [Token(each.group(), each.start(), each.end()) for each in pieces]
    return tokens


def is_code(term: str) -> bool:
    """Whether a term may name one thing, as a model number does: it has a digit."""
    return len(term) >= CODE_LENGTH and any(map(str.isdigit, term))


def names_one(term: str) -> bool:
    """Whether a code is likely a name: neither a size, as "200" and "55inch" are, nor a year."""
    if term.isdigit():
        return len(term) >= LONG_NUMBER
    is_size = AMPERES.fullmatch(term) or any(each.start == 0 for each in find_measures(term))
    return is_code(term) and not is_size


def begins_with_size(words: Sequence[str]) -> bool:
    """Whether the first of some words says that a size follows: "size 42", "gr xl", "size uk 8"."""
    if not words or fold(words[0]) not in SIZE_WORDS:
        return False
    value = next((word for word in words[1:] if word not in SIZE_REGIONS), "")
    return value[:1].isdigit() or LETTER_SIZE.fullmatch(value) is not None


def says_size(words: Sequence[str]) -> bool:
    """Whether a size stands anywhere among some words."""
    return any(begins_with_size(words[at : at + 3]) for at in range(len(words)))


def apart(text: str) -> str:
    """The text folded, its letters and digits as words of their own: "iphone 13" of "iPhone13"."""
    return LETTER_BEFORE_DIGIT.sub(" ", fold(text))


def is_spelled(term: str) -> bool:
    """Whether a term is a word that can be mistyped: of letters, and of a script with spaces.

    It is no compound either if it is not: parts are looked for at every letter.
    """
    is_word = 4 <= len(term) <= LONGEST_WORD and term.isalpha()
    return is_word and not UNSPACED.search(term)


def _compounds(text: str) -> Iterator[Compound]:
    folded = fold(text)
    quantities = {quantity.start: quantity for quantity in find_measures(folded)}
    for found in COMPOUND.finditer(folded):
        start = found.start()
        yield _read_compound(found.group(), quantities.get(start), start)


def _read_compound(text: str, quantity: Quantity | None = None, start: int = 0) -> Compound:
    parts = tuple(PART.findall(text))
    code = DOTTED_CODE.sub(_join_dotted, SLASHED_CODE.sub(_join_slashed, text))
    whole = JOINT.sub("", code)
    if "'" in text:  # the letter of "l'oreal" is no word
        parts = tuple(part for part in parts if not _is_letter(part)) or (whole,)
    return Compound(parts, whole, quantity, start)


def _join_slashed(found: re.Match[str]) -> str:
    return found.group().replace("/", "")


def _join_dotted(found: re.Match[str]) -> str:
    return found.group().replace(".", "")


def _join_letters(
    compounds: Iterable[Compound], count_of: Callable[[str], int]
) -> Iterator[Compound]:
    """Compounds with a letter in front as one word or as two, whichever the products say."""
    letter: tuple[str, ...] = ()
    start = 0  # of the letter
    for compound in compounds:
        parts = compound.parts[:MAX_PARTS]
        start = start if letter else compound.start
        together, letter = (*letter, *parts), ()
        while len(together) > 1 and _is_letter(together[0]):
            if _is_one_word(together, count_of):
                together = ("".join(together),)
            else:
                yield Compound(together[:1], together[0], start=start)
                together, start = together[1:], compound.start
        if _is_letter(together[0]):  # it may belong to what follows
            letter = together
        elif together == parts:
            yield Compound(parts, compound.whole, compound.quantity, compound.start)
        else:
            yield Compound(together, "".join(together), start=start)
    if letter:
        yield Compound(letter, letter[0], start=start)


def _is_letter(part: str) -> bool:
    return len(part) == 1 and part.isascii() and part.isalpha()


def _is_one_word(parts: Sequence[str], count_of: Callable[[str], int]) -> bool:
    joined = count_of("".join(parts))
    return joined > 0 and joined >= ONE_WORD_SHARE * max(map(count_of, parts[1:]))


def _is_number(compound: Compound) -> bool:
    """Whether it is the number of a quantity whose unit follows, as in "120 cm"."""
    return compound.quantity is not None and compound.quantity.written == compound.whole


def _joined_forms(compounds: Sequence[Compound], position: int) -> tuple[str, ...]:
    """A compound as one word with a neighbour; with up to two where there are digits."""
    forms: list[str] = []
    for length in range(2, MAX_JOINED + 1):
        for start in range(max(0, position - length + 1), position + 1):
            run = [compound.whole for compound in compounds[start : start + length]]
            joined = "".join(run)
            if len(run) == length and (length == 2 or is_code(joined)):
                forms.append(joined)
    return tuple(forms)


def _product_terms(compound: Compound) -> list[str]:
    terms = [pair for part in compound.parts for pair in _pairs(part)]
    terms += [sign for part in compound.parts if len(part) > 1 for sign in IDEOGRAPH.findall(part)]
    if compound.parts != (compound.whole,) or is_code(compound.whole):
        terms.append(compound.whole)
    if compound.quantity:
        found = (compound.quantity.term, compound.quantity.number)
        terms += [term for term in found if term not in compound.parts]
    if pack := PACK.fullmatch(compound.whole):
        quantities = [quantity.term for quantity in find_measures(pack[2])]
        terms += [pack[1], f"{pack[1]}pack", pack[3], *quantities]
    decimal = DECIMAL.fullmatch(compound.whole)
    return [*terms, decimal[1]] if decimal else terms


def _pieces(word: str) -> list[str]:
    """Letters and digits of a word apart, without single signs; none of a word of one kind."""
    pieces = [] if CLOTHES_SIZE.fullmatch(word) else LETTERS_OR_DIGITS.findall(word)
    if not 1 < len(pieces) <= MAX_PIECES or "".join(pieces) != word:
        return []
    return [piece for piece in pieces if len(piece) > 1]


def _pairs(part: str) -> list[str]:
    """The word itself, or for scripts without spaces the pairs of neighbouring letters."""
    terms, start = [], 0
    for found in UNSPACED.finditer(part):
        terms += [part[start : found.start()]] if found.start() > start else []
        run = found.group()
        terms += [run[i : i + 2] for i in range(len(run) - 1)] or [run]
        start = found.end()
    return terms + ([part[start:]] if start < len(part) else [])
