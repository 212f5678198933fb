"""What encoders are trained on: products with words and pictures, and pairs of texts."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

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
        """Every word of the product: of title, description and attributes."""
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


def draw_words(text: str, rng: np.random.Generator, *, ordered: float = 1.0) -> str:
    """One to four of a text's first twenty words, as a person would search for it.

    Args:
        text: a title or a description.
        rng: draws.
        ordered: how often the words keep their order.
    """
    words = text.split()[:20] or [text]
    count = min(len(words), int(rng.integers(1, 5)))
    picked = rng.choice(len(words), count, replace=False)
    if rng.random() < ordered:
        picked = np.sort(picked)
    return " ".join(words[number] for number in picked)


def group_keys(contents: Iterable[bytes]) -> npt.NDArray[np.int64]:
    """One number per content, equal for equal contents."""
    digests = [hashlib.blake2b(content, digest_size=8).digest() for content in contents]
    return np.frombuffer(b"".join(digests), dtype=np.int64)


def shared_groups(*groups: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """`(n, n)`: pairs of rows, the diagonal apart, equal in one of the groups `(n,)`.

    They are false negatives: each may as well answer for the other.
    """
    shared = np.any([group[:, None] == group for group in groups], axis=0)
    np.fill_diagonal(shared, False)
    return np.asarray(shared)
