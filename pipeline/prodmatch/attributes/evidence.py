"""What speaks for a predicted value: the nearest products that have it, and words."""

from dataclasses import dataclass

import numpy as np

from prodmatch.attributes.words import Numbers
from prodmatch.model.hubness import plain_image_query
from prodmatch.search.vectors.vector_index import AnnIndex
from prodmatch.storage.vectors import Rows, Vectors, draw_among, split_parts

NEAREST = 50  # that are looked at
SHOWN = 3
SAMPLE = 1_000  # labelled products that say how near a product usually is to another
FARTHEST = 0.005  # of the labelled ones are farther from all others than a familiar product may be
BATCH_ROWS = 1024
NOTHING = -1.0


@dataclass(frozen=True)
class Neighbourhood:
    """The nearest labelled products of some rows."""

    # `(n,)`, cosine to the nearest of them; -1 where none of the nearest products is labelled.
    similarity: Vectors
    rows: list[Rows]  # for each row the nearest products of its value, at most three


def find_evidence(
    ann: AnnIndex, rows: Rows, codes: Rows, labels: Rows, *, with_text: bool = True
) -> Neighbourhood:
    """The nearest labelled products of each row.

    Args:
        codes: the number of the value predicted for each.
        labels: `(products,)`, the number of each product's own value, negative for no such value.
        with_text: whether text parts count, or pictures alone.
    """
    similarity = np.full(len(rows), NOTHING, np.float32)
    nearest: list[Rows] = []
    for start in range(0, len(rows), BATCH_ROWS):
        batch = rows[start : start + BATCH_ROWS]
        queries = _queries(ann.vectors(batch), with_text=with_text)
        for number, near in enumerate(ann.search(queries, NEAREST + 1), start):
            known = (near.rows != rows[number]) & (labels[near.rows] >= 0)
            if known.any():
                similarity[number] = near.scores[known].max()
            same = known & (labels[near.rows] == codes[number])
            nearest.append(near.rows[same][:SHOWN])
    return Neighbourhood(similarity, nearest)


def _queries(vectors: Vectors, *, with_text: bool) -> Vectors:
    """The queries of products like these: without the hubness penalty of their own pictures."""
    text, image = split_parts(vectors)
    length = np.linalg.norm(image, axis=1, keepdims=True)
    kept = text if with_text else np.zeros_like(text)
    return np.concatenate([kept, plain_image_query(image) * length], axis=1)


def least_similarity(ann: AnnIndex, labels: Rows, *, with_text: bool = True) -> float:
    """The cosine to the nearest labelled product below which a product is a strange one."""
    known = np.flatnonzero(labels >= 0)
    sample = draw_among(known, SAMPLE)
    found = find_evidence(ann, sample, labels[sample], labels, with_text=with_text)
    return float(np.quantile(found.similarity, FARTHEST, method="lower"))


def telling_words(
    words: tuple[str, ...], numbers: Numbers, codes: Rows, weights: Vectors
) -> list[list[str]]:
    """The words of each text that speak most for its value, at most three.

    Args:
        numbers: `(n, most)` of the words of each text.
        weights: `(words, values)`.
    """
    padded = np.concatenate([weights, np.zeros((1, weights.shape[1]), np.float32)])
    found = []
    for own, code in zip(numbers, codes.tolist(), strict=True):
        order = np.argsort(-padded[own, code], kind="stable")[:SHOWN]
        found.append([words[own[at]] for at in order.tolist() if padded[own[at], code] > 0])
    return found
