"""Products that look wrong: a picture of something else, another category, a copy of another."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prodmatch.storage.vectors import Rows, Vectors

REFERENCES = 1_000  # texts, and pictures, that a product's own are compared with
WRONG_PICTURE = 0.3  # of the references that are nearer than the own one, on the mean of both sides
OTHER_CATEGORY = 0.8  # of the neighbours that have one category, another than the product
MANY_WRONG = 0.05  # of the pictures: on goods that the model knows 0.2 % at most are listed
MIN_NEIGHBOURS = 8
DUPLICATE = 0.985  # cosine from which on two products are nearly the same
BLOCK_ROWS = 4096
SEED = 0


@dataclass(frozen=True)
class Outlier:
    """A product that looks wrong, and why."""

    position: int
    score: float
    detail: str
    other: int | None = None  # the position of the product that it is compared with


def mismatch(text: Vectors, image: Vectors) -> npt.NDArray[np.float64]:
    """How strange a product's picture is to its text, and the other way round: `(n,)`, 0 to 1.

    The share of other products' texts that are nearer to its picture than its own, and of other
    pictures that are nearer to its text, on the mean. About 0 where they belong together, about .5
    for two that were drawn by chance; NaN where one is missing.

    Args:
        text: `(n, dim)` text parts of unit length, or zeros.
    """
    both = np.flatnonzero(text.any(axis=1) & image.any(axis=1))
    found = np.full(len(text), np.nan)
    if len(both) < 2:
        return found
    chosen = np.random.default_rng(SEED).permutation(both)[:REFERENCES]
    for start in range(0, len(both), BLOCK_ROWS):
        rows = both[start : start + BLOCK_ROWS]
        own = (text[rows] * image[rows]).sum(axis=1, keepdims=True)
        nearer_texts = (image[rows] @ text[chosen].T > own + 1e-6).mean(axis=1)
        nearer_pictures = (text[rows] @ image[chosen].T > own + 1e-6).mean(axis=1)
        found[rows] = (nearer_texts + nearer_pictures) / 2
    return found


def wrong_pictures(text: Vectors, image: Vectors) -> list[Outlier]:
    """Products whose picture is no nearer to their text than others' are, the strangest first."""
    found = mismatch(text, image)
    positions = np.flatnonzero(np.nan_to_num(found) >= WRONG_PICTURE)
    order = positions[np.argsort(-found[positions], kind="stable")]
    return [
        Outlier(position, float(found[position]), f"{found[position]:.0%} of others fit better")
        for position in order.tolist()
    ]


def doubt_wrong_pictures(wrong: int, text: Vectors, image: Vectors) -> list[str]:
    """A warning where so many pictures are listed as wrong that most of them may be right.

    Args:
        wrong: how many `wrong_pictures` found.
        text: `(n, dim)` text parts, zeros where there is none; `image` likewise.
    """
    compared = int((text.any(axis=1) & image.any(axis=1)).sum())
    if wrong <= MANY_WRONG * compared:
        return []
    return [
        f"wrong_picture: {wrong} of {compared} products are listed. Either the model hardly knows "
        "such goods, and most of these pictures are right, or the pictures are those of other "
        "products. Look at some; heads that `train(catalogue, out=DIR)` fits know more of them."
    ]


def wrong_categories(
    codes: Rows, names: tuple[str, ...], neighbours: Rows, cosines: Vectors
) -> list[Outlier]:
    """Products none of whose neighbours has their category, and nearly all have one other.

    Args:
        codes: `(n,)`, the number of each product's category, -1 where it has none.
        neighbours: `(n, k)`, positions of the nearest products.
        cosines: `(n, k)`, 0 where there is none.
    """
    known = (codes[neighbours] >= 0) & (cosines > 0)
    own = ((codes[neighbours] == codes[:, None]) & known).sum(axis=1)
    counts = known.sum(axis=1)
    found = []
    for position in np.flatnonzero((codes >= 0) & (own == 0) & (counts >= MIN_NEIGHBOURS)).tolist():
        near = codes[neighbours[position]][known[position]]
        values, times = np.unique(near, return_counts=True)
        best = int(times.argmax())
        share = times[best] / counts[position]
        if share >= OTHER_CATEGORY:
            detail = (
                f"{names[codes[position]]}; {times[best]} of {counts[position]} neighbours are "
            )
            closeness = float(share * cosines[position].mean())
            found.append(Outlier(position, closeness, detail + names[values[best]]))
    return sorted(found, key=lambda each: (-each.score, each.position))


def near_duplicates(neighbours: Rows, cosines: Vectors) -> list[Outlier]:
    """Pairs of products that are nearly the same, the nearest first; each pair once."""
    found = []
    for position, column in np.argwhere(cosines >= DUPLICATE).tolist():
        other = int(neighbours[position, column])
        mutual = position in neighbours[other][cosines[other] >= DUPLICATE]
        if position < other or not mutual:
            cosine = float(cosines[position, column])
            found.append(Outlier(position, cosine, f"cosine {cosine:.3f}", other))
    return sorted(found, key=lambda each: (-each.score, each.position))
