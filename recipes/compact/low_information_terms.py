"""Counts which words of a long query tell little: `make terms`.

A long query is often a description: "elevate", "perfect", "while". Few titles hold such a word, so
BM25 takes it for rare and informative. Here its share of the words of descriptions is compared
with its share of the words of titles: of the titles of the same products, or of several shops on
average, whichever is larger. Words below 1 go to
`prodmatch/lexical/word_lists/low_information_terms.json`.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from prepare_data import read_products, read_texts

from prodmatch.lexical.stemmer import Stemmer
from prodmatch.lexical.terms import query_terms
from prodmatch.storage.atomic import new_file

PRIOR_COUNT = 5  # occurrences added to those in titles, so that rare words keep their weight
HIGHEST = 0.95  # words that weigh more are left out of the file


def weigh_terms(
    descriptions: Iterable[str], titles: Iterable[str], shops: Mapping[str, Iterable[str]]
) -> dict[str, float]:
    """Weights in (0, 1) of words that are more frequent in descriptions than in titles.

    All words of a stem are counted together.

    Args:
        descriptions: sentences of descriptions.
        titles: of the products described.
        shops: titles of other shops, by the name of the shop.
    """
    corpora = [_words(descriptions), _words(titles), *map(_words, shops.values())]
    words = sorted({word for corpus in corpora for text in corpus for word in text})
    stems = dict(zip(words, Stemmer().stems(words), strict=True))
    counts, own, *others = (
        Counter(stem for text in corpus for stem in {stems[word] for word in text})
        for corpus in corpora
    )
    weights = {}
    for stem, count in counts.items():
        mean_share = np.mean([counted[stem] / counted.total() for counted in (own, *others)])
        share = max(mean_share, own[stem] / own.total())
        weights[stem] = float(share * counts.total() + PRIOR_COUNT) / count
    rounded = {word: round(weights[stems[word]], 2) for text in corpora[0] for word in text}
    return {word: weight for word, weight in sorted(rounded.items()) if weight < HIGHEST}


def _words(texts: Iterable[str]) -> list[set[str]]:
    """The words of each distinct text."""
    distinct = dict.fromkeys(texts)
    return [{term.typed[0] for term in query_terms(text, lambda _: 0)} for text in distinct]


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    products = read_products(options.data)
    products = products[(products["split"] == "train") & (products["source"] != "clothing")]
    shops = {
        str(name): list(titles.dropna()) for name, titles in products.groupby("source")["title"]
    }
    pairs, _ = read_texts(options.data)
    offers, described = (pairs[pairs["source"] == name] for name in ("offers", "descriptions"))
    shops["offers"] = [*offers["left"], *offers["right"]]
    weights = weigh_terms(described["left"], described["right"], shops)
    with new_file(options.out) as file:
        file.write(json.dumps(weights, indent=0, separators=(",", ": ")).encode() + b"\n")


if __name__ == "__main__":
    main()
