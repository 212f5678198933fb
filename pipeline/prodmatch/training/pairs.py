"""What encoders are trained on: products with words and pictures, and pairs of texts."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["TrainingProduct", "group_keys", "words_of"]

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


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, a plural's "s" dropped, so that kurtas is kurta."""
    found = WORD.findall(text.lower())
    return [word[:-1] if len(word) > 3 and word[-1] == "s" else word for word in found]


def group_keys(contents: Iterable[bytes]) -> npt.NDArray[np.int64]:
    """One number per content, equal for equal contents."""
    digests = [hashlib.blake2b(content, digest_size=8).digest() for content in contents]
    return np.frombuffer(b"".join(digests), dtype=np.int64)
