"""The words that descriptions say and titles do not, as `prodmatch/prose.json` (`make prose`).

A long query is often a description, and much of it is prose: "elevate", "perfect", "while". Few
titles say such a word, so BM25 takes it for a rare and telling one. Here its share of the words of
descriptions is compared with its share of the words of titles: of the same products, as what they
are about is no prose, or the mean of several shops', whichever is larger.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from train_compact import read_products, read_texts

from prodmatch.lexical.bm25 import Stemmer
from prodmatch.lexical.terms import query_terms
from prodmatch.storage.atomic import new_file

DOUBTED = 5  # occurrences that a word has among titles in any case: what is rare counts whole
LEAST = 0.95  # what weighs more is left out of the file


def count_prose(
    prose: Iterable[str], titles: Iterable[str], shops: Mapping[str, Iterable[str]]
) -> dict[str, float]:
    """What words weigh in a query, below 1 where descriptions say them oftener than titles.

    All words of a stem are counted together.

    Args:
        prose: sentences of descriptions.
        titles: of the products described.
        shops: the titles of others.
    """
    sides = [_said(prose), _said(titles), *map(_said, shops.values())]
    words = sorted({word for side in sides for said in side for word in said})
    stems = dict(zip(words, Stemmer().stems(words), strict=True))
    counts, own, *others = (
        Counter(stem for said in side for stem in {stems[word] for word in said}) for side in sides
    )
    weights = {}
    for stem, count in counts.items():
        usual = np.mean([counted[stem] / counted.total() for counted in (own, *others)])
        usual = max(usual, own[stem] / own.total())
        weights[stem] = float(usual * counts.total() + DOUBTED) / count
    found = {word: round(weights[stems[word]], 2) for said in sides[0] for word in said}
    return {word: weight for word, weight in sorted(found.items()) if weight < LEAST}


def _said(texts: Iterable[str]) -> list[set[str]]:
    """The words of each text."""
    distinct = dict.fromkeys(texts)
    return [{group[0] for group in query_terms(text, lambda _: 0)} for text in distinct]


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
    weights = count_prose(described["left"], described["right"], shops)
    with new_file(options.out) as file:
        file.write(json.dumps(weights, indent=0, separators=(",", ": ")).encode() + b"\n")


if __name__ == "__main__":
    main()
