"""Queries as the signals ask them, made of a catalogue: some tune an index, others measure it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prodmatch.model.onnx_encoders import QueryEncoders
from prodmatch.storage.embeddings import Embeddings, vectors_of
from prodmatch.storage.vectors import Vectors, normalise, split_parts

QUERIES = 100  # that measure an index of which all is looked at, and as many that would tune it
TUNING_QUERIES = 300  # of any other: too few tune it to their own chance
NOISE = 0.5  # of a picture's vector of length 1: a cosine of .89, as of another photograph


@dataclass(frozen=True)
class IndexQueries:
    """Queries `(n, dim)` that tune an index, and others that measure it."""

    tuning: Vectors
    measuring: Vectors


def make_queries(
    embeddings: Embeddings, encoders: QueryEncoders, dim: int, count: int = TUNING_QUERIES
) -> IndexQueries:
    """Texts of the catalogue, and pictures of it where there are too few; none is in both.

    Args:
        embeddings: of the catalogue.
        encoders: of the queries.
        dim: of a query.
        count: how many tune, and how many measure.
    """
    texts = _sample_texts(embeddings, 2 * count)
    pictures = _picture_queries(embeddings, 2 * count - len(texts), dim)
    tuning, measuring = (
        np.concatenate([_text_queries(texts[first::2], encoders), pictures[first::2]])
        for first in (0, 1)
    )
    return IndexQueries(tuning, measuring)


def _text_queries(texts: Sequence[str], encoders: QueryEncoders) -> Vectors:
    """As the signals ask: each text against the text parts, and then against the image parts."""
    parts = encoders.texts(texts)
    nothing = np.zeros_like(parts)
    return np.concatenate([np.hstack([parts, nothing]), np.hstack([nothing, parts])])


def _sample_texts(embeddings: Embeddings, count: int) -> list[str]:
    """A few words of products all over the catalogue, as a person would ask; none twice."""
    rng, queries = np.random.default_rng(0), []
    chosen = _evenly_spaced(_rows_with(embeddings, "has_text"), count)
    start = 0
    for batch in embeddings.batches(["text"]):
        for row in chosen[(chosen >= start) & (chosen < start + len(batch))].tolist():
            words = (batch["text"][row - start].as_py() or "").split()[:20]
            if words:
                first = int(rng.integers(len(words)))
                queries.append(" ".join(words[first : first + int(rng.integers(1, 5))]))
        start += len(batch)
    return list(dict.fromkeys(queries))


def _picture_queries(embeddings: Embeddings, count: int, dim: int) -> Vectors:
    """The image parts of products all over the catalogue, each moved at random: `(n, dim)`.

    Stored vectors themselves would be found too easily.
    """
    chosen = _evenly_spaced(_rows_with(embeddings, "has_image"), max(0, count))
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


def _evenly_spaced(rows: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """At most `count` of these ascending rows, at even distances."""
    chosen = np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64)
    return rows[chosen]
