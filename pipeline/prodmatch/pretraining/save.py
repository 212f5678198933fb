"""A trained dual encoder to the parts of a model: folded, centred, rotated, in half precision."""

from pathlib import Path
from typing import TypedDict

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from prodmatch.encoders.model_writer import EncoderFiles
from prodmatch.encoders.spatial import SpatialProjection
from prodmatch.encoders.text import WORDS, save_words
from prodmatch.model.heads import Projection
from prodmatch.model.preprocessing import ImageSpec, TextSpec
from prodmatch.pretraining.dual_encoder import DualEncoder
from prodmatch.pretraining.job import TrainedDualEncoder
from prodmatch.storage.atomic import new_file
from prodmatch.storage.vectors import Vectors


def fold_heads(model: DualEncoder) -> tuple[Projection, Projection]:
    """The linear heads of the dual_encoder, the batch normalisation folded in; neither centred."""
    norm, image_weight = model.image_norm, _array(model.image_head.weight).T  # (features, dim)
    image = Projection.linear(
        image_weight,
        _array(model.image_head.bias) + _array(norm.bias) @ image_weight,
        mean=_array(norm.running_mean),
        gain=_array(norm.weight) / np.sqrt(_array(norm.running_var) + norm.eps),
    )
    text = Projection.linear(_array(model.text_head.weight).T, _array(model.text_head.bias))
    return text, image


class Concatenated(TypedDict):
    """What is concatenated with the encoders' features."""

    words: Tensor | None
    spatial: SpatialProjection | None


def concatenated_of(model: DualEncoder) -> Concatenated:
    """The token embeddings and spatial features that the encoders were trained with."""
    words = None if model.words is None else model.words.weight.detach()
    return {"words": words, "spatial": None if model.spatial is None else model.spatial.projection}


def encoder_files(
    dual_encoder: TrainedDualEncoder,
    text: TextSpec,
    image: ImageSpec,
    *,
    words: Tensor | None = None,
    spatial: SpatialProjection | None = None,
) -> EncoderFiles:
    """The encoders and what is concatenated with them, to be written in half precision."""

    def write_text(folder: Path) -> None:
        dual_encoder.model.text.half().save_pretrained(folder)
        (folder / "model.safetensors").chmod(0o644)  # as any other file, not its owner's alone
        dual_encoder.model.text.float()
        dual_encoder.tokenizer.save_pretrained(folder)
        if words is not None:
            save_words(words, folder / WORDS)

    def write_image(folder: Path) -> None:
        state = {
            name: value.half().contiguous() if value.is_floating_point() else value
            for name, value in dual_encoder.model.image.state_dict().items()
        }
        with new_file(folder / "model.safetensors") as file:
            file.write(save(state))
        if spatial is not None:
            spatial.save(folder / "layout.safetensors")

    return EncoderFiles(text, image, write_text, write_image)


def _array(tensor: torch.Tensor | None) -> Vectors:
    if tensor is None:
        raise TypeError("a normalisation layer without running statistics")
    return tensor.detach().float().cpu().numpy()
