"""Hubness: a penalty for pictures that are among the nearest of far too many texts.

Some pictures of a shared space are near to every text (hubness; Radovanovic et al. 2010), the more
so in a large catalogue. A picture's similarity to a bank of texts is one number, and part of it is
subtracted from the scores of text queries (querybank normalisation; Bogolin et al. 2022). It is
the first number of the image part, so that a plain inner product subtracts it: an image part
begins with the penalty, a text part with 0, a text query's image part with `QUERY_WEIGHT`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prodmatch.storage.vectors import Vectors, normalise

SHARPNESS = 20.0  # of a cosine: a text that is .1 nearer than others counts as seven of them
PENALTY = 0.5  # share of the mean similarity that is subtracted: see docs/experiments.md
SCALE = 2.0  # of the first number: its standard deviation is about 0.1, as of the other 255
QUERY_WEIGHT = PENALTY / float(np.hypot(PENALTY, SCALE))
LARGEST_PENALTY = 0.6  # that the first number may be from 0
BLOCK = 1024


@dataclass(frozen=True)
class QueryBank:
    """Directions of training texts, and how many each represents; names are those in the file."""

    codes: npt.NDArray[np.int8]  # (n, dim)
    scales: Vectors  # (n,), of the codes
    logits: Vectors  # (n,): logarithms of the shares of texts, wide groups counting for more
    usual: Vectors  # (1,): mean similarity of pictures

    @property
    def texts(self) -> npt.NDArray[np.float64]:
        """The directions, `(n, dim)`."""
        return self.codes * self.scales.astype(np.float64)[:, None]

    def similarity(self, pictures: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Similarity of `(m, dim)` unit rows to the bank, `(m,)`: a soft maximum of cosines."""
        texts, similarity = self.texts.T, np.zeros(len(pictures))
        for start in range(0, len(pictures), BLOCK):
            block = slice(start, start + BLOCK)
            logits = SHARPNESS * (pictures[block].astype(np.float64) @ texts) + self.logits
            highest = logits.max(axis=1)
            summed = np.exp(logits - highest[:, None]).sum(axis=1)
            similarity[block] = (highest + np.log(summed)) / SHARPNESS
        return similarity

    def penalties(self, pictures: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """The first numbers `(m,)` of image parts: below 0 for a hub."""
        below_mean = self.usual.astype(np.float64) - self.similarity(pictures)
        return np.clip(SCALE * below_mean, -LARGEST_PENALTY, LARGEST_PENALTY)


def penalised_image_query(texts: Vectors) -> Vectors:
    """Image parts `(..., dim)` of text queries, penalised; unit rows, zeros stay zeros."""
    query = texts * np.float32(np.sqrt(1 - QUERY_WEIGHT**2))
    query[..., 0] = np.where(texts.any(axis=-1), np.float32(QUERY_WEIGHT), np.float32(0))
    return query


def plain_image_query(pictures: Vectors) -> Vectors:
    """Image parts `(..., dim)` of picture queries: no hubness penalty."""
    query = pictures.copy()
    query[..., 0] = 0.0
    return normalise(query)
