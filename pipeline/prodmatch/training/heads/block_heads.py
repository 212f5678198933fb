"""Heads of two blocks: what was learnt from a shop's products, and what the encoders knew before.

The second block is the text encoder's own space, in which pictures are the vectors of their likely
classes. Which of the two a text trusts depends on how familiar it is.
"""

from dataclasses import replace

import numpy as np

from prodmatch.model.heads import Heads, Projection, compact_heads
from prodmatch.storage.vectors import Vectors, normalise
from prodmatch.training.heads.query_bank import add_query_bank, find_familiarity

OWN_SHARES = (0.05, 0.95)  # of the encoder's own block, in a familiar text and in a strange one
PICTURE_SHARE = 0.2  # of the same in a picture


def block_heads(
    learned: tuple[Projection, Projection],
    text: Vectors,
    image: Vectors,
    general: Vectors,
    *,
    width: int,
    dim: int,
) -> Heads:
    """Heads of a learned block and of the encoders' own, with a query bank.

    Args:
        learned: linear heads of texts and of pictures, over all of their features.
        text: `(n, text features)` of training products, which begin with the encoder's own vector.
        image: `(n, image features)` of the same, which end with the class vector.
        general: `(m, text features)` of class names and of texts of all kinds.
        width: of the encoder's own vector, and of a class vector.
        dim: of a part; two fifths are learned directions, and the first number is none.

    Figures of the shares, the centres and the dimensions: docs/experiments.md.
    """
    directions = (dim - 1) * 2 // 5
    fitted = compact_heads(*learned, (learned[0](text), learned[1](image)), 1 + directions)
    own = _own_heads(text, image, general, width, dim - 1 - directions)
    texts = Projection.stack([fitted.text, own.text], (1 - OWN_SHARES[0], OWN_SHARES[0]))
    pictures = Projection.stack([fitted.image, own.image], (1 - PICTURE_SHARE, PICTURE_SHARE))
    shares = np.array([1 - OWN_SHARES[1], OWN_SHARES[1]], np.float32)
    known = find_familiarity(texts, text, 1, shares)
    return add_query_bank(Heads(replace(texts, familiarity=(known,)), pictures), text, image)


def _own_heads(text: Vectors, image: Vectors, general: Vectors, width: int, dim: int) -> Heads:
    """Heads that leave the encoder's own vectors as they are, but for directions of least variance.

    The centre of texts is that of texts of all kinds: those of one shop would make others alike.
    """
    whole = Projection.linear(np.eye(width, dtype=np.float32))
    texts = Projection.join([(slice(0, width), whole)], [1.0], text.shape[1])
    start = image.shape[1] - width
    pictures = Projection.join([(slice(start, None), whole)], [1.0], image.shape[1])
    vectors = normalise(general[:, :width]).astype(np.float64)
    values, directions = np.linalg.eigh(np.cov(vectors.T))
    rotation = directions[:, np.argsort(-values)[:dim]].astype(np.float32)
    return Heads(
        replace(texts, centre=vectors.mean(axis=0).astype(np.float32), rotation=rotation),
        replace(pictures, centre=pictures(image).mean(axis=0), rotation=rotation),
    )
