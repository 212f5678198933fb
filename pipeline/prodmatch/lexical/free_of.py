"""What a query wants products to be free of: "gluten" of "gluten free bread", "no gluten"."""

import functools
import re
from collections.abc import Iterator, Sequence

from prodmatch.lexical.folding import fold
from prodmatch.lexical.languages import ENGLISH_WORDS, LanguageWords
from prodmatch.lexical.prices.limits import Contains

# Words before "free" that nothing is made of: "hands free", "get one free".
IDIOMS = frozenset(
    """hands hand duty tax care carefree stress trouble worry hassle risk rent royalty cost charge
    post postage shipping delivery wrinkle crease iron maintenance tangle frizz error ad ads born
    feel set get break be is are for buy one two three it you me now all range standing the a and
    or no totally completely naturally""".split()  # noqa: SIM905
)
DENYING = frozenset(["no", "without", "zero"])
AND = frozenset(["and", "or", "&", "+"])
OF_TWO = frozenset(["acid", "fat", "nut", "nuts", "oil", "oils"])  # "palm oil", "tree nut"
WORD = re.compile(r"[^\W\d_]+|[&+]")
HYPHENED = re.compile(r"(?<!\w)([^\W\d_]+)-free(?!\w)", re.IGNORECASE)
LEAST_LETTERS = 3


def find_free_of(
    text: str, contains: Contains, own: LanguageWords = ENGLISH_WORDS
) -> tuple[str, ...]:
    """What products say that they are free of, of what a text names so, in order.

    Args:
        text: the words that are searched for.
        contains: tells whether products contain words in this order.
        own: words of the products' language.
    """
    words = [word.lower() for word in WORD.findall(text.replace("free-", "free "))]
    found: list[str] = []
    for position, word in enumerate(words):
        if word == "free":
            found += _names_before(words[:position], contains)
        elif (is_own := fold(word) in own.without) or word in DENYING:
            if words[max(0, position - 1)] != "not":
                is_without = is_own or word == "without"
                found += _names_behind(word, words[position + 1 :], contains, is_without)
        elif word.endswith("free") and contains([word]):  # "glutenfree"
            found += filter(_may_be_left_out, [word.removesuffix("free")])
    return tuple(dict.fromkeys(found))


def find_wanted(text: str, own: LanguageWords = ENGLISH_WORDS) -> tuple[str, ...]:
    """What a text wants products to have: "hood" of "coat with a hood"."""
    behind = _behind_having(own).findall(text.lower())
    return tuple(filter(_may_be_left_out, dict.fromkeys(behind)))


@functools.cache
def _behind_having(own: LanguageWords) -> re.Pattern[str]:
    """Finds the word behind a "with" of the language, or behind an article or a number there."""
    articles = own.stop if own is not ENGLISH_WORDS else ("an?", "the")
    having, between = ("|".join(sorted(words)) or "(?!)" for words in (own.having, articles))
    return re.compile(rf"\b(?:{having})\s+(?:(?:{between}|\d+)\s+)?([^\W\d_]+)")


def find_doubtful(text: str, contains: Contains) -> tuple[str, ...]:
    """What a text names with a hyphen and "free", products contain, and nothing is said free of."""
    names = (found[1].lower() for found in HYPHENED.finditer(text))
    return tuple(name for name in names if _may_be_left_out(name) and contains([name]))


def _names_before(words: Sequence[str], contains: Contains) -> Iterator[str]:
    """The names that a "free" behind the words is of: one of two words, and those before "and"."""
    end = len(words)
    while end:
        for length in (2, 1):
            name = words[max(0, end - length) : end]
            if _is_name(name, length) and contains([*name, "free"]):
                yield " ".join(name)
                break
        else:
            return
        end -= length
        if not end or words[end - 1] not in AND:
            return
        end -= 1


def _names_behind(
    denial: str, words: Sequence[str], contains: Contains, is_without: bool
) -> Iterator[str]:
    """The name that a "no" before the words is of, or a "without" that products have so."""
    for length in (2, 1):
        name = words[:length]
        if (
            _is_name(name, length)
            and words[length : length + 1] != ["free"]
            and (contains([*name, "free"]) or (is_without and contains([denial, *name])))
        ):
            yield " ".join(name)
            return


def _is_name(name: Sequence[str], length: int) -> bool:
    is_whole = len(name) == length and (length == 1 or name[-1] in OF_TWO)
    return is_whole and all(map(_may_be_left_out, name))


def _may_be_left_out(word: str) -> bool:
    return len(word) >= LEAST_LETTERS and word not in IDIOMS
