"""Probes: whatever is asked, as words and a unit vector for each half."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from prodmatch.errors import QueryError
from prodmatch.model.hubness import ask_alike, ask_pictures
from prodmatch.search.queries import Question
from prodmatch.storage.vectors import Vectors, normalise

__all__ = ["Probe", "clean_question", "item_probe"]

MOST_CHARACTERS = 10_000  # of a query; what follows is not read
Rows = npt.NDArray[np.int64]


def _no_rows() -> Rows:
    return np.zeros(0, np.int64)


@dataclass(frozen=True)
class Probe:
    """A question in the shared space: a unit vector for each half, and words."""

    words: str | None
    text: Vectors  # (dim,) unit, meets the text halves
    image: Vectors  # (dim,) unit, meets the picture halves
    left_out: Rows = field(default_factory=_no_rows)  # rows that are no answer


def clean_question(question: Question) -> str | None:
    """The words of a question, cleaned; None where it has none.

    Raises:
        QueryError: it asks nothing, or two things at once.
    """
    asked = [question.text, question.image, question.product_id]
    if question.product_id is not None and asked.count(None) < 2:
        raise QueryError(f"query {question.query_id!r}: give an id, or text and picture, not both.")
    words = None
    if question.text is not None:
        words = " ".join(question.text[:MOST_CHARACTERS].replace("\0", " ").split())
        words = words.encode("utf-8", "replace").decode()
        if not any(character.isalnum() for character in words):
            raise QueryError(
                f"query {question.query_id!r}: the text {words[:80]!r} has no word in it. "
                "Write at least one."
            )
    if words is None and question.image is None and question.product_id is None:
        raise QueryError(f"query {question.query_id!r}: has neither text nor picture nor id.")
    return words


def item_probe(text: Vectors, image: Vectors, left_out: Rows) -> Probe:
    """A probe from halves `(dim,)` of items; one that is missing is stood in for by the other."""
    text, image = normalise(text), ask_alike(image)
    return Probe(
        None,
        text if text.any() else image,
        image if image.any() else ask_pictures(text),
        left_out,
    )
