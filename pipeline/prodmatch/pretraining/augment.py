"""Augmentation: other texts and pictures of the same product, drawn anew at every step."""

import re
from dataclasses import dataclass
from string import ascii_lowercase

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from prodmatch.pretraining.data import TrainingProduct
from prodmatch.training.held_out import draw_words

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
NAME = re.compile(r"{(\w+)}")  # of an attribute, in a template
SMALLEST_CROP = 0.4  # of a picture's area
LARGEST_ASPECT = 1.25  # of a crop, in units of the picture's own


@dataclass
class TextAugmentation:
    """Two texts of a product: a long one, as in a catalogue, and a short one, as in a query."""

    rng: np.random.Generator

    def long(self, product: TrainingProduct) -> str:
        """The title, sometimes with attributes or a description, sometimes a word short."""
        draw, title = self.rng.random(), product.title
        if draw < 0.25:
            values = [self._choose(value) for value in product.attributes.values()]
            return " ".join([title, *(value for value in values if self.rng.random() < 0.7)])
        if draw < 0.40 and product.description:
            return f"{title}. {product.description}"
        if draw < 0.55:
            kept = [word for word in title.split() if self.rng.random() > 0.2]
            return " ".join(kept or title.split())
        return title

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
        usable = [each for each in TEMPLATES if all(map(values.get, NAME.findall(each)))]
        return usable[self.rng.integers(len(usable))].format_map(values) if usable else ""

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


def augment_pictures(pixels: Tensor, side: int) -> Tensor:
    """Random crops of pictures, half of them mirrored, in another light, a quarter partly erased.

    The hue is never touched. Draws from torch's generator of the device.

    Args:
        pixels: `(n, height, width, 3)` in bytes.

    Returns:
        `(n, side, side, 3)` in 0..255.
    """
    count = len(pixels)
    images = pixels.permute(0, 3, 1, 2).float() / 255.0
    grid = functional.affine_grid(_crops(count, pixels.device), [count, 3, side, side], False)
    views = functional.grid_sample(images, grid, "bilinear", "border", align_corners=False)
    return _erase(_light(views)).permute(0, 2, 3, 1) * 255.0


def _crops(count: int, device: torch.device) -> Tensor:
    """`(n, 2, 3)`: the affine maps of random crops, mirrored or not."""
    across, down, area, shape, mirror = torch.rand(5, count, device=device)
    area, aspect = SMALLEST_CROP + (1 - SMALLEST_CROP) * area, LARGEST_ASPECT ** (2 * shape - 1)
    width = (area * aspect).sqrt().clamp(max=1.0)  # in units of the picture's width
    height = (area / aspect).sqrt().clamp(max=1.0)
    theta = torch.zeros(count, 2, 3, device=device)
    theta[:, 0, 0] = torch.where(mirror < 0.5, -width, width)
    theta[:, 1, 1] = height
    theta[:, 0, 2] = (2 * across - 1) * (1 - width)
    theta[:, 1, 2] = (2 * down - 1) * (1 - height)
    return theta


def _light(views: Tensor) -> Tensor:
    """Other brightness, contrast and saturation, each by a fifth at most."""
    shape = 3, len(views), 1, 1, 1
    brightness, contrast, saturation = 0.8 + 0.4 * torch.rand(shape, device=views.device)
    views = views * brightness
    mean = views.mean(dim=(1, 2, 3), keepdim=True)  # (n, 1, 1, 1)
    views = (views - mean) * contrast + mean
    grey = views.mean(dim=1, keepdim=True)  # (n, 1, side, side)
    changed: Tensor = (views - grey) * saturation + grey
    return changed.clamp_(0.0, 1.0)


def _erase(views: Tensor) -> Tensor:
    """A rectangle of some grey over a quarter of the pictures."""
    count, side, device = len(views), views.shape[-1], views.device
    sizes = torch.randint(side // 8, side // 3, (2, count, 1), device=device)
    starts = (torch.rand(2, count, 1, device=device) * (side - sizes)).long()
    places = torch.arange(side, device=device)
    down, across = (places >= starts) & (places < starts + sizes)  # (n, side) each
    chosen = torch.rand(count, 1, 1, device=device) < 0.25
    erased = down[:, :, None] & across[:, None, :] & chosen
    return torch.where(erased[:, None], torch.rand(count, 1, 1, 1, device=device), views)
