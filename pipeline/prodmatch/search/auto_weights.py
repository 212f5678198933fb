"""How well a model knows a catalogue: measured without labels, on the products' own two parts."""

import hashlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from prodmatch.model.hubness import penalised_image_query
from prodmatch.storage.arrow import as_mask
from prodmatch.storage.embeddings import Embeddings, vectors_of
from prodmatch.storage.vectors import (
    Vectors,
    draw_among,
    draw_rows,
    normalise,
    rows_in_batch,
    split_parts,
)

MOST_PRODUCTS = 1_000
FEWEST_PRODUCTS = 50
BLOCK = 128
LEAST = 0.05  # of a signal's weight that is left, so that a picture can still be searched for


def measure_alignment(embeddings: Embeddings) -> float | None:
    """How often a product's text is nearer to its own picture than to another product's.

    As a rank correlation (Somers' D): the share of other pictures that are further away, less
    the share of those that are nearer. 1 is a model at home in the catalogue, 0 is chance, as
    for a model of clothes in a shop of furniture.

    Args:
        embeddings: products; up to 1,000 with both parts and texts of their own are taken,
            drawn of the catalogue.

    Returns:
        The alignment in -1..1, or None where fewer than 50 products can tell.
    """
    rows = draw_among(_rows_with_both(embeddings), 3 * MOST_PRODUCTS)
    found: dict[bytes, Vectors] = {}  # by the digest of the text, which may be long
    start = 0
    for batch in embeddings.batches(["vector", "text"]):
        for row in rows_in_batch(rows, start, len(batch)).tolist():
            key = hashlib.blake2b(batch["text"][row].as_buffer(), digest_size=16).digest()
            found.setdefault(key, vectors_of(batch["vector"][row : row + 1]).copy())
        start += len(batch)
    products = list(found.values())
    chosen = [products[row] for row in draw_rows(len(products), MOST_PRODUCTS)]
    if len(chosen) < FEWEST_PRODUCTS:
        return None
    text, image = (normalise(part) for part in split_parts(np.concatenate(chosen)))
    nearer = further = 0
    for start in range(0, len(text), BLOCK):
        scores = penalised_image_query(text[start : start + BLOCK]) @ image.T  # (block, n)
        rows = np.arange(len(scores))
        own = scores[rows, start + rows][:, None]
        nearer += int((scores > own).sum())
        further += int((scores < own).sum())
    return (further - nearer) / (len(text) * (len(text) - 1))


def _rows_with_both(embeddings: Embeddings) -> npt.NDArray[np.int64]:
    """The rows of products with text and picture, ascending."""
    present = [
        as_mask(batch["has_text"]) & as_mask(batch["has_image"])
        for batch in embeddings.batches(["has_text", "has_image"])
    ]
    return np.flatnonzero(np.concatenate([np.zeros(0, np.bool_), *present]))


def weights_for(weights: Mapping[str, float], alignment: float | None) -> dict[str, float]:
    """The weights of the signals in a catalogue that the model knows this well.

    Text vectors count by the alignment, and picture vectors by its square, as a correlation's
    square is the share that it explains; words always count in full. An alignment of None leaves
    the weights as they are.
    """
    agreed = 1.0 if alignment is None else max(0.0, alignment)
    known = {"lexical": 1.0, "text": max(LEAST, agreed), "image": max(LEAST, agreed**2)}
    return {signal: round(weight * known[signal], 4) for signal, weight in weights.items()}
