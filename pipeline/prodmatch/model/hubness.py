"""Hubs: pictures that are near to every text, whatever is asked, and what is taken off for it.

In a shared space some pictures are among the nearest of far too many texts (hubness; Radovanovic
et al. 2010), the more in a large catalogue. How near a picture is to texts in general, a bank of
them that a model keeps, is told by one number, and taken off where a text asks for pictures
(querybank normalisation; Bogolin et al. 2022). It is the first number of a picture's half, so a
plain inner product does it: a picture's half begins with how much less near than usual it is, a
text's with 0, and that of a text that asks for pictures with `SAY`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prodmatch.storage.vectors import Vectors, normalise

__all__ = [
    "FURTHEST",
    "SAY",
    "SHARPNESS",
    "SPREAD",
    "QueryBank",
    "penalised_image_query",
    "plain_image_query",
]

# On `val`, where nothing, half and three quarters of it is taken off: title to picture R@10 .688,
# .711, .717. RR of attributes of products whose titles hide colours, by text and picture, over a
# bank of 6,000 titles: .756, .769, .762. What is usual is often what "red shirt" asks for.
SHARPNESS = 20.0  # of a cosine: a text that is .1 nearer than others counts as seven of them
TAKEN_OFF = 0.5  # of what is usual
SPREAD = 2.0  # of the first number: about 0.1 is usual then, as for the other 255
SAY = TAKEN_OFF / float(np.hypot(TAKEN_OFF, SPREAD))  # beside the others shortened by it
FURTHEST = 0.6  # that the first number may be from 0
BLOCK = 1024


@dataclass(frozen=True)
class QueryBank:
    """Directions of texts, and how many each stands for; what a model keeps of its texts."""

    codes: npt.NDArray[np.int8]  # (n, dim)
    scales: Vectors  # (n,), of the codes
    logits: Vectors  # (n,): logarithms of the shares of texts, wide groups counting for more
    usual: Vectors  # (1,): nearness of a usual picture

    @property
    def texts(self) -> npt.NDArray[np.float64]:
        """The directions, `(n, dim)`."""
        return self.codes * self.scales.astype(np.float64)[:, None]

    def nearness(self, pictures: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """How near `(m, dim)` unit rows are to the texts, `(m,)`: a soft maximum of cosines."""
        texts, found = self.texts.T, np.zeros(len(pictures))
        for start in range(0, len(pictures), BLOCK):
            block = slice(start, start + BLOCK)
            logits = SHARPNESS * (pictures[block].astype(np.float64) @ texts) + self.logits
            highest = logits.max(axis=1)
            summed = np.exp(logits - highest[:, None]).sum(axis=1)
            found[block] = (highest + np.log(summed)) / SHARPNESS
        return found

    def unusual(self, pictures: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """The first numbers `(m,)` of pictures' parts: below 0 for a hub."""
        further = self.usual.astype(np.float64) - self.nearness(pictures)
        return np.clip(SPREAD * further, -FURTHEST, FURTHEST)


def penalised_image_query(texts: Vectors) -> Vectors:
    """Texts' parts `(..., dim)` as they ask for pictures: unit rows; rows of zeros stay so."""
    asked = texts * np.float32(np.sqrt(1 - SAY**2))
    asked[..., 0] = np.where(texts.any(axis=-1), np.float32(SAY), np.float32(0))
    return asked


def plain_image_query(pictures: Vectors) -> Vectors:
    """Pictures' parts `(..., dim)` as they ask for what is like them, hub or not."""
    asked = pictures.copy()
    asked[..., 0] = 0.0
    return normalise(asked)
