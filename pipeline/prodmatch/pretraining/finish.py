"""Trained encoders to the parts of a model: files in half precision, and heads over them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

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
from prodmatch.model.heads import Heads, compact_heads
from prodmatch.pretraining.data import TrainingSet
from prodmatch.pretraining.dual_encoder import DualEncoder
from prodmatch.storage.atomic import write_file
from prodmatch.storage.vectors import Vectors, normalise
from prodmatch.training.heads import add_query_bank, block_heads
from prodmatch.training.held_out import MOST_QUERIES, HeldOut, draw_queries

WEIGHTS = "model.safetensors"
MOST_PRODUCTS = 20_000  # that heads are finished on
MOST_TEXTS = 20_000


def write_encoders(model: DualEncoder, start: EncoderPair, folder: Path) -> EncoderPair:
    """Writes `text/` and `image/` into a folder, in half precision.

    Where pictures have classes, the vectors of these are made anew by the trained text encoder.

    Args:
        start: how inputs are read, the text encoder's other files, and the class names.
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
        write_file(written.image_folder / CLASS_NAMES, "".join(f"{name}\n" for name in names))
    else:
        _save_halved(state, written.image_folder / WEIGHTS)
    return written


def _save_halved(state: Mapping[str, Tensor], path: Path) -> None:
    halved = {
        name: value.half().contiguous() if value.is_floating_point() else value
        for name, value in state.items()
    }
    write_file(path, save(halved, metadata={"format": "pt"}))


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

    def _features(self, data: TrainingSet, most: int) -> tuple[Vectors, Vectors]:
        """Features of the titles and the pictures of `most` products, spread over all."""
        rows = slice(None, None, -(-len(data.titles) // most))
        return self.text.encode(data.titles[rows]), self.image.encode(data.pictures[rows])

    def hold_out(self, data: TrainingSet) -> HeldOut:
        """Held-out products, as features, to judge heads over these encoders by."""
        titles = data.titles[:MOST_QUERIES]
        queries = self.text.encode(draw_queries(titles), query=True)
        text, image = self._features(data, len(data.titles))
        return HeldOut(text, image, data.title_groups, titles, queries)

    def finish(self, model: DualEncoder, data: TrainingSet, dim: int) -> Heads:
        """Heads over these encoders: those that were trained with them, finished, with a bank.

        Where pictures have classes, heads of what was learnt and of what the encoders knew before;
        else the learnt heads alone, centred and rotated.
        """
        learned = model.text_head.fold(self.text.dim), model.image_head.fold(self.image.dim)
        text, image = self._features(data, MOST_PRODUCTS)
        if width := self.image.dim - model.image.learnable:
            texts = data.texts or data.titles
            names = read_class_names(self.pair.image_folder)
            general = self.text.encode([*names, *texts[:: -(-len(texts) // MOST_TEXTS)]])
            return block_heads(learned, text, image, general, width=width, dim=dim)
        parts = learned[0](text), learned[1](image)
        return add_query_bank(compact_heads(*learned, parts, dim), text, image)
