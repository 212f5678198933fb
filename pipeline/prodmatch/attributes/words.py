"""Words and pairs of words of products' texts, as a classifier counts them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from prodmatch.lexical.terms import split_tokens

MOST_TOKENS = 40  # of a text: its title and the beginning of its description
MOST_WORDS = 1_000  # of a vocabulary
MOST_IN_TEXT = 24  # of the vocabulary's words; later ones of a text are left out
MIN_PRODUCTS = 3  # that contain a word
Numbers = npt.NDArray[np.int32]


def split_words(text: str) -> list[str]:
    """The distinct words of a text, and pairs of neighbours, in order."""
    tokens = [token.text for token in split_tokens(text)[:MOST_TOKENS]]
    pairs = (f"{one} {other}" for one, other in pairwise(tokens))
    return list(dict.fromkeys([*tokens, *pairs]))


@dataclass(frozen=True)
class Vocabulary:
    """The words that distinguish the values of a column best."""

    words: tuple[str, ...]

    @property
    def padding(self) -> int:
        """The number that stands for no word."""
        return len(self.words)

    def number(self, texts: Sequence[Sequence[str]]) -> Numbers:
        """The numbers of the words of each text, filled up with `padding`: `(n, MOST_IN_TEXT)`."""
        numbers = {word: number for number, word in enumerate(self.words)}
        found = np.full((len(texts), MOST_IN_TEXT), self.padding, np.int32)
        for row, words in enumerate(texts):
            known = [numbers[word] for word in words if word in numbers][:MOST_IN_TEXT]
            found[row, : len(known)] = known
        return found


def choose_words(
    texts: Sequence[Sequence[str]],
    codes: npt.NDArray[np.int64],
    value_count: int,
    *,
    without: frozenset[str] = frozenset(),
) -> Vocabulary:
    """The words whose products have other values than the products at large, most telling first.

    Args:
        texts: what `split_words` gives for each product that has a value.
        without: words that no word of the vocabulary may contain.
    """
    frequent = Counter(word for words in texts for word in words)
    kept = sorted(word for word, count in frequent.items() if count >= MIN_PRODUCTS)
    if without:
        kept = [word for word in kept if without.isdisjoint(word.split())]
    numbers = {word: number for number, word in enumerate(kept)}
    pairs = [
        numbers[word] * value_count + code
        for words, code in zip(texts, codes.tolist(), strict=True)
        for word in words
        if word in numbers
    ]
    flat = np.bincount(np.array(pairs, np.int64), minlength=len(kept) * value_count)
    counts = flat.reshape(len(kept), value_count).astype(np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    usual = np.bincount(codes, minlength=value_count) / max(1, len(codes))
    ratios = np.log(np.maximum(shares, 1e-12) / np.maximum(usual, 1e-12))
    gain = (counts * ratios).sum(axis=1)
    order = np.argsort(-gain, kind="stable")[:MOST_WORDS]
    return Vocabulary(tuple(kept[number] for number in order.tolist()))
