"""How familiar a text is: how near it lies to the texts that a projection was fitted on.

What was learnt from a shop says much of that shop's goods and nothing of others, and a projection
of several blocks cannot be right with one set of shares (docs/experiments.md). So the shares of a
text follow from its nearest group of training texts.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prodmatch.storage.vectors import Vectors

SHARPNESS = 40.0  # of a cosine: familiar within a tenth, or not


@dataclass(frozen=True)
class Familiarity:
    """Centres of training texts in one block of a projection, and the shares of strange texts.

    It is about the first blocks of a projection, as many as it has shares.
    """

    codes: npt.NDArray[np.int8]  # (n, size of the block)
    scales: Vectors  # (n,), of the codes
    threshold: Vectors  # (1,): the cosine of a text that is as familiar as strange
    block: npt.NDArray[np.int64]  # (1,): which block it is
    shares: Vectors  # (blocks,): of a text that is like none of the centres

    def __call__(self, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """From 0, strange, to 1, of `(n, size)` unit rows of the block: `(n, 1)`."""
        centres = self.codes * self.scales.astype(np.float64)[:, None]
        nearest = (rows @ centres.T).max(axis=1, keepdims=True)
        return np.asarray(1.0 / (1.0 + np.exp(SHARPNESS * (self.threshold - nearest))))
