"""What heads are judged by: products, or queries with labels, that they were not fitted on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prodmatch.model.heads import Heads
from prodmatch.model.hubness import penalised_image_query
from prodmatch.storage.vectors import Vectors
from prodmatch.training.examples import Examples
from prodmatch.training.metrics import Calibrated, fit_calibration, recall_of_pairs

Measure = Callable[[Heads], float]  # on held-out products, higher is better


@dataclass(frozen=True)
class HeldOut:
    """Products that nothing was fitted on, as features of frozen encoders."""

    text: Vectors  # (n, text features)
    image: Vectors  # (n, image features)
    groups: npt.NDArray[np.int64]  # (n,), equal where texts are equal
    texts: list[str]  # of the first products
    queries: Vectors  # (len(texts), text features): of the `draw_queries` of these texts

    def recall(self, heads: Heads) -> float:
        """Recall@10 from a text to a picture of its own group."""
        query = penalised_image_query(heads.texts(self.text))
        return recall_of_pairs(query, heads.pictures(self.image), self.groups)

    def words_recall(self, heads: Heads) -> float:
        """Recall@10 from a few words of one of the first texts to it, among these."""
        first = slice(len(self.texts))
        found = heads.texts(self.queries), heads.texts(self.text[first])
        return recall_of_pairs(*found, self.groups[first])

    def calibrate(self, heads: Heads, weights: Mapping[str, float]) -> Calibrated:
        """The probability of a match, fitted on the first products."""
        first = slice(len(self.texts))
        parts = heads.texts(self.text[first]), heads.pictures(self.image[first])
        return fit_calibration(self.texts, parts, heads.texts(self.queries), weights)


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
