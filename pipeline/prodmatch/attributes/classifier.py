"""A softmax classifier over products' vectors and words, and what it says of rows it never saw."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from prodmatch.attributes.words import Numbers
from prodmatch.storage.vectors import Codes, Vectors, normalise, split_parts

FOLDS = 5
EPOCHS = 5
STEPS = 300  # at least, whatever the rows
BATCH_ROWS = 512
LEARNING_RATE = 0.05
DECAY = 0.3  # of the weights, over the rows
BLOCK_ROWS = 4096


@dataclass(frozen=True)
class Inputs:
    """What is known of some products."""

    vectors: Vectors  # `(n, dim)`, the text part and the image part, each of unit length or zeros
    words: Numbers  # `(n, most)`, numbers of words, filled up with `word_count`
    word_count: int  # words in the vocabulary

    @property
    def width(self) -> int:
        """Numbers in a row of `block`."""
        return int(self.vectors.shape[1]) + self.word_count

    def __len__(self) -> int:
        return len(self.vectors)

    def block(self, rows: Codes) -> Vectors:
        """Rows as a classifier takes them, `(n, width)`: the words of a text are of unit length."""
        numbers = self.words[rows]
        counts = (numbers < self.word_count).sum(axis=1)
        found = np.zeros((len(rows), self.width + 1), np.float32)  # the last is of the padding
        dim = self.vectors.shape[1]
        found[:, :dim] = self.vectors[rows]
        scale = 1 / np.sqrt(np.maximum(counts, 1), dtype=np.float32)
        found[np.arange(len(rows))[:, None], dim + numbers] = scale[:, None]
        return found[:, :-1]

    def blocks(self) -> Iterator[tuple[slice, Vectors]]:
        """All rows, some thousands at a time."""
        for start in range(0, len(self), BLOCK_ROWS):
            end = min(start + BLOCK_ROWS, len(self))
            yield slice(start, end), self.block(np.arange(start, end))


def unit_parts(vectors: Vectors, *, with_text: bool = True) -> Vectors:
    """Rows `[text ; image]` with both parts of unit length; without the text if not wanted."""
    text, image = (normalise(part) for part in split_parts(vectors))
    return np.concatenate([text, image], axis=1) if with_text else image


@dataclass(frozen=True)
class Classifier:
    """Weights `(width, values)` and `(values,)`."""

    weights: Vectors
    bias: Vectors

    def log_probabilities(self, block: Vectors) -> Vectors:
        """Of each value for each row of a block, `(n, values)`."""
        return _log_softmax(block @ self.weights + self.bias)


@dataclass(frozen=True)
class CrossFitted:
    """Classifiers that were each fitted without one part of the rows."""

    classifiers: tuple[Classifier, ...]  # one a part
    own: Vectors  # `(n, values)`, log probabilities of each row by the classifier that never saw it

    def predict(self, block: Vectors) -> Vectors:
        """Log probabilities `(n, values)` of rows that no classifier was fitted with."""
        each = [classifier.log_probabilities(block) for classifier in self.classifiers]
        return _log_softmax(np.mean(each, axis=0, dtype=np.float32))

    def word_weights(self, dim: int) -> Vectors:
        """What a word says for each value, `(words, values)`, the mean over all values taken off.

        Args:
            dim: numbers of a row before the words.
        """
        weights = np.mean([each.weights[dim:] for each in self.classifiers], axis=0)
        return np.asarray(weights - weights.mean(axis=1, keepdims=True), np.float32)


def cross_fit(inputs: Inputs, codes: Codes, value_count: int) -> CrossFitted:
    """Classifiers fitted on all rows but a fifth each; every value is spread over the fifths.

    Args:
        codes: the number of each one's value, -1 where it is none of those: such a row is
            predicted, and no classifier learns from it.
    """
    order = np.random.default_rng(0).permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    folds = np.zeros(len(codes), np.int64)
    folds[order] = np.arange(len(codes)) % FOLDS
    own = np.zeros((len(codes), value_count), np.float32)
    classifiers = []
    for fold in range(FOLDS):
        rows = np.flatnonzero((folds != fold) & (codes >= 0))
        classifiers.append(fit(inputs, rows, codes, value_count, seed=fold))
        left_out = np.flatnonzero(folds == fold)
        for start in range(0, len(left_out), BLOCK_ROWS):
            block = left_out[start : start + BLOCK_ROWS]
            own[block] = classifiers[-1].log_probabilities(inputs.block(block))
    return CrossFitted(tuple(classifiers), own)


def fit(inputs: Inputs, rows: Codes, codes: Codes, value_count: int, *, seed: int) -> Classifier:
    """Multinomial logistic regression by Adam, with a learning rate that falls to nothing."""
    rng = np.random.default_rng(seed)
    counts = np.bincount(codes[rows], minlength=value_count)
    weights = np.zeros((inputs.width, value_count), np.float32)
    bias = np.log((counts + 0.5) / (len(rows) + 0.5 * value_count)).astype(np.float32)
    mean, square = np.zeros_like(weights), np.zeros_like(weights)
    steps = max(STEPS, EPOCHS * len(rows) // BATCH_ROWS)
    order = np.zeros(0, np.int64)
    for step in range(steps):
        if len(order) < min(BATCH_ROWS, len(rows)):
            order = np.concatenate([order, rng.permutation(rows)])
        batch, order = order[:BATCH_ROWS], order[BATCH_ROWS:]
        block = inputs.block(batch)
        error = np.exp(_log_softmax(block @ weights + bias))  # (batch, values)
        error[np.arange(len(batch)), codes[batch]] -= 1
        error /= np.float32(len(batch))
        gradient = block.T @ error + np.float32(DECAY / len(rows)) * weights
        mean += np.float32(0.1) * (gradient - mean)
        square += np.float32(0.01) * (gradient**2 - square)
        rate = LEARNING_RATE * (1 - step / steps)
        corrected = np.sqrt(square / np.float32(1 - 0.99 ** (step + 1))) + np.float32(1e-8)
        weights -= np.float32(rate / (1 - 0.9 ** (step + 1))) * mean / corrected
        bias -= np.float32(rate) * error.sum(axis=0)
    return Classifier(weights, bias)


def _log_softmax(logits: Vectors) -> Vectors:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), np.float32)
