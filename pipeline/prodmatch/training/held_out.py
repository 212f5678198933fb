"""What heads are judged by: products, or queries with labels, that they were not fitted on."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from prodmatch.errors import ModelError
from prodmatch.evaluation.comparison import brier_score, expected_calibration_error
from prodmatch.model.calibration import Calibration, fit_calibration
from prodmatch.model.heads import Heads
from prodmatch.model.hubness import penalised_image_query
from prodmatch.storage.vectors import Vectors
from prodmatch.training.dataset import Examples, Numbers

FIRST = 10  # pictures that one is to be among
MOST_QUERIES = 2_000  # that a calibration is fitted on
NEAREST = 20  # candidates of a query that a person would be shown
RIDGE = 1e-6  # of a calibration: finite where cosines tell all
WORD = re.compile(r"[^\W_]+")

Measure = Callable[[Heads], float]  # on held-out products, higher is better


@dataclass(frozen=True)
class Calibrated:
    """A calibration, and how well it does on queries that it was not fitted on."""

    calibration: Calibration
    brier: float  # mean squared error of the probability
    ece: float  # expected calibration error, over ten bins
    base: float  # mean squared error of always saying the share that matches

    @property
    def warning(self) -> str | None:
        """Where probabilities tell no more than the share that matches."""
        if self.brier < self.base:
            return None
        return (
            "the probabilities of hits tell little: on held-out products their Brier score is "
            f"{self.brier}, {self.base} for always giving the share that matches. Judge some "
            "hits by hand before you use them"
        )


@dataclass(frozen=True)
class HeldOut:
    """Products that nothing was fitted on, as features of frozen encoders."""

    text: Vectors  # (n, text features)
    image: Vectors  # (n, image features)
    groups: Numbers  # (n,), equal where texts or pictures are equal
    texts: list[str]  # of the first products
    queries: Vectors  # (len(texts), text features): of the `draw_queries` of these texts

    @property
    def warning(self) -> str | None:
        """Where any heads find each product, as there are so few."""
        if len(self.image) > FIRST:
            return None
        return (
            f"`val_recall_at_10` says nothing: only {len(self.image)} products are held out, and "
            f"each is among the first {FIRST} of these whatever the heads are. Give more products"
        )

    def recall(self, heads: Heads) -> float:
        """Recall@10 from a text to a picture of its own group."""
        query = penalised_image_query(heads.texts(self.text))
        return recall_of_pairs(query, heads.pictures(self.image), self.groups)

    def words_recall(self, heads: Heads) -> float:
        """Recall@10 from a few words of one of the first texts to it, among these."""
        first = slice(len(self.texts))
        found = heads.texts(self.queries), heads.texts(self.text[first])
        return recall_of_pairs(*found, self.groups[first])

    def calibrate(
        self, heads: Heads, weights: Mapping[str, float], earlier: Calibration | None = None
    ) -> Calibrated:
        """Scale and bias such that sigmoid(scale * cosine + bias) is the share of hits that match.

        Each query meets its twenty nearest of the first products and twenty drawn at random, by
        the mean of its cosines to text and picture with these weights. A product matches whose
        text says every word of the query. Fitted on every other query, measured on the rest.
        Where that does no better there than the `earlier` calibration, of the model whose heads
        these began as, or than always giving the share that matches, the earlier one stays: it
        comes of other products, and tells good hits from bad ones.
        """
        first = slice(len(self.texts))
        text, image = heads.texts(self.text[first]), heads.pictures(self.image[first])
        share = weights["text"] / max(weights["text"] + weights["image"], 1e-9)
        words = [words_of(each) for each in self.texts]
        rng = np.random.default_rng(0)
        cosines, matches = [], []
        vectors = heads.texts(self.queries)
        for query, by_text, by_image in zip(
            draw_queries(self.texts), vectors, penalised_image_query(vectors), strict=True
        ):
            near = share * (text @ by_text)
            near += (1 - share) * (image @ by_image)
            count = min(NEAREST, len(near))
            best = np.argpartition(-near, count - 1)[:count]
            rows = np.concatenate([best, rng.integers(0, len(near), NEAREST)])
            cosines.append(near[rows])
            matches.append([words_of(query) <= words[other] for other in rows])
        fitted, judged = (
            (np.concatenate(cosines[start::2]), np.concatenate(matches[start::2]).astype(float))
            for start in (0, 1)
        )
        fit = fit_calibration(*fitted, prior=(0.0, 0.0), pull=2 * RIDGE * len(fitted[0]))
        calibration = Calibration(round(fit.scale, 4), round(fit.bias, 4))
        match = judged[1]
        found = Calibrated(
            calibration,
            **_errors(calibration, *judged),
            base=round(float(match.mean() * (1 - match.mean())), 4),
        )
        if earlier is None:
            return found
        before = _errors(earlier, *judged)
        if found.brier < min(found.base, before["brier"]):
            return found
        return replace(found, calibration=earlier, **before)


class _Errors(TypedDict):
    brier: float
    ece: float


def _errors(
    calibration: Calibration, cosines: npt.NDArray[np.float32], match: npt.NDArray[np.float64]
) -> _Errors:
    """The Brier score and the expected calibration error of the probabilities of cosines."""
    probability = calibration.probability(cosines)
    return {
        "brier": round(brier_score(probability, match), 4),
        "ece": round(expected_calibration_error(probability, match), 4),
    }


def recall_of_pairs(text: Vectors, image: Vectors, groups: Numbers) -> float:
    """Share of texts with a picture of their own group among the ten nearest; equal texts once.

    Of unit rows `(n, dim)` of the same products; `groups` `(n,)` are equal where texts are.
    """
    found, count = 0, min(FIRST, len(image))
    _, firsts = np.unique(groups, return_index=True)
    for rows in np.split(firsts, range(1024, len(firsts), 1024)):
        nearest = np.argpartition(-(text[rows] @ image.T), count - 1, axis=1)[:, :count]
        found += int((groups[nearest] == groups[rows, None]).any(axis=1).sum())
    return round(found / max(1, len(firsts)), 4)


def split_labelled(
    labelled: Examples, pairs: Examples, share: float, apart: Numbers
) -> tuple[list[Examples], Measure]:
    """What is trained on, the labels first, and the measure of the queries held out.

    Whole queries are held out, of those with a product that matches, as others measure nothing.
    The measure is the mean over them of recall@10: the share of a query's matching products, ten
    at most, among the ten nearest of all labelled products.

    Args:
        apart: products that are held out of `pairs`: no label of theirs is trained on.

    Raises:
        ModelError: no label above 0 is left to be trained on.
    """
    queries = np.unique(labelled.query_groups[labelled.labels > 0])
    chosen = np.random.default_rng(0).permutation(queries)[: max(1, round(share * len(queries)))]
    held = np.isin(labelled.query_groups, chosen)
    trained = ~held & ~np.isin(labelled.product_groups, apart)
    if not (labelled.labels[trained] > 0).any():
        raise ModelError(
            "`labels`: all labels above 0 are of products or queries that are held out, so none is "
            "left to learn from. Give labels of more products, or train without."
        )
    return [labelled.take(trained), pairs], _labelled_measure(labelled, held)


def _labelled_measure(labelled: Examples, held: npt.NDArray[np.bool_]) -> Measure:
    products, firsts = np.unique(labelled.product_groups, return_index=True)
    matching = labelled.take(held & (labelled.labels > 0))
    queries, rows = np.unique(matching.query_groups, return_index=True)
    relevant = [np.unique(matching.product_groups[matching.query_groups == n]) for n in queries]

    def measure(heads: Heads) -> float:
        text, image = heads.texts(labelled.text[firsts]), heads.pictures(labelled.image[firsts])
        query = heads.texts(matching.query[rows])
        by_text, by_image = query @ text.T, penalised_image_query(query) @ image.T
        scores = labelled.text_share * by_text + (1 - labelled.text_share) * by_image
        nearest = products[np.argsort(-scores, axis=1, kind="stable")[:, :10]]
        shares = [
            np.isin(found, own).sum() / min(10, len(own))
            for found, own in zip(nearest, relevant, strict=True)
        ]
        return round(float(np.mean(shares)), 4) if shares else 0.0

    return measure


def words_of(text: str) -> frozenset[str]:
    """The words of a text in lower case, a plural's "s" dropped, so that kurtas is kurta."""
    words = WORD.findall(text.lower())
    return frozenset(word[:-1] if len(word) > 3 and word[-1] == "s" else word for word in words)


def draw_words(text: str, rng: np.random.Generator, *, ordered: float = 1.0) -> str:
    """One to four of a text's first twenty words, as a person would search; `ordered` so often."""
    words = text.split()[:20] or [text]
    count = min(len(words), int(rng.integers(1, 5)))
    picked = rng.choice(len(words), count, replace=False)
    if rng.random() < ordered:
        picked = np.sort(picked)
    return " ".join(words[number] for number in picked)


def draw_queries(texts: Sequence[str]) -> list[str]:
    """A query of words of each text, always the same."""
    rng = np.random.default_rng(0)
    return [draw_words(text, rng) for text in texts]
