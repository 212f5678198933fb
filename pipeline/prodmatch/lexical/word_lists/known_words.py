"""English words and names of brands, with how common each is.

The list is that of the package `wordfreq` (Robyn Speer; CC BY-SA 4.0), see `known_words.md`.
"""

import functools
import zlib
from bisect import bisect_left
from pathlib import Path

FILE = Path(__file__).with_name("known_words.zlib")
STEPS = 3  # of a level that are told apart


def level_of(word: str) -> float | None:
    """How common a word is, as the logarithm of its occurrences in a billion; None if unknown."""
    if not word.isascii():
        return None
    words, wanted = _words(), word.encode()
    last = words.rindex(b"\n", 0, -1) + 1

    def word_behind(position: int) -> bytes:
        start = words.index(b"\n", position) + 1
        return words[start : words.index(b"\n", start) - 1]

    place = bisect_left(range(last), wanted, key=word_behind)
    if place == last or word_behind(place) != wanted:
        return None
    level = words[words.index(b"\n", place) + 1 + len(wanted)]
    return (level - ord("A")) / STEPS


@functools.cache
def _words() -> bytes:
    """A line for each word in the order of the alphabet, its level behind it, as a capital."""
    return zlib.decompress(FILE.read_bytes())
