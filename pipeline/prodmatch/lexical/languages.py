"""Languages of catalogues: the words that queries are searched without, and those that tell it."""

import functools
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from prodmatch.lexical.folding import fold

ENGLISH = "english"
STOP_WORDS = frozenset(
    """a an and any are as at be by for from i in is it me my of on or our some that the
    their them these this those to under was we what which who with without you your""".split()  # noqa: SIM905
)
TELLING = """men mens women womens kids black white blue red green gray grey brown leather wood
    cotton size color colour set"""
OTHERS = """czech danish dutch finnish french german greek hungarian italian norwegian polish
    portuguese romanian russian spanish swedish turkish"""
LANGUAGES = (ENGLISH, *OTHERS.split())
# Nouns are written in one with what they are of: "herrenlaufschuhe".
COMPOUNDING = frozenset("danish dutch finnish german hungarian norwegian swedish".split())  # noqa: SIM905
WORD = re.compile(r"[^\W\d_]{2,}")
MOST_OF_WORD = 0.1  # of the texts, that one word counts: no brand "La Perla" makes a shop French
LEAST = 0.1  # of all words together, for a language other than English
FEWEST_WORDS = 3  # of it that texts have


def stop_words(language: str) -> frozenset[str]:
    """The folded words of a language that a query is searched without."""
    return STOP_WORDS if language == ENGLISH else _read_words()[language, "stop"]


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
        telling = stop_words(language) | _telling(language)
        shares = [counts[word] / len(distinct) for word in telling if counts[word]]
        is_likely = language == ENGLISH or len(shares) >= FEWEST_WORDS
        scores[language] = sum(min(share, MOST_OF_WORD) for share in shares) if is_likely else 0.0
    best = max(scores, key=lambda language: scores[language])
    return best if scores[best] >= LEAST else ENGLISH


def _telling(language: str) -> frozenset[str]:
    return frozenset(TELLING.split()) if language == ENGLISH else _read_words()[language, "telling"]


@functools.cache
def _read_words() -> Mapping[tuple[str, str], frozenset[str]]:
    """The folded words of all languages but English, by the language and what they are for."""
    path = Path(__file__).parent / "word_lists/languages.toml"
    return {
        (language, use): frozenset(fold(words).split())
        for language, lists in tomllib.loads(path.read_text(encoding="utf-8")).items()
        for use, words in lists.items()
    }
