"""Right words that the spelling changes: of DATA's catalogues, of English, and names of brands."""

import argparse
import json
import random
import sys
from pathlib import Path

import pandas as pd

from prodmatch.search.options import SearchOptions
from prodmatch.search.product_index import ProductIndex, open_index
from prodmatch.search.queries import Query

WORDS = Path(__file__).with_name("right_words.txt")  # names of brands, and English words


def draw_words(data: Path, count: int, seed: int) -> list[str]:
    """Words of four letters and more that at least five titles of the catalogues contain."""
    counts: dict[str, int] = {}
    for path in sorted((data / "catalogue").glob("*.parquet")):
        for title in pd.read_parquet(path, columns=["title"])["title"].dropna():
            for word in {word.lower() for word in title.split() if word.isalpha()}:
                counts[word] = counts.get(word, 0) + 1
    words = sorted(word for word, times in counts.items() if times >= 5 and len(word) >= 4)
    return random.Random(seed).sample(words, min(count, len(words)))


def changed_words(index: ProductIndex, words: list[str]) -> dict[str, str]:
    """The words that are searched for in another spelling."""
    answers = index.answer([Query(word, word) for word in words], SearchOptions(top=1))
    found = {word: each.searched_for for word, each in zip(words, answers, strict=True)}
    return {word: spelled for word, spelled in found.items() if spelled}


def main() -> None:
    """Prints one line of JSON for each list of words."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--stores", type=Path, nargs="+", required=True)
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args()
    lines = WORDS.read_text().splitlines()
    lists = {
        "English and brands": [line for line in lines if not line.startswith("#")],
        "catalogues": draw_words(options.data, options.count, 0),
    }
    for store in options.stores:
        index = open_index(store)
        for name, words in lists.items():
            changed = changed_words(index, words)
            row = {"store": store.name, "words": name, "tried": len(words), "changed": changed}
            sys.stdout.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
