"""British and American spellings of one word: "grey" and "gray", "organiser" and "organizer"."""

import re
from collections.abc import Callable, Iterator, Sequence

from prodmatch.lexical.folding import fold
from prodmatch.lexical.languages import ENGLISH
from prodmatch.lexical.spelling import QUOTED
from prodmatch.lexical.stemmer import Stemmer
from prodmatch.lexical.synonyms import Expansion
from prodmatch.lexical.terms import Token, split_tokens

PAIRS = (  # that no rule makes of one another
    line.split()
    for line in """grey gray, jewellery jewelry, aluminium aluminum, pyjama pajama, pyjamas pajamas
    tyre tire, tyres tires, moustache mustache, mould mold, moulds molds, moulded molded
    doughnut donut, doughnuts donuts, odour odor, odours odors, fibre fiber, fibres fibers
    centre center, litre liter, theatre theater, catalogue catalog, analogue analog, woollen woolen
    jeweller jeweler, jewelled jeweled, traveller traveler, travelling traveling
    enamelled enameled, licence license, defence defense, axe ax, cosy cozy, plough plow
    sulphate sulfate, sulphates sulfates, sulphur sulfur
    sceptic skeptic, carburettor carburetor""".replace("\n", ",").split(",")
)
OTHER = {one: other for pair in PAIRS for one, other in (pair, pair[::-1])}
RULES = tuple(
    (re.compile(pattern), written)
    for pattern, written in (
        (r"(?<=[a-z]{3})our(?=(?:s|ed|ing|ful|less|ite|ites|y|block|blocked)?$)", "or"),
        (r"(?<=[a-z]{3})(?<!ou)or(?=(?:s|ed|ing|ful|less|ite|ites|y|block|blocked)?$)", "our"),
        (r"(?<=[a-z]{4})is(?=(?:e|es|er|ers|ed|ing|ation)$)", "iz"),
        (r"(?<=[a-z]{4})iz(?=(?:e|es|er|ers|ed|ing|ation)$)", "is"),
        (r"(?<=[a-z]{3})ys(?=(?:e|er|ers|ed|ing)$)", "yz"),
        (r"(?<=[a-z]{3})yz(?=(?:e|er|ers|ed|ing)$)", "ys"),
    )
)


def other_spellings(word: str) -> Iterator[str]:
    """The spellings that a folded word may have on the other side of the Atlantic."""
    if word in OTHER:
        yield OTHER[word]
    for pattern, written in RULES:
        if (changed := pattern.sub(written, word)) != word:
            yield changed


def respell(text: str, found: Sequence[Expansion]) -> list[str]:
    """A text, and it with each part that products write otherwise too written so."""
    folded = fold(text)
    others = ((each, other) for each in found for other in each.alternatives)
    return [text, *(folded[: at.start] + other + folded[at.end :] for at, other in others)]


def expand_regional(
    text: str,
    known: Sequence[Expansion],
    count_of: Callable[[str], int],
    language: str = ENGLISH,
) -> tuple[Expansion, ...]:
    """The known expansions of a query and those of words that products spell the other way too.

    What stands in quotes, or has an expansion, is searched for as it is.

    Args:
        text: the query.
        known: its expansions by rules of the shop.
        count_of: how many products contain a word, letter for letter.
        language: of the words of the products.
    """
    stemmer = Stemmer(language)
    found = list(known)
    for token in free_tokens(text, known):
        others = tuple(filter(count_of, other_spellings(token.text)))
        stems = tuple(stemmer.stems(others))
        if stems and stemmer.stem(token.text) not in stems:
            found.append(Expansion(token.start, token.end, token.text, others, stems))
    return tuple(sorted(found, key=lambda each: each.start))


def free_tokens(text: str, known: Sequence[Expansion]) -> Iterator[Token]:
    """The words of a query that neither stand in quotes nor have an expansion."""
    is_free = free_spans(text, known)
    return (token for token in split_tokens(text) if is_free(token.start, token.end))


def free_spans(text: str, known: Sequence[Expansion]) -> Callable[[int, int], bool]:
    """What tells whether a span of a folded query neither stands in quotes nor has an expansion."""
    taken = [(each.start, each.end) for each in known]
    taken += [found.span() for found in QUOTED.finditer(fold(text))]
    return lambda start, end: not any(start < after and end > first for first, after in taken)
