"""Small pictures of all products in a few large ones, and which of them show nothing or blur."""

import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image

from prodmatch.catalogue.pictures.images import PICTURE_SECONDS, UnusableImage, decode_image
from prodmatch.catalogue.reader import Catalogue
from prodmatch.engines.local import IsolatedPool

SIDE = 32  # pixels of a small picture
ACROSS = 32  # small pictures in a row of a large one, and as many rows
LOOKED_AT = 160  # pixels of the longer side, in which blur is measured
EMPTY_DEVIATION = 4.0  # of 255, of the brightness of a picture that shows something
BLURRED = 3.5  # deviations below the usual sharpness
QUALITIES = (60, 45, 30, 20, 10)
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class _Looked:
    """A picture made small, with its deviation of brightness and its sharpness."""

    pixels: bytes  # (SIDE, SIDE, 3)
    deviation: float
    sharpness: float


@dataclass(frozen=True)
class Pictures:
    """The pictures of a map."""

    # Large pictures as WebP, each of `ACROSS * ACROSS` small ones in the order of rows.
    sheets: list[bytes]
    there: npt.NDArray[np.bool_]  # `(n,)`, whether a product has a usable picture
    deviation: npt.NDArray[np.float64]  # `(n,)` of brightness, of 255; NaN where there is none
    sharpness: npt.NDArray[np.float64]  # `(n,)`, logarithms; NaN where there is none

    def empty(self) -> npt.NDArray[np.int64]:
        """Products whose picture is one colour all over, the emptiest first."""
        found = np.flatnonzero(self.deviation < EMPTY_DEVIATION)
        return found[np.argsort(self.deviation[found], kind="stable")]

    def blurred(self) -> npt.NDArray[np.int64]:
        """Products whose picture is far less sharp than the others, the least sharp first."""
        known = self.sharpness[~np.isnan(self.sharpness)]
        if not len(known):
            return np.zeros(0, np.int64)
        middle = float(np.median(known))
        deviation = max(1e-6, 1.4826 * float(np.median(np.abs(known - middle))))
        least = middle - BLURRED * deviation
        found = np.flatnonzero((self.sharpness < least) & (self.deviation >= EMPTY_DEVIATION))
        return found[np.argsort(self.sharpness[found], kind="stable")]


def collect_pictures(
    catalogue: Catalogue,
    position_of: Callable[[str], int | None],
    count: int,
    *,
    most_bytes: int,
    workers: int = 1,
) -> Pictures:
    """The first picture of each product of a map, small, in sheets of at most so many bytes.

    Args:
        position_of: the position of a product in the map; None if it is not on it.
        most_bytes: of all sheets together; the quality falls until they fit.
    """
    area = ACROSS * ACROSS
    pixels = np.full((math.ceil(count / area) * area, SIDE, SIDE, 3), 255, np.uint8)
    there = np.zeros(count, np.bool_)
    deviation, sharpness = np.full(count, np.nan), np.full(count, np.nan)
    with IsolatedPool(_look, workers, PICTURE_SECONDS) as pool:
        for positions, pictures in _read(catalogue, position_of):
            for position, found in zip(positions, pool.map(pictures), strict=True):
                if isinstance(found, _Looked) and not there[position]:
                    there[position] = True
                    pixels[position] = np.frombuffer(found.pixels, np.uint8).reshape(SIDE, SIDE, 3)
                    deviation[position], sharpness[position] = found.deviation, found.sharpness
    return Pictures(_fit_sheets(pixels, most_bytes), there, deviation, sharpness)


def _read(
    catalogue: Catalogue, position_of: Callable[[str], int | None]
) -> Iterator[tuple[list[int], list[bytes]]]:
    for batch in catalogue.batches():
        positions, pictures = [], []
        for product_id, data in zip(batch.product_ids, batch.images, strict=True):
            position = position_of(product_id)
            if position is not None and data is not None:
                positions.append(position)
                pictures.append(data)
        if positions:
            yield positions, pictures


def _look(data: bytes) -> _Looked | None:
    """A picture made small, by another process; None if it cannot be used."""
    try:
        picture = decode_image(data).convert("RGB")
    except UnusableImage:
        return None
    picture.thumbnail((LOOKED_AT, LOOKED_AT), Image.Resampling.BILINEAR)
    grey = np.asarray(picture.convert("L"), np.float32)
    bends = 0.0
    if min(grey.shape) > 2:
        inner = grey[1:-1, 1:-1]
        around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
        bends = float(np.var(4 * inner - around))
    contrast = float(grey.std())
    sharpness = math.log((bends + 1e-3) / (contrast**2 + 1.0))
    picture.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR)
    square = Image.new("RGB", (SIDE, SIDE), (255, 255, 255))
    square.paste(picture, ((SIDE - picture.width) // 2, (SIDE - picture.height) // 2))
    return _Looked(square.tobytes(), contrast, sharpness)


def _fit_sheets(pixels: Pixels, most_bytes: int) -> list[bytes]:
    """Sheets in the best quality that fits."""
    area = ACROSS * ACROSS
    sheets: list[bytes] = []
    for quality in QUALITIES:
        save = partial(_save_sheet, quality=quality)
        step = max(1, len(pixels) // area // 4) * area
        sample = [save(pixels[start : start + area]) for start in range(0, len(pixels), step)]
        if sum(map(len, sample)) * (len(pixels) / (len(sample) * area)) > 0.95 * most_bytes:
            continue
        sheets = [save(pixels[start : start + area]) for start in range(0, len(pixels), area)]
        if sum(map(len, sheets)) <= most_bytes:
            return sheets
    return []  # not even the worst fits: a map without pictures


def _save_sheet(pixels: Pixels, *, quality: int) -> bytes:
    side = ACROSS * SIDE
    rows = pixels.reshape(ACROSS, ACROSS, SIDE, SIDE, 3).transpose(0, 2, 1, 3, 4)
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rows).reshape(side, side, 3)).save(
        out, "WEBP", quality=quality, method=4
    )
    return out.getvalue()
