"""Trained encoders to the parts of a model: files in half precision, and heads over them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from prodmatch.encoders.device import Compute, torch_precision
from prodmatch.encoders.networks.efficientnet import (
    CLASS_NAMES,
    LITE0,
    read_class_names,
    save_lite0,
)
from prodmatch.encoders.networks.image import ImageEncoder
from prodmatch.encoders.networks.model_writer import copy_files
from prodmatch.encoders.networks.text import TextEncoder
from prodmatch.model.description import EncoderPair
from prodmatch.model.heads import Heads, Projection, compact_heads
from prodmatch.pretraining.data import TrainingSet
from prodmatch.pretraining.dual_encoder import DualEncoder
from prodmatch.storage.atomic import new_file
from prodmatch.storage.vectors import Vectors, normalise
from prodmatch.training.heads.block_heads import block_heads
from prodmatch.training.heads.query_bank import add_query_bank

WEIGHTS = "model.safetensors"
MOST_PRODUCTS = 20_000  # that heads are finished on
MOST_TEXTS = 20_000
PICTURE_ROWS = 1000


def finish_heads(
    learned: tuple[Projection, Projection],
    text: Vectors,
    image: Vectors,
    general: Vectors,
    *,
    width: int,
    dim: int,
) -> Heads:
    """Heads of what was learnt and of what the encoders knew before, where pictures have classes.

    Else the learnt heads alone, centred and rotated. Both have a query bank.

    Args:
        learned: linear heads of texts and of pictures, over all of their features.
        text: `(n, text features)` of products that were trained on.
        image: `(n, image features)` of the same.
        general: `(m, text features)` of class names and of texts of all kinds.
        width: of a class vector, 0 where there is none.
        dim: of a part.
    """
    if width:
        return block_heads(learned, text, image, general, width=width, dim=dim)
    parts = learned[0](text), learned[1](image)
    return add_query_bank(compact_heads(*learned, parts, dim), text, image)


def write_encoders(model: DualEncoder, start: EncoderPair, folder: Path) -> EncoderPair:
    """Writes `text/` and `image/` into a folder, in half precision.

    Where pictures have classes, the vectors of these are made anew by the trained text encoder.

    Args:
        model: the trained encoders.
        start: how inputs are read, the text encoder's other files, and the class names.
        folder: is made.
    """
    written = EncoderPair(folder / "text", folder / "image", start.text, start.image)
    for path in (folder, written.text_folder, written.image_folder):
        path.mkdir()
    copy_files(start.text_folder, written.text_folder, leave_out=WEIGHTS)
    _save_halved(model.text.encoder.state_dict(), written.text_folder / WEIGHTS)
    state = model.image.net.state_dict()
    if start.image.architecture == LITE0:
        names = read_class_names(start.image_folder)
        vectors = TextEncoder(written.text_folder, start.text).encode(names)[:, : model.text.own]
        save_lite0(state, torch.from_numpy(normalise(vectors)), written.image_folder)
        with new_file(written.image_folder / CLASS_NAMES) as file:
            file.write("".join(f"{name}\n" for name in names).encode())
    else:
        _save_halved(state, written.image_folder / WEIGHTS)
    return written


def _save_halved(state: Mapping[str, Tensor], path: Path) -> None:
    halved = {
        name: value.half().contiguous() if value.is_floating_point() else value
        for name, value in state.items()
    }
    with new_file(path) as file:
        file.write(save(halved, metadata={"format": "pt"}))


@dataclass(frozen=True)
class WrittenEncoders:
    """Encoders as their files give them, to make features."""

    pair: EncoderPair
    text: TextEncoder
    image: ImageEncoder

    @classmethod
    def open(cls, pair: EncoderPair, device: str) -> "WrittenEncoders":
        """The encoders in two folders, on a device."""
        compute = Compute(device, torch_precision(device))
        return cls(
            pair,
            TextEncoder(pair.text_folder, pair.text, compute),
            ImageEncoder(pair.image_folder, pair.image, compute),
        )

    def features(self, data: TrainingSet, most: int) -> tuple[Vectors, Vectors]:
        """Features of the titles and the pictures of `most` products, spread over all."""
        rows = slice(None, None, -(-len(data.titles) // most))
        pictures = data.pictures[rows]
        blocks = [
            self.image.encode(pictures[first : first + PICTURE_ROWS])
            for first in range(0, len(pictures), PICTURE_ROWS)
        ]
        return self.text.encode(data.titles[rows]), np.concatenate(blocks)

    def general(self, texts: Sequence[str]) -> Vectors:
        """Features of class names, if there are any, and of texts, spread over all."""
        names = read_class_names(self.pair.image_folder)
        return self.text.encode([*names, *texts[:: -(-len(texts) // MOST_TEXTS) or 1]])

    def finish(self, model: DualEncoder, data: TrainingSet, dim: int) -> Heads:
        """Heads over these encoders: those that were trained with them, finished."""
        learned = model.text_head.fold(self.text.dim), model.image_head.fold(self.image.dim)
        general = self.general(data.texts or data.titles)
        width = self.image.dim - model.image.learnable
        text, image = self.features(data, MOST_PRODUCTS)
        return finish_heads(learned, text, image, general, width=width, dim=dim)
