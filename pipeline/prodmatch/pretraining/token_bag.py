"""Texts as heads with a token embedding bag learn from them: their tokens, and pooled states."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from prodmatch.encoders.text import TextEncoder
from prodmatch.storage.vectors import Vectors
from prodmatch.training.pairs import TextPair, join_pairs

Tokens = Sequence[npt.NDArray[np.int64]]


@dataclass(frozen=True)
class Texts:
    """Texts as their tokens, and the pooled states of an encoder without a token embedding bag."""

    tokens: Tokens
    states: Vectors  # (n, text features)

    @classmethod
    def of(cls, encoder: TextEncoder, texts: Sequence[str]) -> Self:
        """Those of `texts`, in order; equal ones are encoded once."""
        distinct = list(dict.fromkeys(texts))
        positions = {text: place for place, text in enumerate(distinct)}
        rows = [positions[text] for text in texts]
        tokens = [np.asarray(row, np.int64) for row in encoder.tokenize(distinct)]
        return cls([tokens[row] for row in rows], encoder.encode(distinct)[rows])

    @classmethod
    def together(cls, parts: Sequence["Texts"]) -> Self:
        """All of them, part after part."""
        tokens = [row for part in parts for row in part.tokens]
        return cls(tokens, np.concatenate([part.states for part in parts]))

    def every(self, step: int) -> Self:
        """One in `step` of them."""
        return replace(self, tokens=self.tokens[::step], states=self.states[::step])


@dataclass(frozen=True)
class Pairs:
    """Pairs of texts of one thing; equal `groups` are of one thing."""

    left: Texts
    right: Texts
    groups: npt.NDArray[np.int64]

    @classmethod
    def by_source(cls, encoder: TextEncoder, pairs: Sequence[TextPair]) -> list[Self]:
        """Those of each source; a pair that is alone in its source has none to be told from."""
        found = []
        for source in sorted({pair.source for pair in pairs}):
            chosen = [pair for pair in pairs if pair.source == source]
            if len(chosen) == 1:
                continue
            left = Texts.of(encoder, [pair.left for pair in chosen])
            right = Texts.of(encoder, [pair.right for pair in chosen])
            found.append(cls(left, right, join_pairs(chosen)))
        return found


def some_pairs(pairs: Sequence[Pairs], most: int) -> tuple[Texts, Texts] | None:
    """Both sides of pairs, row by row, spread over all of them: about `most` rows, or all."""
    if not pairs:
        return None
    step = max(1, sum(len(of.groups) for of in pairs) // most)
    left = [of.left.every(step) for of in pairs]
    right = [of.right.every(step) for of in pairs]
    return Texts.together(left), Texts.together(right)


def mean_rows(table: Vectors, tokens: Tokens) -> Vectors:
    """The mean of a table's rows over each text's tokens, `(n, dim)`."""
    return np.stack([table[row].mean(axis=0) for row in tokens]).astype(np.float32)


def draw_words(tokens: Tokens, dropped: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Some tokens of each text one after the other, and where each text starts.

    Each is left out with a probability of `dropped`; a text that would keep none keeps all.
    """
    lengths = np.array([len(row) for row in tokens])
    starts = np.cumsum(lengths) - lengths
    kept = rng.random(lengths.sum()) >= dropped
    none = np.add.reduceat(kept, starts) == 0
    kept |= np.repeat(none, lengths)
    counts = np.add.reduceat(kept, starts)
    words = np.concatenate(tokens)[kept]
    return torch.from_numpy(words), torch.from_numpy(np.cumsum(counts) - counts)


def some_tokens(tokens: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Two to eight of a text's tokens, in order; all where there are no more."""
    count = min(len(tokens), int(rng.integers(2, 9)))
    return tokens[np.sort(rng.choice(len(tokens), count, replace=False))]
