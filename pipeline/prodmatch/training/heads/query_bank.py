"""Groups of training texts: the query bank against hubness, and how familiar a text is."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from prodmatch.model.familiarity import Familiarity
from prodmatch.model.heads import Heads, Projection
from prodmatch.model.hubness import SHARPNESS, QueryBank
from prodmatch.storage.vectors import Vectors, normalise

MOST_TEXTS = 1024
TEXTS_PER_CENTRE = 20  # that a centre represents, at least
MOST_GROUPED = 100 * MOST_TEXTS
ROUNDS = 12
BLOCK = 8192
STEPS = 127  # of a code, on either side of 0
CENTRES = 256  # of groups that texts are familiar by
LEAST_FAMILIAR = 0.05  # share of the training texts that lie beyond the threshold


def add_query_bank(heads: Heads, text: Vectors, image: Vectors) -> Heads:
    """The heads with a query bank and the mean similarity of pictures to it.

    The bank is of centres of groups of texts, by k-means; a group counts as if its texts lay
    about its centre as in a normal distribution.

    Args:
        text: `(n, text features)` of products that were trained on.
        image: `(m, image features)` of these or others.
    """
    rows = heads.text(text[:: -(-len(text) // MOST_GROUPED)])
    centres, nearest = group_rows(rows, min(MOST_TEXTS, max(1, len(rows) // TEXTS_PER_CENTRE)))
    sizes = np.bincount(nearest, minlength=len(centres))
    squares = np.bincount(nearest, ((rows - centres[nearest]) ** 2).sum(axis=1), len(centres))
    variances = squares / np.maximum(sizes, 1) / rows.shape[1]
    logits = np.log(np.maximum(sizes, 1) / len(rows)) + SHARPNESS**2 * variances / 2
    codes, scales = code_rows(centres)
    used = sizes > 0
    parts = codes[used], scales[used].astype(np.float32), logits[used].astype(np.float32)
    bank = QueryBank(*parts, np.zeros(1, np.float32))
    mean = bank.similarity(heads.image(image)).mean(keepdims=True)
    return replace(heads, bank=replace(bank, usual=mean.astype(np.float32)))


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


def code_rows(rows: Vectors) -> tuple[npt.NDArray[np.int8], Vectors]:
    """Rows `(n, dim)` in bytes, each by a scale `(n,)` of its own: their product is nearly they."""
    scales = np.maximum(np.abs(rows).max(axis=1), 1e-12) / STEPS
    return np.rint(rows / scales[:, None]).astype(np.int8), scales


def group_rows(rows: Vectors, count: int) -> tuple[Vectors, npt.NDArray[np.int64]]:
    """Centres `(count, dim)` of groups by k-means, and the group of each row `(n,)`.

    FAISS could do it, but its threads must not be loaded together with torch's.
    """
    chosen = np.random.default_rng(0).choice(len(rows), count, replace=False)
    centres = rows[chosen]
    for _ in range(ROUNDS):
        nearest = _nearest(rows, centres)
        order = np.argsort(nearest, kind="stable")
        groups, starts = np.unique(nearest[order], return_index=True)
        summed = np.add.reduceat(rows[order], starts)
        centres[groups] = summed / np.diff([*starts, len(rows)])[:, None]
    return centres, _nearest(rows, centres)


def _nearest(rows: Vectors, centres: Vectors) -> npt.NDArray[np.int64]:
    lengths = (centres**2).sum(axis=1) / 2
    blocks = np.split(rows, range(BLOCK, len(rows), BLOCK))
    return np.concatenate([(block @ centres.T - lengths).argmax(axis=1) for block in blocks])
