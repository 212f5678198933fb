"""Words to their stems, by the Snowball stemmers."""

import re
from collections.abc import Iterable

import Stemmer as snowball

from prodmatch.lexical.languages import ENGLISH

# Codes keep every letter: "y12s" is not "y12". Signs that are no letters of the alphabet neither.
STEMMED = re.compile(r"[^\W\d_]+")


class Stemmer:
    """The stemmer of one language; for use in one thread."""

    def __init__(self, language: str = ENGLISH) -> None:
        self._snowball = snowball.Stemmer(language)

    def stem(self, term: str) -> str:
        """The stem of a term; a term with digits stays as it is."""
        return str(self._snowball.stemWord(term)) if STEMMED.fullmatch(term) else term

    def stems(self, terms: Iterable[str]) -> list[str]:
        """The stem of each term, in order."""
        return [self.stem(term) for term in terms]
