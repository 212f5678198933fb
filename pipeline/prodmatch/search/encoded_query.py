"""Encoded queries: whatever is asked, as words and a unit vector for each half."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from prodmatch.errors import QueryError
from prodmatch.model.hubness import penalised_image_query, plain_image_query
from prodmatch.search.queries import Query
from prodmatch.storage.vectors import Vectors, normalise

__all__ = ["EncodedQuery", "clean_query", "encode_items"]

MOST_CHARACTERS = 10_000  # of a query; what follows is not read
Rows = npt.NDArray[np.int64]


def _no_rows() -> Rows:
    return np.zeros(0, np.int64)


@dataclass(frozen=True)
class EncodedQuery:
    """A query in the shared space: a unit vector for each half, and words."""

    words: str | None
    text: Vectors  # (dim,) unit, meets the text parts
    image: Vectors  # (dim,) unit, meets the picture parts
    left_out: Rows = field(default_factory=_no_rows)  # rows that are no answer


def clean_query(query: Query) -> str | None:
    """The words of a query, cleaned; None where it has none.

    Raises:
        QueryError: it asks nothing, or two things at once.
    """
    asked = [query.text, query.image, query.product_id]
    if query.product_id is not None and asked.count(None) < 2:
        raise QueryError(f"query {query.query_id!r}: give an id, or text and picture, not both.")
    words = None
    if query.text is not None:
        words = " ".join(query.text[:MOST_CHARACTERS].replace("\0", " ").split())
        words = words.encode("utf-8", "replace").decode()
        if not any(character.isalnum() for character in words):
            raise QueryError(
                f"query {query.query_id!r}: the text {words[:80]!r} has no word in it. "
                "Write at least one."
            )
    if words is None and query.image is None and query.product_id is None:
        raise QueryError(f"query {query.query_id!r}: has neither text nor picture nor id.")
    return words


def encode_items(text: Vectors, image: Vectors, left_out: Rows) -> EncodedQuery:
    """A encoded from parts `(dim,)` of items; one that is missing is stood in for by the other."""
    text, image = normalise(text), plain_image_query(image)
    return EncodedQuery(
        None,
        text if text.any() else image,
        image if image.any() else penalised_image_query(text),
        left_out,
    )
