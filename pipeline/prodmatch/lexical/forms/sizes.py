"""Sizes: "XXL", "2XL" and "xx-large", "W32 L34" and "32/34", "size 42" and "Gr. 42"."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from prodmatch.lexical.folding import fold
from prodmatch.lexical.forms.regional import free_spans
from prodmatch.lexical.languages import ENGLISH
from prodmatch.lexical.stemmer import Stemmer
from prodmatch.lexical.synonyms import Expansion
from prodmatch.lexical.terms import LETTER_SIZE, SIZE_REGIONS, SIZE_WORDS
from prodmatch.names import name_words

_LETTERS = re.compile(  # xxl, 2xl, xx-large, 2x large, extra extra large
    r"(?<![^\W_])(?:(?P<number>[2-9])x|(?P<marks>x{1,6})|(?P<words>(?:extra[\s-]+)+))"
    r"(?:(?<=x)(?P<letter>[ls])|[\s-]?(?P<name>large|small))(?![^\W_])"
)
_WAIST = re.compile(r"(?<![^\W_])(?:w(?P<waist>\d\d)[\s/x-]*l(?P<length>\d\d))(?![^\W_])")
_WAIST_BEHIND = re.compile(
    r"(?<![^\W_])(?:(?P<waist>\d\d)\s?w[\s/x-]*(?P<length>\d\d)\s?l)(?![^\W_])"
)
_TWO_NUMBERS = re.compile(r"(?<![\w/.,-])(?P<waist>\d\d)[/x](?P<length>\d\d)(?![\w/]|[.,]\d)")
_VALUE = rf"(?:\d{{1,3}}(?:[.,]\d)?(?:[/-]\d{{1,3}})?|{LETTER_SIZE.pattern})(?![^\W_])"
_REGION = "|".join(sorted(SIZE_REGIONS, reverse=True))
_NAMED = re.compile(
    rf"(?<![^\W_])(?:(?:{'|'.join(sorted(SIZE_WORDS))})\b\.?\s*:?\s*(?:(?:{_REGION})\s?)?"
    rf"|(?:{_REGION})\s?(?=\d)){_VALUE}"
)
_COLUMN = re.compile(
    r"sizes?|\w*gr(?:\u00f6\u00df|\u00f6ss|oess|oss)en?|taille|talla|taglia|maat|storlek"
)
_OTHER_COLUMN = frozenset("file image pack package batch lot min max chart unit".split())  # noqa: SIM905
LONG_NAMES = {"l": "large", "s": "small"}


def find_sizes(text: str) -> list[str]:
    """What a query says of a size: "gr. 42", "xxl"."""
    folded = fold(text)
    return [each[0] for each in _NAMED.finditer(folded)] or [
        each[0] for pattern in (_LETTERS, _WAIST) for each in pattern.finditer(folded)
    ]


def unsearched_sizes(
    products: Sequence[Mapping[str, object]], contains: Callable[[int, str], bool]
) -> list[str]:
    """The columns of sizes whose values are mostly not in the texts of their products.

    Args:
        products: the columns of some.
        contains: whether the product of a number contains a word of a text.
    """
    found: dict[str, list[bool]] = {}
    for row, values in enumerate(products):
        for name, value in values.items():
            text = f"{value:g}" if isinstance(value, float) else str(value or "")
            if text.strip() and _is_column(name):
                found.setdefault(name, []).append(contains(row, text))
    return [name for name, searched in found.items() if 2 * sum(searched) < len(searched)]


def _is_column(name: str) -> bool:
    words = name_words(name)
    return any(map(_COLUMN.fullmatch, words)) and _OTHER_COLUMN.isdisjoint(words)


def expand_sizes(
    text: str,
    known: Sequence[Expansion],
    says: Callable[[str], bool],
    language: str = ENGLISH,
) -> tuple[Expansion, ...]:
    """The known expansions of a query, and those of sizes that products write otherwise.

    What stands in quotes, or has an expansion, is searched for as it is.

    Args:
        text: the query.
        known: its other expansions.
        says: whether a product contains a word.
        language: of the words of the products.
    """
    folded, stemmer = fold(text), Stemmer(language)
    is_free = free_spans(text, known)
    found = list(known)
    for start, end, joined, parts in _sizes(folded):
        if not is_free(start, end):
            continue
        words = folded[start:end]
        own = "".join(filter(str.isalnum, words))
        written = list(filter(says, joined)) or filter(says, parts)
        if others := tuple(form for form in written if form not in (own, words)):
            found.append(Expansion(start, end, words, others, tuple(stemmer.stems(others))))
    return tuple(sorted(found, key=lambda each: each.start))


def _sizes(folded: str) -> Iterator[tuple[int, int, list[str], list[str]]]:
    """The sizes of a folded text: where they stand, their forms as one word, and their parts."""
    for found in _LETTERS.finditer(folded):
        yield (*found.span(), _letter_forms(found), [])
    for pattern in (_WAIST, _WAIST_BEHIND, _TWO_NUMBERS):
        for found in pattern.finditer(folded):
            waist, length = found["waist"], found["length"]
            apart = [] if pattern is _WAIST else [f"w{waist}", f"l{length}"]
            joined = [f"{waist}/{length}", f"{waist}x{length}", f"w{waist}l{length}"]
            yield (*found.span(), joined, apart)


def _letter_forms(found: re.Match[str]) -> list[str]:
    """The forms of a size of letters: "xxl", "2xl", "xxlarge", "2xlarge"."""
    letter = found["letter"] or found["name"][0]
    times = int(found["number"] or 0) or len(found["marks"] or "")
    times = times or found["words"].count("extra")
    names = (letter, LONG_NAMES[letter])
    marks = ["x" * times] + ([f"{times}x"] if times > 1 else [])
    return [mark + name for name in names for mark in marks]
