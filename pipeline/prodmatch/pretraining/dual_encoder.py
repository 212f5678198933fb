"""A text and an image encoder in training, with a linear head over the features of each."""

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertModel, PreTrainedModel

from prodmatch.encoders.networks.efficientnet import CLASS_NAMES, Lite0Features, read_class_names
from prodmatch.encoders.networks.image import ImageFeatures, ResnetFeatures, load_network
from prodmatch.encoders.networks.text import TextFeatures, check_layers, load_bert
from prodmatch.errors import ModelError
from prodmatch.model.description import EncoderPair
from prodmatch.model.heads import Projection
from prodmatch.model.preprocessing import ImageSpec, TextSpec

FIRST_SCALE = 20.0  # of cosines; learnt


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

    def fold(self, width: int) -> Projection:
        """The same map as a projection of raw features, neither centred nor rotated.

        Args:
            width: of all features; those after the head's own count for nothing.
        """
        own = {name: value.cpu().double().numpy() for name, value in self.state_dict().items()}
        projection = Projection.linear(
            own["linear.weight"].T,
            own["linear.bias"],
            mean=own["norm.running_mean"],
            gain=1 / np.sqrt(own["norm.running_var"] + self.norm.eps),
        )
        others = width - len(projection.weight)
        return replace(projection, weight=np.pad(projection.weight, ((0, others), (0, 0))))


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
        return cls(TextFeatures(_without_pooler(bert), pair.text), image, dim)

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


def _without_pooler(bert: PreTrainedModel) -> PreTrainedModel:
    """Of random weights where a model was saved without one, and used by no features."""
    if hasattr(bert, "pooler"):
        setattr(bert, "pooler", None)  # noqa: B010  # as assigned, mypy takes it for a module
    return bert
