"""The words that no query's spelling is corrected of, with how common they are in English.

Taken from the large English list of the package `wordfreq` (data: CC BY-SA 4.0), which is needed
to make the file and not to read it: names of brands are among its 320,000 words.
"""

import argparse
import math
import zlib
from collections.abc import Mapping
from pathlib import Path

import wordfreq

from prodmatch.lexical.word_lists.known_words import STEPS
from prodmatch.storage.atomic import new_file

MIN_LETTERS = 4  # shorter words are never corrected


def pack_words(levels: Mapping[str, float]) -> bytes:
    """Words of small letters with their levels, as the file holds them: sorted, one a line."""
    lines = [f"{word}{chr(ord('A') + round(STEPS * level))}" for word, level in levels.items()]
    return zlib.compress("\n".join(["", *sorted(lines), ""]).encode(), 9)


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    found = wordfreq.get_frequency_dict("en", wordlist="large")
    levels = {
        word: 9 + math.log10(frequency)
        for word, frequency in found.items()
        if len(word) >= MIN_LETTERS and word.isascii() and word.isalpha()
    }
    with new_file(options.out) as file:
        file.write(pack_words(levels))


if __name__ == "__main__":
    main()
