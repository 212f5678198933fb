"""Augmentation: other texts and pictures of the same product, drawn anew at every step."""

from dataclasses import dataclass
from string import ascii_lowercase

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional

from prodmatch.training.pairs import TrainingProduct, draw_words

TEMPLATES = (
    "{colour} {type}",
    "{colour} {type}",
    "{colour} {type} for {gender}",
    "{colour} {type} for {gender}",
    "{gender} {colour} {type}",
    "{type} {colour}",
    "{type} in {colour}",
    "{pattern} {type}",
    "{colour} {pattern} {type}",
    "{type} for {gender}",
    "{brand} {type}",
    "{type}",
)


@dataclass
class TextAugmentation:
    """Two texts of a product: a long one, as in a catalogue, and a short one, as in a query."""

    rng: np.random.Generator

    def long(self, product: TrainingProduct) -> str:
        """The title, sometimes with attributes or a description, sometimes a word short."""
        draw = self.rng.random()
        text = product.title
        if draw < 0.25:
            values = [self._choose(value) for value in product.attributes.values()]
            kept = [value for value in values if self.rng.random() < 0.7]
            text = " ".join([text, *kept])
        elif draw < 0.40 and product.description:
            text = f"{text}. {product.description}"
        elif draw < 0.55:
            words = text.split()
            kept = [word for word in words if self.rng.random() > 0.2]
            text = " ".join(kept or words)
        return text

    def short(self, product: TrainingProduct) -> str:
        """A template over attributes where there are any, or a few words, now and then mistyped."""
        draw = self.rng.random()
        if draw < 0.15:
            text = product.title
        elif draw < 0.60 and (filled := self._fill_template(product)):
            text = filled
        else:
            text = draw_words(product.title, self.rng, ordered=0.5)
        return self._mistype(text) if self.rng.random() < 0.08 else text

    def _fill_template(self, product: TrainingProduct) -> str:
        values = {name: self._choose(value) for name, value in product.attributes.items()}
        usable = [
            template
            for template in TEMPLATES
            if all(f"{{{name}}}" not in template or values.get(name) for name in ATTRIBUTES)
        ]
        if not usable:
            return ""
        return usable[self.rng.integers(len(usable))].format_map(values)

    def _choose(self, value: str) -> str:
        alternatives = value.split("|")
        return alternatives[self.rng.integers(len(alternatives))]

    def _mistype(self, text: str) -> str:
        if len(text) < 4:
            return text
        place = int(self.rng.integers(len(text) - 1))
        letter = ascii_lowercase[self.rng.integers(26)]
        before, at, after = text[:place], text[place], text[place + 1 :]
        kinds = (before + after, before + letter + after, before + at + letter + after)
        swapped = before + after[0] + at + after[1:]
        return (*kinds, swapped)[self.rng.integers(4)]


SMALLEST_SHARE = 0.85  # of a picture's width and height that a larger view shows
ATTRIBUTES = ("colour", "type", "gender", "pattern", "brand")


def mirror_and_crop(
    pictures: npt.NDArray[np.uint8], side: int, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Other views of pictures, `(n, side, side, 3)`: half of them mirrored, all a little larger."""
    views = []
    for picture in pictures:
        image = Image.fromarray(picture)
        share = rng.uniform(SMALLEST_SHARE, 1.0)
        width, height = image.width * share, image.height * share
        left, top = rng.uniform(0, image.width - width), rng.uniform(0, image.height - height)
        box = left, top, left + width, top + height
        view = image.resize((side, side), Image.Resampling.BICUBIC, box)
        mirrored = rng.random() < 0.5
        views.append(np.asarray(ImageOps.mirror(view) if mirrored else view))
    return np.stack(views)


@dataclass
class ImageAugmentation:
    """Random crops, flips and light changes of a batch of pictures; the hue is never touched."""

    rng: np.random.Generator
    side: int
    smallest_crop: float = 0.4

    def draw(self, pictures: npt.NDArray[np.uint8]) -> Tensor:
        """Views of `(n, height, width, 3)` pictures as `(n, 3, side, side)` in 0..1."""
        count = len(pictures)
        batch = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255.0
        grid = functional.affine_grid(self._crops(count), [count, 3, self.side, self.side], False)
        views = functional.grid_sample(batch, grid, "bilinear", "border", align_corners=False)
        return self._erase(self._light(views))

    def _crops(self, count: int) -> Tensor:
        area = self.rng.uniform(self.smallest_crop, 1.0, count)
        aspect = np.exp(self.rng.uniform(np.log(0.8), np.log(1.25), count))
        width = np.minimum(np.sqrt(area * aspect), 1.0)  # in units of the picture's width
        height = np.minimum(np.sqrt(area / aspect), 1.0)
        flips = np.where(self.rng.random(count) < 0.5, -1.0, 1.0)
        theta = np.zeros((count, 2, 3), dtype=np.float32)
        theta[:, 0, 0] = width * flips
        theta[:, 1, 1] = height
        theta[:, 0, 2] = self.rng.uniform(-1, 1, count) * (1 - width)
        theta[:, 1, 2] = self.rng.uniform(-1, 1, count) * (1 - height)
        return torch.from_numpy(theta)

    def _light(self, views: Tensor) -> Tensor:
        factors = self.rng.uniform(0.8, 1.2, (3, len(views), 1, 1, 1)).astype(np.float32)
        brightness, contrast, saturation = torch.from_numpy(factors)
        views = views * brightness
        mean = views.mean(dim=(1, 2, 3), keepdim=True)  # (n, 1, 1, 1)
        views = (views - mean) * contrast + mean
        grey = views.mean(dim=1, keepdim=True)  # (n, 1, side, side)
        views = (views - grey) * saturation + grey
        return views.clamp_(0.0, 1.0)

    def _erase(self, views: Tensor) -> Tensor:
        for row in np.flatnonzero(self.rng.random(len(views)) < 0.25):
            height, width = self.rng.integers(self.side // 8, self.side // 3, 2)
            top = self.rng.integers(self.side - height)
            left = self.rng.integers(self.side - width)
            views[row, :, top : top + height, left : left + width] = float(self.rng.random())
        return views
