"""What encoders are trained on: products with words and pictures, and pairs of texts."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["TextPair", "TrainingProduct", "group_keys", "join_pairs", "words_of"]

WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class TrainingProduct:
    """One product as training sees it.

    An attribute may hold alternatives separated by `|` ("t-shirt|tee"): any of them may be used.
    """

    title: str
    description: str
    attributes: Mapping[str, str]

    def words(self) -> frozenset[str]:
        """Every word said about the product, in title, description and attributes."""
        texts = [self.title, self.description, *self.attributes.values()]
        return frozenset(word for text in texts for word in words_of(text))


class TextPair(NamedTuple):
    """Two texts of one thing; those of one source are told from each other."""

    left: str
    right: str
    source: str = ""


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, a plural's "s" dropped, so that kurtas is kurta."""
    found = WORD.findall(text.lower())
    return [word[:-1] if len(word) > 3 and word[-1] == "s" else word for word in found]


def group_keys(contents: Iterable[bytes]) -> npt.NDArray[np.int64]:
    """One number per content, equal for equal contents."""
    digests = [hashlib.blake2b(content, digest_size=8).digest() for content in contents]
    return np.frombuffer(b"".join(digests), dtype=np.int64)


def join_pairs(pairs: Sequence[TextPair]) -> npt.NDArray[np.int64]:
    """One number per pair of texts, equal for pairs that are joined by texts they share."""
    parents: dict[str, str] = {}

    def find(text: str) -> str:
        while (parent := parents.setdefault(text, text)) != text:
            parents[text] = text = parents[parent]
        return text

    for pair in pairs:
        parents[find(pair.left)] = find(pair.right)
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(find(pair.left), len(numbers)) for pair in pairs])
