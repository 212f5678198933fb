"""Pictures of pairs: one moved and scaled until it fits the other, and what differs then.

A picture that is cropped, scaled and encoded anew fits the first one everywhere; another
photograph, colour, pattern or print does not, however near the two are by the model's vectors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from prodmatch.matching.listings.numbered_listings import Floats
from prodmatch.matching.pair_features import PictureDifferences, Values

SIDE, COARSE_SIDE = 64, 32  # pixels of a small picture; of one that is registered first
BLOCK_PAIRS = 128
BRIGHTNESS = np.array([0.299, 0.587, 0.114], np.float32)
COARSE_STAGES = ((6, 5), (1, 5))  # how often the pictures are blurred, and steps with these
STAGES = ((2, 3), (1, 2))
LARGEST_STEP = 0.1  # of half a side
SCALES, SHIFTS = (0.75, 1.33), (-0.3, 0.3)
FINE_BLURS, LOCAL_BLURS = 2, 8  # what is between the two is neither noise nor lighting
TILE = 16  # pixels
NOISE = 30.0  # of encoding, squared, in a pixel of 255
LEAST_TILE = 0.3  # of its pixels, that are in both pictures
EDGE = 2  # pixels at the end of a picture that are not compared


@dataclass(frozen=True)
class _Placement:
    """Where the one picture is in the other: `x -> scale * x + shift` from -1 to 1; `(n, 2)`."""

    scale: Floats
    shift: Floats


def compare_pictures(
    left: npt.NDArray[np.uint8], right: npt.NDArray[np.uint8]
) -> PictureDifferences:
    """What differs in pairs of small pictures `(n, SIDE, SIDE, 3)`, the same both ways."""
    blocks = [
        _compare(left[start : start + BLOCK_PAIRS], right[start : start + BLOCK_PAIRS])
        for start in range(0, len(left), BLOCK_PAIRS)
    ]
    found = np.concatenate([np.zeros((4, 0)), *blocks], axis=1)
    return PictureDifferences(*found)


def _compare(left: npt.NDArray[np.uint8], right: npt.NDArray[np.uint8]) -> Values:
    """`(4, n)`: the one that fits the other better in a coarse look is laid over it."""
    one, other = (np.moveaxis(each.astype(np.float32), 3, 1) for each in (left, right))
    one_small, other_small = (_halve(_brightness(each)) for each in (one, other))
    there = _register(one_small, other_small, COARSE_STAGES)
    back = _register(other_small, one_small, COARSE_STAGES)
    first = _error(one_small, other_small, there) <= _error(other_small, one_small, back)
    placement = _Placement(
        np.where(first[:, None], there.scale, back.scale),
        np.where(first[:, None], there.shift, back.shift),
    )
    swapped = ~first[:, None, None, None]
    return _measure(np.where(swapped, other, one), np.where(swapped, one, other), placement)


def _measure(fixed: Floats, moving: Floats, placement: _Placement) -> Values:
    """What differs once `moving` is laid over `fixed`: the fields of `PictureDifferences`."""
    bright = _brightness(fixed)
    placement = _register(bright, _brightness(moving), STAGES, placement)
    laid, inside = _lay(moving, placement)
    compared = _erode(inside).astype(np.float32)
    one, other = (_details(each) * compared for each in (bright, _brightness(laid)))
    apart, power = _tiles((one - other) ** 2), _tiles(one**2) + _tiles(other**2)
    pixels = _tiles(compared)
    power += NOISE * pixels + 1
    shares = np.where(pixels > LEAST_TILE * TILE**2, apart / power, 0)
    difference = _blur((fixed - laid) * inside[:, None], LOCAL_BLURS)
    colour = np.abs(difference - difference.mean(1, keepdims=True)).mean(1) * compared
    most = np.abs(difference).mean(1).max((1, 2))
    total = apart.sum(1) / power.sum(1)
    return np.stack([total, shares.max(1), colour.max((1, 2)), most]).astype(np.float64)


def _register(
    fixed: Floats,
    moving: Floats,
    stages: Sequence[tuple[int, int]],
    start: _Placement | None = None,
) -> _Placement:
    """Where `fixed` is in `moving`, by the inverse compositional method of Lucas and Kanade."""
    count, side = fixed.shape[:2]
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    at_rest = _Placement(np.ones((count, 2), np.float32), np.zeros((count, 2), np.float32))
    scale, shift = (start or at_rest).scale, (start or at_rest).shift
    for blurs, steps in stages:
        one, other = _blur(fixed, blurs), _blur(moving, blurs)
        down, across = np.gradient(one, 2 / (side - 1), axis=(1, 2))
        slopes = [across * axis, down * axis[:, None], across, down]
        jacobian = np.stack(slopes, axis=1).reshape(count, 4, -1)
        normal = jacobian @ jacobian.transpose(0, 2, 1)
        damping = 0.0025 * np.trace(normal, axis1=1, axis2=2) + 100.0
        normal += damping[:, None, None] * np.eye(4, dtype=np.float32)
        solver = np.linalg.solve(normal, jacobian)
        for _ in range(steps):
            laid, inside = _lay(other, _Placement(scale, shift))
            error = ((laid - one) * inside).reshape(count, -1, 1)
            step = np.clip((solver @ error)[..., 0], -LARGEST_STEP, LARGEST_STEP)
            scale = np.clip(scale / (1 + step[:, :2]), *SCALES)
            shift = np.clip(shift - scale * step[:, 2:], *SHIFTS)
    return _Placement(scale, shift)


def _error(fixed: Floats, moving: Floats, placement: _Placement) -> Floats:
    """The mean squared difference `(n,)` of what is in both."""
    laid, inside = _lay(moving, placement)
    difference = _blur((fixed - laid) * inside, FINE_BLURS)
    return np.asarray((difference**2).sum((1, 2)) / np.maximum(inside.sum((1, 2)), 1))


def _lay(picture: Floats, placement: _Placement) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Pictures `(n, ..., side, side)` scaled and moved, and which pixels `(n, side, side)` are in.

    Both axes are resampled one after the other: products of a picture and two thin matrices.
    """
    side = picture.shape[-1]
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    coordinates = placement.scale[:, :, None] * axis + placement.shift[:, :, None]
    coordinates = (coordinates + 1) * ((side - 1) / 2)
    inside = (coordinates >= -1e-3) & (coordinates <= side - 1 + 1e-3)
    coordinates = np.clip(coordinates, 0, side - 1)[..., None]
    parts = np.maximum(1 - np.abs(coordinates - np.arange(side, dtype=np.float32)), 0)
    columns, rows = parts[:, 0].swapaxes(1, 2), parts[:, 1]
    if picture.ndim == 4:
        columns, rows = columns[:, None], rows[:, None]
    return rows @ picture @ columns, inside[:, 1, :, None] & inside[:, 0, None, :]


def _blur(picture: Floats, times: int) -> Floats:
    """Pictures `(..., side, side)` with each pixel mixed with its neighbours."""
    mixing = _mixing(picture.shape[-1], times)
    return np.asarray(mixing @ picture @ mixing.T)


@cache
def _mixing(side: int, times: int) -> Floats:
    """What mixes the values `(side,)` of a line with their neighbours, so many times."""
    once = np.zeros((side, side))
    own = np.arange(side)
    for step, weight in ((-1, 0.25), (0, 0.5), (1, 0.25)):
        np.add.at(once, (own, np.clip(own + step, 0, side - 1)), weight)
    return np.linalg.matrix_power(once, times).astype(np.float32)


def _details(picture: Floats) -> Floats:
    """What is neither noise nor lighting: edges, patterns, prints."""
    return _blur(picture, FINE_BLURS) - _blur(picture, LOCAL_BLURS)


def _brightness(picture: Floats) -> Floats:
    """`(n, 3, side, side)` to `(n, side, side)`."""
    return np.asarray(np.einsum("ncij,c->nij", picture, BRIGHTNESS))


def _halve(picture: Floats) -> Floats:
    """Pictures `(n, SIDE, SIDE)` of half the side."""
    parts = picture.reshape(-1, COARSE_SIDE, 2, COARSE_SIDE, 2)
    return np.asarray(parts.mean((2, 4)))


def _tiles(values: Floats) -> Floats:
    """The sums `(n, tiles)` of squares of pixels."""
    count = SIDE // TILE
    return np.asarray(
        values.reshape(-1, count, TILE, count, TILE).sum((2, 4)).reshape(-1, count**2)
    )


def _erode(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Pixels that are not near the end of either picture."""
    side = inside.shape[-1]
    padded = np.pad(inside, ((0, 0), (EDGE, EDGE), (EDGE, EDGE)))
    for row in (0, 2 * EDGE):
        for column in (0, 2 * EDGE):
            inside = inside & padded[:, row : row + side, column : column + side]
    return inside
