"""A column learnt from its labelled products: what is predicted, how surely, and how that is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prodmatch.attributes.classifier import CrossFitted, Inputs, cross_fit, unit_parts
from prodmatch.attributes.labels import MISSING
from prodmatch.attributes.words import Vocabulary, choose_words, split_words
from prodmatch.search.vectors.vector_index import AnnIndex
from prodmatch.storage.arrow import Numbers
from prodmatch.storage.vectors import Rows, draw_among

MOST_TRAINING = 60_000  # labelled products, drawn of all
BATCH_ROWS = 4096
SURENESS = 1.645  # standard deviations below what was measured: 95 % one-sided
MIN_PROBABILITY = 0.5  # of a value that is predicted, whatever the precision


@dataclass(frozen=True)
class Calibration:
    """A rising function of scores, by isotonic regression: their share of right predictions."""

    scores: Numbers
    probabilities: Numbers

    def __call__(self, scores: Numbers) -> Numbers:
        """The probability that a prediction of this score is right."""
        return np.interp(scores, self.scores, self.probabilities)


def calibrate(scores: Numbers, right: npt.NDArray[np.bool_]) -> Calibration:
    """Fits a calibration by pooling neighbours that fall (pool adjacent violators).

    A block's share counts one more that is wrong, so that no probability is 1.
    """
    order = np.argsort(scores, kind="stable")
    blocks: list[list[float]] = []  # right, count, sum of the scores
    for score, hit in zip(scores[order].tolist(), right[order].tolist(), strict=True):
        blocks.append([float(hit), 1.0, score])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            last = blocks.pop()
            blocks[-1] = [one + other for one, other in zip(blocks[-1], last, strict=True)]
    found = np.array(blocks)
    probabilities = np.maximum.accumulate(found[:, 0] / (found[:, 1] + 1))
    return Calibration(found[:, 2] / found[:, 1], probabilities)


def lower_bound(right: Numbers, count: Numbers) -> Numbers:
    """The least share that so many right ones of a count may be of (Wilson, one-sided 95 %)."""
    share, square = right / count, SURENESS**2
    margin = SURENESS * np.sqrt(share * (1 - share) / count + square / (4 * count**2))
    return np.asarray((share + square / (2 * count) - margin) / (1 + square / count))


def choose_threshold(
    scores: Numbers, right: npt.NDArray[np.bool_], precision: float
) -> float | None:
    """The lowest score from which on predictions are right so often; None where there is none.

    The share is the lower bound of what was measured, so few rows need a better one.
    """
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    count = np.arange(1, len(order) + 1, dtype=np.float64)
    kept = lower_bound(np.cumsum(right[order]).astype(np.float64), count) >= precision
    ends = np.append(ordered[1:] < ordered[:-1], True)  # equal scores stay together
    usable = np.flatnonzero(kept & ends)
    return float(ordered[usable[-1]]) if len(usable) else None


@dataclass(frozen=True)
class Source:
    """A generation's vectors and texts, row by row."""

    ann: AnnIndex
    texts: pa.ChunkedArray

    def words(self, rows: Rows) -> list[list[str]]:
        """The words of these products' texts."""
        return [split_words(text or "") for text in self.texts.take(pa.array(rows)).to_pylist()]


@dataclass(frozen=True)
class Predictions:
    """What is predicted of some rows; all arrays are `(n,)`."""

    rows: Rows  # of the generation
    codes: Rows  # the likeliest value
    second: Rows  # the next one
    probability: Numbers  # that `codes` is right, calibrated
    # Of the value that the product has, uncalibrated; NaN where it has none.
    label_probability: Numbers
    # Whether the probability is above the threshold of the stated precision.
    sure: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Learnt:
    """A column's classifier with what was measured of it on products it was not fitted with."""

    vocabulary: Vocabulary  # of the words that it reads
    fitted: CrossFitted  # the classifiers
    with_text: bool  # whether they read text parts
    rows: Rows  # the labelled rows that they were fitted with
    calibration: Calibration  # of their probabilities
    threshold: float | None  # of the stated precision; None where no probability reaches it
    accuracy: float  # share of all labelled products whose value is predicted
    precision: float | None  # the same of those above the threshold
    coverage: float  # the share of the labelled products above the threshold

    def predict(self, source: Source, rows: Rows, labels: Rows) -> Predictions:
        """What is predicted of rows; of those it was fitted with, what the others tell.

        Args:
            labels: `(products,)`, the number of each product's own value, negative where none.
        """
        batches = [
            self._predict(source, rows[start : start + BATCH_ROWS], labels)
            for start in range(0, max(1, len(rows)), BATCH_ROWS)
        ]
        columns = [np.concatenate(each) for each in zip(*batches, strict=True)]
        codes, second, scores, label_probability = columns
        probability = self.calibration(scores)
        sure = np.full(len(rows), False)
        if self.threshold is not None:
            sure = (scores >= self.threshold) & (probability >= MIN_PROBABILITY)
        return Predictions(
            rows,
            codes.astype(np.int64),
            second.astype(np.int64),
            probability,
            label_probability,
            sure,
        )

    def _predict(self, source: Source, rows: Rows, labels: Rows) -> tuple[Numbers, ...]:
        inputs = _inputs(source, rows, source.words(rows), self.vocabulary, self.with_text)
        block = inputs.block(np.arange(len(rows)))
        logs = self.fitted.predict(block)
        at = np.searchsorted(self.rows, rows)  # where a row is among those it was fitted with
        ours = np.flatnonzero(self.rows[np.minimum(at, len(self.rows) - 1)] == rows)
        logs[ours] = self.fitted.own[at[ours]]
        order = np.argsort(-logs, axis=1, kind="stable")[:, :2]
        own = labels[rows]
        found = np.exp(logs[np.arange(len(rows)), np.maximum(own, 0)].astype(np.float64))
        best = np.exp(logs[np.arange(len(rows)), order[:, 0]].astype(np.float64))
        first, second = (order[:, at].astype(np.float64) for at in (0, -1))
        return first, second, best, np.where(own >= 0, found, np.nan)


def learn(
    source: Source,
    codes: Rows,
    value_count: int,
    precision: float,
    *,
    names: frozenset[str] | None = None,
) -> Learnt:
    """Learns a column and measures that on products that were left out.

    Args:
        codes: `(products,)`, the number of each one's value, `RARE` or `MISSING`.
        precision: the share of predictions that are to be right.
        names: words of the values, where the codes are from the texts that name them: these
            words and the text parts are left out, as products without a name have none of them.
    """
    rows = draw_among(np.flatnonzero(codes != MISSING), MOST_TRAINING)
    own = codes[rows]
    words = source.words(rows)
    known = np.flatnonzero(own >= 0)
    vocabulary = choose_words(
        [words[row] for row in known.tolist()],
        own[known],
        value_count,
        without=names or frozenset(),
    )
    with_text = names is None
    inputs = _inputs(source, rows, words, vocabulary, with_text)
    fitted = cross_fit(inputs, own, value_count)
    best = fitted.own.argmax(axis=1)
    scores = np.exp(fitted.own.max(axis=1).astype(np.float64))
    right = best == own
    threshold = choose_threshold(scores, right, precision)
    calibration = calibrate(scores, right)
    above = np.zeros(len(rows), np.bool_)
    if threshold is not None:
        above = (scores >= threshold) & (calibration(scores) >= MIN_PROBABILITY)
    return Learnt(
        vocabulary,
        fitted,
        with_text,
        rows,
        calibration,
        threshold,
        accuracy=float(right.mean()),
        precision=float(right[above].mean()) if above.any() else None,
        coverage=float(above.mean()),
    )


def _inputs(
    source: Source,
    rows: Rows,
    words: Sequence[Sequence[str]],
    vocabulary: Vocabulary,
    with_text: bool,
) -> Inputs:
    vectors = unit_parts(source.ann.vectors(rows), with_text=with_text)
    return Inputs(vectors, vocabulary.number(words), vocabulary.padding)
