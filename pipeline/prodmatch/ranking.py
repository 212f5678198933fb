"""One score out of three legs: words, text vectors, picture vectors."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prodmatch.models import Calibration

__all__ = ["LEGS", "Legs", "Ranked", "rank"]

LEGS = ("lexical", "text", "image")
Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Legs:
    """What each leg says of the candidates of one query; all arrays are `(candidates,)`."""

    lexical: Floats  # BM25, 0 where no word matches
    text: Floats  # cosine in [-1, 1] to the text half, 0 where there is none
    image: Floats  # cosine in [-1, 1] to the picture half, 0 where there is none
    has_text: Flags
    has_image: Flags
    has_words: bool  # whether the query has words at all


@dataclass(frozen=True)
class Ranked:
    """Candidates with their score and its exact split; all arrays are `(candidates,)`."""

    rows: npt.NDArray[np.int64]
    score: Floats  # in [0, 1]
    lexical: Floats
    text: Floats
    image: Floats
    probability: Floats


def rank(
    rows: npt.NDArray[np.int64],
    legs: Legs,
    weights: Mapping[str, float],
    calibration: Calibration,
) -> Ranked:
    """The convex combination of the legs, each scaled to 0..1 over the query's candidates.

    Where a product lacks its picture or its text, the weight of that half goes to the other
    half; the words' weight stays where it is, for no words are no evidence. Of four rules tried
    with half of the pictures, or half of the texts, removed, this one found most (nDCG@10 .847
    and .625, against .839 and .406 for spreading the weight over words too, .726 and .625 for
    letting it go).
    """
    scaled = np.stack(
        [
            legs.lexical / max(float(legs.lexical.max()), 1e-9),
            _scale(legs.text, legs.has_text),
            _scale(legs.image, legs.has_image),
        ]
    )  # (3, candidates)
    shares = _share_weights(legs, weights)
    parts = (shares * scaled).astype(np.float32)
    return Ranked(
        rows,
        parts.sum(axis=0),
        lexical=parts[0],
        text=parts[1],
        image=parts[2],
        probability=_probability(legs, weights, calibration),
    )


def _share_weights(legs: Legs, weights: Mapping[str, float]) -> Floats:
    """What each leg may bring to each candidate, `(3, candidates)`; at most 1 in all."""
    halves = np.stack([weights["text"] * legs.has_text, weights["image"] * legs.has_image])
    both = weights["text"] + weights["image"]
    halves = both * halves / np.maximum(halves.sum(axis=0), 1e-9)
    words = weights["lexical"] if legs.has_words else 0.0
    lexical = np.full((1, halves.shape[1]), words)
    return np.asarray(np.concatenate([lexical, halves]) / max(words + both, 1e-9), np.float32)


def _scale(cosines: Floats, present: Flags) -> Floats:
    """Cosines as 0..1 over the candidates that have this half; 0 for the others."""
    if not present.any():
        return np.zeros_like(cosines)
    low, high = cosines[present].min(), cosines[present].max()
    scaled = (cosines - low) / max(float(high - low), 1e-9)
    return np.where(present, scaled, 0.0).astype(np.float32)


def _probability(legs: Legs, weights: Mapping[str, float], calibration: Calibration) -> Floats:
    """sigmoid(scale * cosine + bias) of the weighted mean of the cosines a product has."""
    text, image = weights["text"] * legs.has_text, weights["image"] * legs.has_image
    total = np.maximum(text + image, 1e-9)
    cosine = (text * legs.text + image * legs.image) / total
    logits = calibration.scale * cosine + calibration.bias
    return np.asarray(1.0 / (1.0 + np.exp(-logits)), dtype=np.float32)
