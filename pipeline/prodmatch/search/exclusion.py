"""Products that show what a query excludes ("mug, not blue"), whatever their words are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from prodmatch.model.hubness import penalised_image_query
from prodmatch.search.encoded_query import EncodedQuery, Excluded
from prodmatch.storage.vectors import Mask, Vectors, apart_from, split_parts


@dataclass(frozen=True)
class Limit:
    """A product whose part has a larger cosine to `query` shows what is excluded."""

    part: int  # 0 for the text parts, 1 for the image parts
    query: Vectors  # (dim,) unit
    cosine: float


def learn_limits(
    encoded: EncodedQuery, vectors: Vectors, read_examples: Callable[[Excluded], Vectors]
) -> tuple[Limit, ...]:
    """The limits of what a query excludes: halfway from its candidates to examples.

    Args:
        encoded: the query.
        vectors: `(n, 2 * dim)`, of its first candidates.
        read_examples: gives vectors `(m, 2 * dim)` of products that contain what is excluded,
            none where too few do.
    """
    if not len(vectors):
        return ()
    limits = []
    for excluded in encoded.without:
        examples = read_examples(excluded) if excluded.text.any() else vectors[:0]
        if not len(examples):
            continue
        pictured = penalised_image_query(excluded.text)
        queries = apart_from(excluded.text, encoded.text), apart_from(pictured, encoded.image)
        sides = zip(queries, split_parts(vectors), split_parts(examples), strict=True)
        for part, (query, usual, shown) in enumerate(sides):
            mean, reference = cosines(usual, query).mean(), cosines(shown, query).mean()
            if reference > mean:
                limits.append(Limit(part, query, float((mean + reference) / 2)))
    return tuple(limits)


def show_excluded(limits: Sequence[Limit], vectors: Vectors) -> Mask:
    """Which of the products with these vectors `(n, 2 * dim)` are above a limit."""
    shown = np.zeros(len(vectors), np.bool_)
    for limit in limits:
        parts = split_parts(vectors)[limit.part]
        shown |= (cosines(parts, limit.query) > limit.cosine) & parts.any(axis=1)
    return shown


def cosines(parts: Vectors, query: Vectors) -> Vectors:
    """Cosines `(n,)` of `(n, dim)` parts to a unit vector, equal to the bit for equal parts.

    A product of matrices rounds a row by where it stands, on processors with AVX-512 at least.
    """
    products = (parts * query).sum(axis=1)
    lengths = np.sqrt((parts * parts).sum(axis=1))
    return np.asarray(products / np.where(lengths > 0, lengths, 1), dtype=np.float32)
