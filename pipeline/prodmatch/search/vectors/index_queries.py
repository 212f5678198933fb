"""Queries as the signals ask them, made of a catalogue: some tune an index, others measure it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prodmatch.model.onnx_encoders import QueryEncoders
from prodmatch.storage.embeddings import Embeddings, vectors_of
from prodmatch.storage.vectors import Vectors, draw_among, normalise, rows_in_batch, split_parts

QUERIES = 100  # that measure an index of which all is looked at
TUNING_QUERIES = 300  # that tune any other, and as many that measure it: fewer fit chance
NOISE = 0.5  # of a picture's vector of length 1: a cosine of .89, as of another photograph


@dataclass(frozen=True)
class IndexQueries:
    """Queries `(n, dim)` that tune an index, and others that measure it."""

    tuning: Vectors
    measuring: Vectors


def make_queries(
    embeddings: Embeddings, encoders: QueryEncoders, dim: int, *, tuned: bool = True
) -> IndexQueries:
    """Texts of the catalogue, and pictures where half of them are missing; none is in both.

    Args:
        embeddings: of the catalogue.
        encoders: of the queries.
        dim: of a query.
        tuned: whether the index can look at more; where not, none tune it.
    """
    count = 2 * TUNING_QUERIES if tuned else QUERIES
    texts = _sample_texts(embeddings, count)
    missing = count - len(texts) if 2 * len(texts) < count else 0  # the pictures are read for them
    pictures = _picture_queries(embeddings, missing, dim)

    def take(chosen: slice) -> Vectors:
        return np.concatenate([_text_queries(texts[chosen], encoders), pictures[chosen]])

    if not tuned:
        return IndexQueries(np.zeros((0, dim), np.float32), take(slice(None)))
    return IndexQueries(take(slice(0, None, 2)), take(slice(1, None, 2)))


def _text_queries(texts: Sequence[str], encoders: QueryEncoders) -> Vectors:
    """As the signals ask: each text against the text parts, and then against the image parts."""
    parts = encoders.texts(texts)
    nothing = np.zeros_like(parts)
    return np.concatenate([np.hstack([parts, nothing]), np.hstack([nothing, parts])])


def _sample_texts(embeddings: Embeddings, count: int) -> list[str]:
    """A few words of products all over the catalogue, as a person would ask; none twice."""
    rng, queries = np.random.default_rng(0), []
    chosen = draw_among(_rows_with(embeddings, "has_text"), count)
    start = 0
    for batch in embeddings.batches(["text"]):
        for row in rows_in_batch(chosen, start, len(batch)).tolist():
            words = (batch["text"][row].as_py() or "").split()[:20]
            if words:
                first = int(rng.integers(len(words)))
                queries.append(" ".join(words[first : first + int(rng.integers(1, 5))]))
        start += len(batch)
    return list(dict.fromkeys(queries))


def _picture_queries(embeddings: Embeddings, count: int, dim: int) -> Vectors:
    """The image parts of products all over the catalogue, each moved at random: `(n, dim)`.

    Stored vectors themselves would be found too easily.
    """
    chosen = draw_among(_rows_with(embeddings, "has_image"), max(0, count))
    queries, start = np.zeros((len(chosen), dim), np.float32), 0
    for batch in embeddings.batches(["vector"]) if len(chosen) else ():
        inside = (chosen >= start) & (chosen < start + len(batch))
        rows = pa.array(chosen[inside] - start)
        queries[inside] = vectors_of(batch["vector"].take(rows))
        start += len(batch)
    _, image = split_parts(queries)
    noise = normalise(np.random.default_rng(0).normal(size=image.shape))
    moved = normalise(normalise(image) + NOISE * noise)
    return np.hstack([np.zeros_like(moved), moved])


def _rows_with(embeddings: Embeddings, column: str) -> npt.NDArray[np.int64]:
    masks = [batch[column].to_numpy(zero_copy_only=False) for batch in embeddings.batches([column])]
    return np.flatnonzero(np.concatenate(masks)) if masks else np.zeros(0, np.int64)
