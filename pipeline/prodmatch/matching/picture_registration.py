"""Pictures of pairs: one moved and scaled until it fits the other, and what differs then.

A picture that is cropped, scaled and encoded anew fits the first one; another colour, pattern or
print does not, however near the two are by the model's vectors.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prodmatch.matching.listings.numbered_listings import Floats
from prodmatch.matching.pair_features import PictureDifferences, Values

SIDE = 32  # pixels of a small picture
BLOCK_PAIRS = 256
BRIGHTNESS = np.array([0.299, 0.587, 0.114], np.float32)
STAGES = ((6, 5), (1, 6))  # how often the pictures are blurred, and steps with these
LARGEST_STEP = 0.1  # of half a side
SCALES, SHIFTS = (0.75, 1.33), (-0.3, 0.3)
CONTENT = 12.0  # of 255, that a pixel of the product is from the background at least
LEAST_CONTENT = 60.0
DIFFERENCE_BLURS = 3  # edges never fit to the pixel: what is left of these has both signs
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class _Placement:
    """Where the one picture is in the other: `x -> scale * x + shift` from -1 to 1; `(n, 2)`."""

    scale: Floats
    shift: Floats


def compare_pictures(left: Pixels, right: Pixels) -> PictureDifferences:
    """What differs in pairs of small pictures `(n, SIDE, SIDE, 3)`, the same both ways."""
    blocks = [
        _compare(left[start : start + BLOCK_PAIRS], right[start : start + BLOCK_PAIRS])
        for start in range(0, len(left), BLOCK_PAIRS)
    ]
    found = np.concatenate([np.zeros((4, 0)), *blocks], axis=1)
    return PictureDifferences(*found)


def _compare(left: Pixels, right: Pixels) -> Values:
    """`(4, n)`, of the direction in which less differs."""
    one, other = left.astype(np.float32), right.astype(np.float32)
    ways = [_measure(one, other), _measure(other, one)]
    return np.where(ways[0][0] <= ways[1][0], *ways)


def _measure(fixed: Floats, moving: Floats) -> Values:
    """What differs once `moving` is laid over `fixed`: the fields of `PictureDifferences`."""
    placement = _register(fixed @ BRIGHTNESS, moving @ BRIGHTNESS)
    laid = np.stack([_lay(moving[..., c], placement)[0] for c in range(3)], axis=-1)
    inside = _lay(moving[..., 0], placement)[1].astype(np.float32)
    difference = (fixed - laid) * inside[..., None]
    blurred = _blur(difference, DIFFERENCE_BLURS)
    content = np.maximum(_content(fixed), _content(laid)) * inside
    total = np.maximum(content.sum((1, 2)), LEAST_CONTENT)
    product = (content > CONTENT).astype(np.float32)
    count = np.maximum(product.sum((1, 2)), 10.0)
    colour = np.abs((difference * product[..., None]).sum((1, 2)) / count[:, None]).max(1)
    apart = np.abs(blurred).mean(-1).sum((1, 2)) / total
    most = np.abs(blurred).mean(-1).max((1, 2))
    correlation = _correlate(fixed @ BRIGHTNESS, laid @ BRIGHTNESS, inside)
    return np.stack([apart, colour, correlation, most]).astype(np.float64)


def _register(fixed: Floats, moving: Floats) -> _Placement:
    """Where `fixed` is in `moving`, by the inverse compositional method of Lucas and Kanade."""
    count, side = fixed.shape[:2]
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    scale = np.ones((count, 2), np.float32)
    shift = np.zeros((count, 2), np.float32)
    for blurs, steps in STAGES:
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


def _lay(picture: Floats, placement: _Placement) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Pictures `(n, SIDE, SIDE)` scaled and moved, and which pixels are inside them."""
    side = picture.shape[1]
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    places = placement.scale[:, :, None] * axis + placement.shift[:, :, None]
    places = (places + 1) * (side - 1) / 2
    inside = (places >= 0) & (places <= side - 1)
    places = np.clip(places, 0, side - 1 - 1e-3)
    first = places.astype(np.int64)
    part = places - first
    columns, rows = first[:, 0, None, :], first[:, 1, :, None]
    right, down = part[:, 0, None, :], part[:, 1, :, None]
    upper, lower = (np.take_along_axis(picture, rows + step, 1) for step in (0, 1))
    mixed = upper * (1 - down) + lower * down
    before, after = (np.take_along_axis(mixed, columns + step, 2) for step in (0, 1))
    return before * (1 - right) + after * right, inside[:, 1, :, None] & inside[:, 0, None, :]


def _blur(picture: Floats, times: int) -> Floats:
    """Pictures `(n, rows, columns, ...)` with each pixel mixed with its neighbours."""
    for _ in range(times):
        for axis in (1, 2):
            moved = np.moveaxis(picture, axis, 1)
            padded = np.concatenate([moved[:, :1], moved, moved[:, -1:]], axis=1)
            moved = (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4
            picture = np.moveaxis(moved, 1, axis)
    return picture


def _content(picture: Floats) -> Floats:
    """How far each pixel is from the background, which is the median of the edge."""
    edges = [picture[:, 0], picture[:, -1], picture[:, :, 0], picture[:, :, -1]]
    background = np.median(np.concatenate(edges, axis=1), axis=1)
    return np.asarray(np.abs(picture - background[:, None, None]).mean(-1), np.float32)


def _correlate(one: Floats, other: Floats, inside: Floats) -> Floats:
    """The correlation of the brightness of pairs of pictures where both are."""
    count = np.maximum(inside.sum((1, 2), keepdims=True), 1.0)
    sides = []
    for each in (one, other):
        mean = (each * inside).sum((1, 2), keepdims=True) / count
        sides.append((each - mean) * inside)
    shared = (sides[0] * sides[1]).sum((1, 2))
    power = (sides[0] ** 2).sum((1, 2)) * (sides[1] ** 2).sum((1, 2))
    return np.asarray(shared / np.sqrt(np.maximum(power, 1.0)))
