"""The outcome of a run of head fitting, and the ensemble of several runs as one linear map."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from prodmatch.model.heads import Heads, Projection, compact_heads
from prodmatch.model.hubness import penalised_image_query
from prodmatch.pretraining.token_bag import Texts, mean_rows
from prodmatch.storage.vectors import Vectors
from prodmatch.training.metrics import recall_of_pairs


@dataclass(frozen=True)
class Sample:
    """Products' texts and pictures; rows belong together."""

    texts: Texts
    pictures: Vectors  # (n, image features)
    groups: npt.NDArray[np.int64]  # (n,), equal where texts are equal
    pairs: tuple[Texts, Texts] | None = None  # of other things, row by row of one thing


class HeadRun(NamedTuple):
    """A token embedding bag and linear maps of features into one space, `inner` wide."""

    words: Vectors  # (tokens, inner)
    states: Vectors  # (text features, inner)
    text_bias: Vectors  # (inner,): added to both
    image_weight: Vectors  # (image features, inner)
    image_bias: Vectors  # (inner,): added to it

    def features(self, texts: Texts) -> Vectors:
        """Text features with this bag: pooled states, and the mean of the token embeddings."""
        return np.concatenate([texts.states, mean_rows(self.words, texts.tokens)], axis=1)

    def project(self, sample: Sample, dim: int) -> Heads:
        """Heads over such features, centred and rotated by what they make of products."""
        words = np.eye(len(self.text_bias))
        text = Projection.linear(np.concatenate([self.states, words]), self.text_bias)
        image = Projection.linear(self.image_weight, self.image_bias)
        parts = text(self.features(sample.texts)), image(sample.pictures)
        if sample.pairs is None:
            return compact_heads(text, image, parts, dim)
        left, right = (text(self.features(texts)) for texts in sample.pairs)
        return compact_heads(text, image, parts, dim, (left, right))

    def recall(self, heads: Heads, sample: Sample) -> float:
        """`recall_of_pairs`, from texts to pictures, of heads that `project` gave."""
        queries = penalised_image_query(heads.texts(self.features(sample.texts)))
        return recall_of_pairs(queries, heads.pictures(sample.pictures), sample.groups)

    def scaled(self, sample: Sample) -> "HeadRun":
        """The same with vectors of length 1 on average, before they are normalised."""
        rows = mean_rows(self.words, sample.texts.tokens) + sample.texts.states @ self.states
        text = _mean_length(rows + self.text_bias)
        image = _mean_length(sample.pictures @ self.image_weight + self.image_bias)
        texts = self.words / text, self.states / text, self.text_bias / text
        return HeadRun(*texts, self.image_weight / image, self.image_bias / image)


def ensemble_runs(runs: Sequence[HeadRun], sample: Sample, dim: int) -> HeadRun:
    """Several runs concatenated, projected to the `dim` directions of largest cross-covariance.

    Inner products in the joint space are about the means of those in each run. Text pairs in the
    sample take part: by products alone, words of other shops would be lost first.
    """
    if len(runs) == 1:
        return runs[0]
    scaled = [run.scaled(sample) for run in runs]
    wide = HeadRun(*(np.concatenate(parts, axis=-1) for parts in zip(*scaled, strict=True)))
    kept = wide.project(sample, dim + 1).text.rotation  # (inner of all, dim)
    return HeadRun(*(part @ kept for part in wide))


def _mean_length(rows: Vectors) -> np.float32:
    return np.float32(np.linalg.norm(rows, axis=1).mean())
