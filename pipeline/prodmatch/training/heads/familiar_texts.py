"""The groups of training texts that tell how familiar a text is."""

import numpy as np

from prodmatch.model.familiarity import Familiarity
from prodmatch.model.heads import Projection
from prodmatch.storage.vectors import Vectors, normalise
from prodmatch.training.heads.query_bank import code_rows, group_rows

CENTRES = 256  # of groups of training texts
LEAST_FAMILIAR = 0.05  # share of the training texts that lie beyond the threshold


def find_familiarity(texts: Projection, text: Vectors, block: int, shares: Vectors) -> Familiarity:
    """How familiar a text is, from the training texts.

    Args:
        texts: the projection that the texts are told apart in.
        text: `(n, text features)` of training products.
        block: the block of it in which they are.
        shares: `(blocks,)` of a text that is like none of these.
    """
    rows = texts.block(text, block).astype(np.float32)
    centres, _ = group_rows(rows, min(CENTRES, max(1, len(rows) // 20)))
    centres = normalise(centres)
    codes, scales = code_rows(centres)
    nearest = (rows @ (codes * scales[:, None]).T).max(axis=1)
    threshold = np.quantile(nearest, [LEAST_FAMILIAR]).astype(np.float32)
    return Familiarity(codes, scales.astype(np.float32), threshold, np.array([block]), shares)
