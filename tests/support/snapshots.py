"""Snapshots of arrays: products whose titles and pictures belong together, and their nights."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from prodmatch.morning.pair import Pair, pair_snapshots
from prodmatch.morning.snapshot import ProductVectors, Snapshot, make_snapshot
from prodmatch.search.vectors.index_builder import build_index
from prodmatch.storage.vectors import Vectors, join_parts, normalise

COUNT, DIM = 300, 16
COLOURS, TYPES = ("red", "blue", "green"), ("shirt", "mug", "lamp", "boot", "chair")
WORDS = ("old", "new", "big", "tiny", "warm", "cold", "soft", "hard", "fine", "raw")
Columns = dict[str, list[object]]


def columns(count: int = COUNT) -> Columns:
    """The columns of so many products."""
    rows = range(count)
    titles = [
        f"{WORDS[row % 10]} {COLOURS[row % 3]} {TYPES[row % 5]} {WORDS[row // 10 % 10]} {row:03d}"
        for row in rows
    ]
    return {
        "product_id": [f"p{row:03d}" for row in rows],
        "has_text": [True] * count,
        "has_image": [True] * count,
        "text": [*titles],
        "title": [*titles],
        "colour": [COLOURS[row % 3] for row in rows],
        "type": [TYPES[row % 5] for row in rows],
        "price": [5.0 + row for row in rows],
        "stock": [1 + row % 7 for row in rows],
    }  # fmt: skip


def parts(count: int = COUNT, seed: int = 0) -> tuple[Vectors, Vectors]:
    """Text parts, and image parts that are near them; those of a type are near each other."""
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(5, DIM))[np.arange(count) % 5]
    text = normalise(middles + 0.7 * rng.normal(size=(count, DIM)))
    return text, normalise(text + 0.15 * rng.normal(size=(count, DIM)))


def snapshot(
    values: Mapping[str, Sequence[object]], text: Vectors, image: Vectors, number: int = 1
) -> Snapshot:
    """A snapshot of columns and parts."""
    vectors = join_parts(text, image)
    index = build_index(lambda: iter([vectors]), len(vectors), vectors.shape[1], "flat")
    table = pa.table({name: pa.array(each) for name, each in values.items()})
    return make_snapshot(number, "model", table, ProductVectors(index, np.arange(len(vectors))))


Change = Callable[[Columns, Vectors, Vectors], None]


def night(change: Change, count: int = COUNT, *, removed: Sequence[int] = ()) -> Pair:
    """The products, and the same after a change of their columns, text parts and image parts."""
    text, image = parts(count)
    last = snapshot(columns(count), text, image)
    values, text, image = columns(count), text.copy(), image.copy()
    change(values, text, image)
    kept = [row for row in range(len(values["title"])) if row not in {*removed}]
    values = {name: [each[row] for row in kept] for name, each in values.items()}
    return pair_snapshots(last, snapshot(values, text[kept], image[kept], 2))
