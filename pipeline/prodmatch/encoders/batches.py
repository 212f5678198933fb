"""Texts and pictures to features in batches, whatever runs them.

A feature depends on its own content alone: a text's batch shape follows from its own length, and
every batch of pictures has the same shape, so a product added at night gets the vector that it
would get in a build from scratch.

Batches run side by side, each on one thread, in place of one batch on all of them. No thread waits
for another within a batch, so a decoder, or another program, that takes a core for a while delays
one batch alone.
"""

import contextlib
import functools
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from prodmatch.encoders.device import CPU
from prodmatch.engines.processors import count_processors
from prodmatch.model.preprocessing import ImageSpec, Pixels, TextSpec
from prodmatch.storage.vectors import Vectors

Item = TypeVar("Item")
Result = TypeVar("Result")

CUDA_LANES = 2  # one copies while the other computes
TOKEN_STEP = 8  # texts are padded to a multiple of this many tokens: few shapes
TEXT_ROWS = 16  # whose states stay in the cache between the layers; more cost a seventh more
IMAGE_ROWS = 16
Tokens = npt.NDArray[np.int64]


def count_lanes(device: str) -> int:
    """As many as torch has threads, which `OMP_NUM_THREADS` limits; on a GPU two."""
    if device == "cuda":
        return CUDA_LANES
    if "torch" in sys.modules:
        return int(sys.modules["torch"].get_num_threads())
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return int(limit) if limit.isdecimal() and int(limit) else count_processors()


def map_in_lanes(
    work: Callable[[Item], Result], items: Iterable[Item], device: str
) -> Iterator[Result]:
    """The results in order, of so many items at a time as there are lanes.

    The items are taken at once, the first failure ends it, and torch has its threads back then.
    """
    with (
        _one_thread_each(),
        ThreadPoolExecutor(
            count_lanes(device), initializer=_start_lane, initargs=(device,)
        ) as pool,
    ):
        yield from pool.map(work, items)


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    if "torch" not in sys.modules:
        yield
        return
    torch = sys.modules["torch"]
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _start_lane(device: str) -> None:
    if "torch" not in sys.modules:
        return
    torch = sys.modules["torch"]
    torch.set_num_threads(1)
    if device == "cuda":
        torch.cuda.set_stream(torch.cuda.Stream(device))


@dataclass(frozen=True)
class TokenLimits:
    """What an encoder reads of a text."""

    most: int  # tokens
    pad_id: int  # the token that fills short rows


class TextBatches(ABC):
    """Texts to features, in batches of few shapes that a subclass runs."""

    def __init__(self, spec: TextSpec, tokens: TokenLimits, dim: int) -> None:
        """Takes how texts are prefixed, what the encoder reads of them, and its features."""
        self.spec = spec
        self.max_tokens, self.pad_id = tokens.most, tokens.pad_id
        self.dim = dim
        self.rows = TEXT_ROWS
        self.device = CPU.device

    @abstractmethod
    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, cut to `max_tokens`."""

    @abstractmethod
    def run(self, ids: Tokens, mask: Tokens) -> Vectors:
        """Features `(n, dim)` of `(n, tokens)` ids under an attention mask of the same shape."""

    def encode(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """Features `(n, dim)` of texts, in order; of queries, where the prefixes differ."""
        tokens = self.tokenize(texts, query=query)
        features = np.zeros((len(texts), self.dim), dtype=np.float32)
        batches = list(self._batches(tokens, self.rows))
        encode_batch = functools.partial(self._encode_batch, tokens, self.rows)
        for (batch, _), found in zip(
            batches, map_in_lanes(encode_batch, batches, self.device), strict=True
        ):
            features[batch] = found
        return features

    def _encode_batch(
        self, tokens: Sequence[Sequence[int]], rows: int, batch: tuple[list[int], int]
    ) -> Vectors:
        members, length = batch
        ids = np.full((rows, length), self.pad_id, np.int64)
        mask = np.zeros_like(ids)
        for place, row in enumerate(members):
            ids[place, : len(tokens[row])] = tokens[row]
            mask[place, : len(tokens[row])] = 1
        mask[len(members) :, 0] = 1  # rows that only fill the shape: no division by zero
        return self.run(ids, mask)[: len(members)]

    def tokenize(self, texts: Sequence[str], *, query: bool = False) -> list[list[int]]:
        """Token ids of each text with its prefix, cut to what the encoder reads."""
        if not texts:
            return []  # which the tokenizer takes for an error
        prefixed = [(self.spec.query if query else self.spec.passage)(text) for text in texts]
        return [ids or [self.pad_id] for ids in self.token_ids(prefixed)]  # of one token at least

    def _batches(
        self, tokens: Sequence[Sequence[int]], rows: int
    ) -> Iterator[tuple[list[int], int]]:
        """Rows to encode together and their padded length, shortest first."""
        by_length: dict[int, list[int]] = {}
        for row, ids in enumerate(tokens):
            padded = min(-(-len(ids) // TOKEN_STEP) * TOKEN_STEP, self.max_tokens)
            by_length.setdefault(padded, []).append(row)
        for length, members in sorted(by_length.items()):
            for start in range(0, len(members), rows):
                yield members[start : start + rows], length


class ImageBatches(ABC):
    """Preprocessed pictures to features, in batches of one shape that a subclass runs."""

    def __init__(self, spec: ImageSpec, dim: int) -> None:
        self.spec = spec
        self.dim = dim
        self.rows = IMAGE_ROWS
        self.device = CPU.device

    @abstractmethod
    def run(self, pixels: Pixels) -> Vectors:
        """Features `(n, dim)` of a batch `(n, side, side, 3)`."""

    def encode(self, pixels: Pixels) -> Vectors:
        """Features `(n, dim)` of `(n, side, side, 3)` pictures, in order."""
        parts = [pixels[start : start + self.rows] for start in range(0, len(pixels), self.rows)]
        found = list(map_in_lanes(self._encode_batch, parts, self.device))
        return np.concatenate(found) if found else np.zeros((0, self.dim), dtype=np.float32)

    def _encode_batch(self, pixels: Pixels) -> Vectors:
        batch = np.zeros((self.rows, *pixels.shape[1:]), dtype=np.uint8)  # one shape, always
        batch[: len(pixels)] = pixels
        return self.run(batch)[: len(pixels)]
