"""English words and names of brands, with how common each is.

The list is that of the package `wordfreq` (Robyn Speer; CC BY-SA 4.0), see `known_words.md`.
"""

import functools
import zlib
from pathlib import Path

FILE = Path(__file__).with_name("known_words.zlib")
STEPS = 3  # of a level that are told apart


def level_of(word: str) -> float | None:
    """How common a word is, as the logarithm of its occurrences in a billion; None if unknown."""
    if not word.isascii():
        return None
    words = _words()
    start = words.find(f"\n{word}".encode()) + 1
    end = start + len(word)
    if not start or not words[end : end + 1].isupper():  # a longer word follows in the alphabet
        return None
    return (words[end] - ord("A")) / STEPS


@functools.cache
def _words() -> bytes:
    return zlib.decompress(FILE.read_bytes())
