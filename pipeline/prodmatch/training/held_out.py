"""What heads are judged by: products, or queries with labels, that they were not trained on."""

import numpy as np
import numpy.typing as npt

from prodmatch.model.heads import Heads
from prodmatch.model.hubness import penalised_image_query
from prodmatch.storage.vectors import Vectors
from prodmatch.training.dataset import PairSet
from prodmatch.training.metrics import recall_of_pairs
from prodmatch.training.trainer import Examples, Measure


def pair_measure(held_out: PairSet) -> Measure:
    """Recall@10 from a text to its own picture among the held-out pictures."""
    return title_measure(held_out.text, held_out.image, held_out.text_groups)


def title_measure(text: Vectors, image: Vectors, groups: npt.NDArray[np.int64]) -> Measure:
    """Recall@10 from a text to a picture of its own group.

    Args:
        text: `(n, text features)`.
        image: `(n, image features)`, of the same products.
        groups: `(n,)`, equal where texts are equal.
    """

    def measure(heads: Heads) -> float:
        return recall_of_pairs(
            penalised_image_query(heads.texts(text)), heads.pictures(image), groups
        )

    return measure


def words_measure(queries: Vectors, held_out: PairSet) -> Measure:
    """Recall@10 from a few words of a text to it, among the held-out texts.

    Args:
        queries: `(n, text features)`: of words of the first `n` texts, row by row.
        held_out: the products.
    """
    text, groups = held_out.text[: len(queries)], held_out.text_groups[: len(queries)]

    def measure(heads: Heads) -> float:
        return recall_of_pairs(heads.texts(queries), heads.texts(text), groups)

    return measure


def split_labelled(
    labelled: Examples, pairs: Examples, share: float
) -> tuple[list[Examples], Measure]:
    """What is trained on, the labels first, and the measure of the queries held out.

    Whole queries are held out. The measure is the mean over them of recall@10: the share of a
    query's matching products, ten at most, among the ten nearest of all labelled products.
    """
    queries = np.unique(labelled.query_groups)
    chosen = np.random.default_rng(0).permutation(queries)[: max(1, round(share * len(queries)))]
    held = np.isin(labelled.query_groups, chosen)
    return [labelled.take(~held), pairs], _labelled_measure(labelled, held)


def _labelled_measure(labelled: Examples, held: npt.NDArray[np.bool_]) -> Measure:
    products, firsts = np.unique(labelled.product_groups, return_index=True)
    matching = held & (labelled.labels > 0)
    queries, query_rows = np.unique(labelled.query_groups[matching], return_index=True)
    rows = np.flatnonzero(matching)

    def measure(heads: Heads) -> float:
        text, image = heads.texts(labelled.text[firsts]), heads.pictures(labelled.image[firsts])
        query = heads.texts(labelled.query[rows[query_rows]])
        by_text, by_image = query @ text.T, penalised_image_query(query) @ image.T
        scores = labelled.text_share * by_text + (1 - labelled.text_share) * by_image
        nearest = products[np.argsort(-scores, axis=1, kind="stable")[:, :10]]
        shares = []
        for row, number in enumerate(queries):
            relevant = labelled.product_groups[matching & (labelled.query_groups == number)]
            relevant = np.unique(relevant)
            hit_count = np.isin(nearest[row], relevant).sum()
            shares.append(hit_count / min(10, len(relevant)))
        return round(float(np.mean(shares)), 4) if shares else 0.0

    return measure
