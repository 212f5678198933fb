"""Regions of a map, named by the words that their products have and others have not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prodmatch.lexical.languages import STOP_WORDS
from prodmatch.lexical.terms import split_tokens
from prodmatch.storage.vectors import Codes, Vectors, nearest_centres

LEVELS = (24, 120)  # regions, of the whole map and of a part of it
FEWEST = 12  # products of a region
MOST_TOKENS = 20  # of a text
WORDS = 3  # of a name
ROUNDS = 20


@dataclass(frozen=True)
class Cluster:
    """A region: where its name stands, and how many products it has."""

    x: float
    y: float
    name: str
    count: int
    level: int
    number: int  # within its level


def find_clusters(positions: Vectors, texts: Sequence[str]) -> tuple[list[Cluster], Codes]:
    """Regions of each level with their names, and the number of each product's coarse region.

    Args:
        positions: `(n, 2)`.
    """
    words = [_words(text) for text in texts]
    found: list[Cluster] = []
    coarse = np.zeros(len(positions), np.int64)
    for level, most in enumerate(LEVELS):
        count = min(most, len(positions) // FEWEST)
        if count < 2:
            continue
        codes = group(positions, count)
        if level == 0:
            coarse = codes
        names = name_groups(words, codes, count)
        for number in range(count):
            own = positions[codes == number]
            if len(own) >= FEWEST and names[number]:
                x, y = np.median(own, axis=0).tolist()
                found.append(Cluster(x, y, names[number], len(own), level, number))
    return found, coarse


def group(positions: Vectors, count: int) -> Codes:
    """The group of each position, by k-means from spread starts."""
    rng = np.random.default_rng(0)
    sample = positions[rng.permutation(len(positions))[:20_000]].astype(np.float64)
    centres = sample[:1]
    nearest = np.full(len(sample), np.inf)
    for _ in range(count - 1):  # k-means++
        nearest = np.minimum(nearest, ((sample - centres[-1]) ** 2).sum(axis=1))
        total = nearest.sum()
        chosen = rng.choice(len(sample), p=nearest / total) if total > 0 else 0
        centres = np.concatenate([centres, sample[chosen : chosen + 1]])
    for _ in range(ROUNDS):
        codes = nearest_centres(sample, centres)
        for number in np.unique(codes).tolist():
            centres[number] = sample[codes == number].mean(axis=0)
    return nearest_centres(positions.astype(np.float64), centres)


def name_groups(words: Sequence[Sequence[str]], codes: Codes, count: int) -> list[str]:
    """The words that are most of a group's and least of the others', three of each group."""
    everywhere: dict[str, int] = {}
    inside: list[dict[str, int]] = [{} for _ in range(count)]
    for own, code in zip(words, codes.tolist(), strict=True):
        counts = inside[code]
        for word in own:
            everywhere[word] = everywhere.get(word, 0) + 1
            counts[word] = counts.get(word, 0) + 1
    names = []
    sizes = np.bincount(codes, minlength=count)
    for number, counts in enumerate(inside):
        size = max(1, int(sizes[number]))

        def score(word: str, counts: dict[str, int] = counts, size: int = size) -> float:
            share = counts[word] / size
            usual = everywhere[word] / len(words)
            return float(share * np.log(share / usual))

        best = sorted(counts, key=lambda word: (-score(word), word))
        named = [
            word for word in best[: 3 * WORDS] if score(word) > 0 and counts[word] > 0.1 * size
        ]
        names.append(" ".join(_without_parts(named)[:WORDS]))
    return names


def _without_parts(words: Sequence[str]) -> list[str]:
    """The words that are no other's plural."""
    kept: list[str] = []
    for word in words:
        if not any(word.rstrip("s") == other.rstrip("s") for other in kept):
            kept.append(word)
    return kept


def _words(text: str) -> list[str]:
    tokens = (token.text for token in split_tokens(text)[:MOST_TOKENS])
    found = (each for each in tokens if each not in STOP_WORDS and len(each) > 2)
    return list(dict.fromkeys(each for each in found if each.isalpha()))
