"""Arrays of vectors, in the layout `[text part ; image part]`, and of the numbers of rows."""

import numpy as np
import numpy.typing as npt

from prodmatch.errors import ProdmatchError

BLOCK_ROWS = 8192  # that are compared with centres at once
SHORTEST_PART = 0.25  # of a part that is there: it is 0.7 long, or 1 alone

Vectors = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]  # numbers of rows
Codes = npt.NDArray[np.int64]  # numbers of values, below 0 for none
Mask = npt.NDArray[np.bool_]


def normalise(vectors: npt.NDArray[np.floating]) -> Vectors:
    """The rows of `(n, dim)` scaled to unit length; rows of zeros stay zeros."""
    norms = np.linalg.norm(vectors.astype(np.float64), axis=-1, keepdims=True)  # (n, 1)
    return (vectors / np.where(norms > 0, norms, 1.0)).astype(np.float32)


def join_parts(text: Vectors, image: Vectors) -> Vectors:
    """Rows `[text ; image]` of shape `(n, 2 * dim)` and unit length.

    Args:
        text: `(n, dim)` rows of unit length, or zeros where a product has no text.
        image: `(n, dim)` rows of unit length, or zeros where a product has no picture.
    """
    return normalise(np.concatenate([text, image], axis=-1))


def split_parts(vectors: Vectors) -> tuple[Vectors, Vectors]:
    """The text parts and the image parts of `(n, 2 * dim)` rows, as views."""
    dim = vectors.shape[-1] // 2
    return vectors[..., :dim], vectors[..., dim:]


def apart_from(vector: Vectors, other: Vectors) -> Vectors:
    """The unit vector of what a vector `(dim,)` has that another, of length 1 or 0, has not."""
    return normalise(vector - (vector @ other) * other)


def blank_missing_parts(vectors: Vectors) -> Vectors:
    """Parts of `(n, 2 * dim)` that codes made nearly zeros as the zeros that they stand for."""
    parts = vectors.reshape(len(vectors), 2, -1)
    lengths = np.linalg.norm(parts, axis=-1, keepdims=True)  # (n, 2, 1)
    return np.where(lengths < SHORTEST_PART, np.float32(0), parts).reshape(vectors.shape)


def nearest_centres(
    rows: npt.NDArray[np.floating], centres: npt.NDArray[np.floating]
) -> npt.NDArray[np.int64]:
    """The centre `(n,)` that is nearest to each row `(n, dim)`, of centres `(k, dim)`."""
    lengths = (centres**2).sum(axis=1) / 2
    blocks = np.split(rows, range(BLOCK_ROWS, len(rows), BLOCK_ROWS))
    return np.concatenate([(block @ centres.T - lengths).argmax(axis=1) for block in blocks])


def check_unit(vectors: Vectors) -> None:
    """Raise unless every row of embeddings `(n, dim)` is finite and of unit length within 1e-3."""
    norms = np.linalg.norm(vectors, axis=-1)
    wrong = np.flatnonzero(~(np.abs(norms - 1.0) <= 1e-3))  # NaN compares false, so it is caught
    if wrong.size:
        row = int(wrong[0])
        raise ProdmatchError(
            f"embeddings: row {row} has length {norms[row]}, not 1; {wrong.size} rows are wrong. "
            "Rebuild them with `embed()`."
        )


def draw_rows(count: int, most: int) -> Rows:
    """`most` of `count` rows at random, the same at every call, in their order; all of fewer.

    Every n-th row would be of one kind in a catalogue whose variants follow each other.
    """
    if count <= most:
        return np.arange(count)
    rng = np.random.default_rng(0)
    return np.sort(rng.choice(count, most, replace=False, shuffle=False))


def draw_among(rows: Rows, most: int) -> Rows:
    """As `draw_rows`, of these rows `(n,)`."""
    return rows[draw_rows(len(rows), most)]


def rows_in_batch(rows: Rows, start: int, count: int) -> Rows:
    """Those of ascending rows that lie in a batch of so many from `start` on, by position in it."""
    first, last = np.searchsorted(rows, (start, start + count))
    return rows[first:last] - start
