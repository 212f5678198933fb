"""Values that no product has yet: named in texts, or near to the vector of their name."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prodmatch.lexical.terms import split_tokens
from prodmatch.model.hubness import penalised_image_query
from prodmatch.model.onnx_encoders import QueryEncoders
from prodmatch.storage.vectors import Codes, Vectors, split_parts

UNNAMED = -1


@dataclass(frozen=True)
class ValueNames:
    """The values that a user names, as their words stand in texts."""

    values: tuple[str, ...]

    @property
    def words(self) -> frozenset[str]:
        """All words of the values."""
        return frozenset(word for value in self.values for word in _tokens(value))

    def find(self, texts: Sequence[str]) -> Codes:
        """The number of the only value that each text names, -1 where it names none or several.

        A value within a longer one that is named ("blue" in "navy blue") does not count.
        """
        phrases = sorted(
            ((_tokens(value), number) for number, value in enumerate(self.values)),
            key=lambda each: -len(each[0]),
        )
        return np.array([_only(_tokens(text), phrases) for text in texts], np.int64)


def _tokens(text: str) -> list[str]:
    return [token.text for token in split_tokens(text)]


def _only(tokens: list[str], phrases: Sequence[tuple[list[str], int]]) -> int:
    left, found = f" {' '.join(tokens)} ", set()
    for phrase, number in phrases:
        name = f" {' '.join(phrase)} "
        if phrase and name in left:
            found.add(number)
            left = left.replace(name, " | ")
    return found.pop() if len(found) == 1 else UNNAMED


def name_scores(
    encoders: QueryEncoders, values: Sequence[str], vectors: Vectors, others: Vectors
) -> Vectors:
    """How much nearer each product is to a value's name than others are: `(n, values)`.

    Standard deviations of its cosines, of the text part and of the image part added up. They rank
    values; they are no probability.

    Args:
        encoders: of the names.
        values: the names.
        vectors: `(n, [text ; image])` of the products, both parts of unit length, or zeros.
        others: the same of products of the whole index, that mean and deviation are of.
    """
    names = encoders.texts(values)
    pictures = np.stack([penalised_image_query(name) for name in names])
    scores = np.zeros((len(vectors), len(values)), np.float32)
    parts = zip(split_parts(vectors), split_parts(others), (names, pictures), strict=True)
    for own, sample, queries in parts:
        usual = sample @ queries.T
        deviation = np.maximum(usual.std(axis=0), 1e-6)
        scores += (own @ queries.T - usual.mean(axis=0)) / deviation
    return scores
