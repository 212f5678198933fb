"""A text and an image encoder with a linear head each: in training, and what is written then."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
import torchvision
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertModel

from prodmatch.encoders.networks.efficientnet import (
    CLASS_NAMES,
    LITE0,
    Lite0Features,
    read_class_names,
    save_lite0,
)
from prodmatch.encoders.networks.image import ImageFeatures, ResnetFeatures, load_network
from prodmatch.encoders.networks.model_writer import copy_files
from prodmatch.encoders.networks.text import TextEncoder, TextFeatures, check_layers, load_bert
from prodmatch.errors import ModelError
from prodmatch.model.description import EncoderPair
from prodmatch.model.preprocessing import ImageSpec, TextSpec
from prodmatch.storage.atomic import write_file
from prodmatch.storage.vectors import normalise

FIRST_SCALE = 20.0  # of cosines; learnt
WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class EncoderShape:
    """The sizes of encoders that are trained from scratch."""

    vocabulary_size: int = 8000
    hidden_size: int = 256
    layer_count: int = 4
    attention_heads: int = 4
    max_tokens: int = 64
    resnet: str = "resnet18"

    def bert_config(self) -> BertConfig:
        """The same sizes in the words of `transformers`."""
        return BertConfig(
            vocab_size=self.vocabulary_size,
            hidden_size=self.hidden_size,
            num_hidden_layers=self.layer_count,
            num_attention_heads=self.attention_heads,
            intermediate_size=4 * self.hidden_size,
            max_position_embeddings=self.max_tokens,
            pad_token_id=0,
        )


class Head(nn.Module):
    """Features to unit vectors: standardised by the batch, then a linear map."""

    def __init__(self, features: int, dim: int, *, dropped: float, deviation: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(features, affine=False)
        self.dropout = nn.Dropout(dropped)
        self.linear = nn.Linear(features, dim)
        nn.init.normal_(self.linear.weight, std=deviation)

    def forward(self, features: Tensor) -> Tensor:
        """Unit rows `(n, dim)`."""
        return functional.normalize(self.linear(self.dropout(self.norm(features))), dim=1)


class DualEncoder(nn.Module):
    """Both encoders and their heads."""

    def __init__(self, text: TextFeatures, image: ImageFeatures, dim: int) -> None:
        super().__init__()
        self.text = text
        self.image = image.to(memory_format=torch.channels_last)
        self.text_head = Head(text.dim, dim, dropped=0.1, deviation=0.03)
        self.image_head = Head(image.learnable, dim, dropped=0.2, deviation=0.02)
        #: Of the heads' space, and of the text encoder's own.
        self.log_scales = nn.Parameter(torch.full((2,), math.log(FIRST_SCALE)))

    @classmethod
    def of_pair(cls, pair: EncoderPair, dim: int) -> Self:
        """The encoders of a model. The embeddings of its words stay as they are.

        Raises:
            ModelError: one of them cannot be read, or its classes have no names.
        """
        bert, _ = load_bert(pair.text_folder)
        if hasattr(bert, "pooler"):  # of random weights where a model was saved without one
            setattr(bert, "pooler", None)  # noqa: B010  # as assigned, mypy takes it for a module
        check_layers(pair.text_folder, pair.text, int(bert.config.num_hidden_layers))
        for name, value in bert.named_parameters():
            value.requires_grad_(not name.startswith("embeddings."))
        image = load_network(pair.image_folder, pair.image, folded=False)
        classes = len(image.class_vectors) if isinstance(image, Lite0Features) else 0
        if classes != len(read_class_names(pair.image_folder)):
            raise ModelError(
                f"{pair.image_folder / CLASS_NAMES}: must name the {classes} classes of the "
                "picture encoder, one a line."
            )
        return cls(TextFeatures(bert, pair.text), image, dim)

    @classmethod
    def fresh(cls, shape: EncoderShape, text: TextSpec, image: ImageSpec, dim: int) -> Self:
        """Encoders of random weights."""
        bert = BertModel(shape.bert_config(), add_pooling_layer=False)
        resnet = torchvision.models.get_model(shape.resnet, weights=None, zero_init_residual=True)
        features = int(resnet.fc.in_features)
        resnet.fc = nn.Identity()
        return cls(TextFeatures(bert, text), ResnetFeatures(resnet, image, features), dim)

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.log_scales.device


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
    floats = {name: value for name, value in state.items() if value.is_floating_point()}
    halved = {name: value.half().contiguous() for name, value in floats.items()}
    write_file(path, save({**state, **halved}, metadata={"format": "pt"}))
