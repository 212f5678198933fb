"""What happens to a text or a picture before its encoder; shared by embedding and queries.

Light on purpose: numpy and Pillow only, since a query must not import torch.
"""

import math
from dataclasses import dataclass, fields
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt
from PIL import Image

from prodmatch.errors import ModelError

Pixels = npt.NDArray[np.uint8]

MOST = 1 << 16  # pixels, tokens or words
LEAST_SCALE = 1.5  # of a JPEG that is decoded smaller, over what the encoder sees


@dataclass(frozen=True)
class TextSpec:
    """How texts are given to a BERT-family encoder and how its states become one vector.

    The prefixes are those of the model's card: e5 wants "passage: " and "query: ".
    """

    pooling: Literal["mean", "cls"] = "mean"  # the tanh pooler is a poor sentence vector
    max_tokens: int = 128
    passage_prefix: str = ""
    query_prefix: str = ""
    query_words: int | None = None  # of a query that are read, the first ones; all where None
    layers: tuple[int, ...] | None = None  # whose states are pooled, 0 the embeddings; None: last

    def query(self, text: str) -> str:
        """What the encoder reads of a query."""
        words = text.split()
        if self.query_words is not None and len(words) > self.query_words:
            text = " ".join(words[: self.query_words])
        return self.query_prefix + text

    def passage(self, text: str) -> str:
        """What the encoder reads of a product's text."""
        return self.passage_prefix + text


@dataclass(frozen=True)
class ImageSpec:
    """How a picture becomes the square that its encoder sees.

    `fit="crop"` scales the shorter side to `resize_pixels` and cuts the middle out, as the
    published ResNet weights expect. `fit="pad"` shows the whole picture on white: a product
    photograph has its product up to the edge.
    """

    architecture: str = "resnet18"
    fit: Literal["crop", "pad"] = "pad"
    resize_pixels: int = 96
    crop_pixels: int = 96
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


Spec = TypeVar("Spec", bound="TextSpec | ImageSpec")


def read_spec(kind: type[Spec], content: object, place: str) -> Spec:
    """The spec whose names and values JSON held.

    Raises:
        ModelError: names `place` and what is wrong with it.
    """
    known = {field.name for field in fields(kind)}
    if not isinstance(content, dict) or set(content) - known:
        found = sorted(set(content) - known) if isinstance(content, dict) else content
        raise ModelError(f"{place}: expected the fields {sorted(known)}; found also {found}.")
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
    }
    hints = get_type_hints(kind)
    for name, value in values.items():
        if not _fits(value, hints[name]) or (name == "std" and min(value) <= 0):
            raise ModelError(f"{place}: {name!r} cannot be {content[name]!r}.")
    return kind(**values)


def _fits(value: object, hint: object) -> bool:
    """Whether a value is of a field's type: one of a few, text, a size above 0, or several."""
    origin, kinds = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value in kinds
    if origin is UnionType:
        return any(_fits(value, kind) for kind in kinds)
    if origin is tuple and Ellipsis in kinds:  # of layers, which count from 0
        numbers = value if isinstance(value, tuple) else ()
        return bool(numbers) and all(type(each) is int and each >= 0 for each in numbers)
    if origin is tuple:
        return (
            isinstance(value, tuple)
            and len(value) == len(kinds)
            and all(type(each) in (int, float) and math.isfinite(each) for each in value)
        )
    if hint is int:
        return type(value) is int and 0 < value <= MOST
    return isinstance(value, hint) if isinstance(hint, type) else False


def preprocess_image(picture: Image.Image, spec: ImageSpec) -> Pixels:
    """The square of an RGB picture that the encoder sees: `(crop, crop, 3)`."""
    side, (width, height) = spec.crop_pixels, _resized(picture.size, spec)
    middle = resize_image(picture, spec, (min(width, side), min(height, side)))
    if middle.size == (side, side):
        return np.asarray(middle)
    square = Image.new("RGB", (side, side), "white")
    square.paste(middle, ((side - middle.width) // 2, (side - middle.height) // 2))
    return np.asarray(square)


def resize_image(
    picture: Image.Image, spec: ImageSpec, kept: tuple[int, int] | None = None
) -> Image.Image:
    """A picture in the size of which the encoder sees a square; one that has it stays as it is.

    Args:
        kept: width and height of the middle that is wanted alone: the rest is not resized, a third
            of the time for 224 of 256 pixels.
    """
    size = _resized(picture.size, spec)
    kept = kept or size
    if kept == picture.size == size:
        return picture
    left, right = _middle(picture.width, size[0], kept[0])
    top, bottom = _middle(picture.height, size[1], kept[1])
    how = Image.Resampling[spec.interpolation.upper()]
    return picture.resize(kept, how, box=(left, top, right, bottom))


def _middle(length: int, resized: int, kept: int) -> tuple[float, float]:
    """Where the middle `kept` of `resized` pixels begin and end in a picture of that length."""
    start = (resized - kept + 1) // 2
    return start * length / resized, min(length, (start + kept) * length / resized)


def least_size(size: tuple[int, int], spec: ImageSpec) -> tuple[int, int]:
    """The width and height in which a picture of a size is to be decoded at least.

    One and a half times what the encoder sees: features have a cosine of .998 to those of the
    whole picture then, and of .999 at twice (docs/experiments.md, "What runs encoders on a CPU").
    """
    width, height = _resized(size, spec)
    return round(LEAST_SCALE * width), round(LEAST_SCALE * height)


def _resized(size: tuple[int, int], spec: ImageSpec) -> tuple[int, int]:
    crop = spec.fit == "crop"
    scale = spec.resize_pixels / min(size) if crop else spec.crop_pixels / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
