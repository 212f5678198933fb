"""Rows to train small encoders on, and the shape of these."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from small import COLOURS, KINDS, draw

from prodmatch.pretraining.contrastive import (
    TrainingSet,
)
from prodmatch.pretraining.dual_encoder import EncoderShape
from prodmatch.storage.vectors import Vectors
from prodmatch.training.pairs import TrainingProduct

SHAPE = EncoderShape(
    vocabulary_size=200, max_tokens=16, hidden_size=32, layer_count=1, attention_heads=2, dim=16
)


def training_rows(count: int) -> pa.Table:
    rows = [
        {
            "product_id": str(number),
            "title": f"{list(COLOURS)[number % 3]} {KINDS[number % 5]}",
            "colour": list(COLOURS)[number % 3],
            "type": KINDS[number % 5],
            "image": draw(list(COLOURS.values())[number % 3], number, side=32),
            "split": "val" if number % 5 == 0 else "train",
        }
        for number in range(count)
    ]
    return pa.Table.from_pylist(rows)


def coloured_set(count: int) -> tuple[TrainingSet, np.ndarray, dict[str, np.ndarray]]:
    """Products of two sources, picture features, and text features by word."""
    rng = np.random.default_rng(0)
    words = {word: rng.normal(size=16).astype(np.float32) for word in (*COLOURS, *KINDS)}
    chosen = [(list(COLOURS)[n % 3], KINDS[n % 5]) for n in range(count)]
    said = [
        TrainingProduct(f"{colour} {kind}", "", {"colour": colour, "type": kind})
        for colour, kind in chosen
    ]
    looks = rng.normal(size=(16, 24)).astype(np.float32)
    seen = np.stack([words[colour] + words[kind] for colour, kind in chosen]) @ looks
    titles = np.array([15 * (n % 3) + n % 5 for n in range(count)])
    data = TrainingSet(
        said,
        np.zeros((count, 1, 1, 3), np.uint8),
        titles,
        np.arange(count),
        np.arange(count) % 2,
    )
    return data, seen + rng.normal(size=seen.shape).astype(np.float32), words


class Bag:
    """Stands where a text encoder does: its states say nothing, its tokens are the words."""

    vocabulary = 1 + len(COLOURS) + len(KINDS)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        known = {word: 1 + place for place, word in enumerate((*COLOURS, *KINDS))}
        return [[known.get(word, 0) for word in text.split()] or [0] for text in texts]

    def encode(self, texts: Sequence[str]) -> Vectors:
        return np.random.default_rng(2).normal(size=(len(texts), 4)).astype(np.float32)
