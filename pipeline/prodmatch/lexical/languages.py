"""Languages of catalogues: the words that queries are searched without, and those that tell it."""

import functools
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from prodmatch.lexical.folding import fold

ENGLISH = "english"
STOP_WORDS = frozenset(
    """a an and any are as at be by for from i in is it me my of on or our some that the
    their them these this those to under was we what which who with without you your""".split()  # noqa: SIM905
)
TELLING = frozenset(
    """men mens women womens kids black white blue red green gray grey brown leather wood
    cotton size color colour set""".split()  # noqa: SIM905
)
OTHERS = """czech danish dutch finnish french german greek hungarian italian norwegian polish
    portuguese romanian russian spanish swedish turkish"""
LANGUAGES = (ENGLISH, *OTHERS.split())
# Nouns are written in one with what they are of: "herrenlaufschuhe".
COMPOUNDING = frozenset("danish dutch finnish german hungarian norwegian swedish".split())  # noqa: SIM905
WORD = re.compile(r"[^\W\d_]{2,}")
MOST_OF_WORD = 0.1  # of the texts, that one word counts: no brand "La Perla" makes a shop French
LEAST = 0.1  # of all words together, for a language other than English
FEWEST_WORDS = 3  # of it that texts have
# Of the texts, that say "and" or "with": names of wines and places have other words alone.
SENTENCES = 0.05


@dataclass(frozen=True)
class LanguageWords:
    """Folded words of a language, by what they are for in texts of products and in queries."""

    language: str
    telling: frozenset[str]  # that tell the language, as the others do
    stop: frozenset[str]  # that a query is searched without
    without: frozenset[str] = frozenset()  # before what a product lacks; English ones are apart
    having: frozenset[str] = frozenset()  # before what it has
    joining: frozenset[str] = frozenset()  # between two of these
    between: frozenset[str] = frozenset()  # other stop words, before what it lacks or has
    lacking: frozenset[str] = frozenset()  # ends of words for what it lacks: "alkoholfrei"


ENGLISH_WORDS = LanguageWords(
    ENGLISH, TELLING, STOP_WORDS, having=frozenset(["with"]), joining=frozenset(["and"])
)


def words_of(language: str) -> LanguageWords:
    """The words of one of `LANGUAGES`."""
    return ENGLISH_WORDS if language == ENGLISH else _read_words()[language]


def detect_language(texts: Iterable[str]) -> str:
    """The language of most texts of a catalogue; English where its words do not tell another.

    Each word of a language counts by the share of the texts that have it.

    Args:
        texts: of products, drawn all over the catalogue.
    """
    distinct = set(texts)
    counts = Counter(word for text in distinct for word in set(WORD.findall(fold(text))))
    scores: dict[str, float] = {}
    for language in LANGUAGES:
        words = words_of(language)
        shares = [counts[word] / max(1, len(distinct)) for word in words.stop | words.telling]
        is_likely = language == ENGLISH or sum(map(bool, shares)) >= FEWEST_WORDS
        scores[language] = sum(min(share, MOST_OF_WORD) for share in shares) if is_likely else 0.0
    best = max(scores, key=lambda language: scores[language])
    own, english = (
        sum(counts[word] for word in words.joining | words.having) / max(1, len(distinct))
        for words in map(words_of, (best, ENGLISH))
    )
    is_english = scores[best] < LEAST or (english >= SENTENCES and english > own)
    return ENGLISH if is_english else best


@functools.cache
def _read_words() -> Mapping[str, LanguageWords]:
    """The words of all languages but English."""
    path = Path(__file__).parent / "word_lists/languages.toml"
    found: dict[str, LanguageWords] = {}
    for language, lists in tomllib.loads(path.read_text(encoding="utf-8")).items():
        words = {use: frozenset(fold(each).split()) for use, each in lists.items()}
        between = words["stop"].union(words.get("having", ()))
        stop = between.union(words.get("without", ()), words["joining"])
        found[language] = LanguageWords(language, **{**words, "stop": stop, "between": between})
    return found
