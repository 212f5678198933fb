"""Two dual encoder into one space: a BERT for words and a ResNet for pictures, each with a head."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertModel, PreTrainedModel, PreTrainedTokenizerBase

from prodmatch.encoders.spatial import SpatialComponents, SpatialProjection, pooled_and_grid
from prodmatch.encoders.text import pool_states
from prodmatch.model.heads import Heads

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class EncoderShape:
    """The sizes of the two encoders."""

    vocabulary_size: int = 8000
    hidden_size: int = 256
    layer_count: int = 4
    attention_heads: int = 4
    max_tokens: int = 64
    resnet: str = "resnet18"
    dim: int = 256

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


@dataclass(frozen=True)
class EncoderSpec:
    """How inputs are read: pooling and padding of texts, normalisation of pictures."""

    pooling: str = "mean"
    pad_id: int = 0
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD


class DualEncoder(nn.Module):
    """Texts and pictures as unit vectors of one space, `(n, dim)` each."""

    def __init__(  # noqa: PLR0913  # two encoders, and what a model may have beside each
        self,
        text: PreTrainedModel,
        resnet: nn.Module,
        spec: EncoderSpec,
        *,
        features: int,
        dim: int,
        words: Tensor | None = None,
        spatial: SpatialProjection | None = None,
    ) -> None:
        super().__init__()
        self.text = text
        if hasattr(text, "pooler"):  # of random weights where a model was saved without one
            setattr(text, "pooler", None)  # noqa: B010  # as assigned, mypy takes it for a module
        self.pooling, self.pad_id = spec.pooling, spec.pad_id
        self.image = resnet.to(memory_format=torch.channels_last)
        self.words = None if words is None else nn.Embedding.from_pretrained(words, freeze=False)
        self.spatial = None if spatial is None else SpatialComponents(spatial)
        features += 0 if spatial is None else spatial.dim
        hidden = text.config.hidden_size + (0 if words is None else words.shape[1])
        self.text_head = nn.Linear(hidden, dim)
        self.image_norm = nn.BatchNorm1d(features)
        self.image_head = nn.Linear(features, dim)
        self.log_scale = nn.Parameter(torch.tensor(float(np.log(1 / 0.07))))
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(spec.std).view(1, 3, 1, 1))
        for part in self.text.modules():
            if isinstance(part, nn.Dropout):
                part.p = 0.0  # views vary the texts enough, and dropout costs a quarter of the time

    @classmethod
    def fresh(cls, shape: EncoderShape) -> Self:
        """Encoders of random weights."""
        text = BertModel(shape.bert_config(), add_pooling_layer=False)
        resnet = torchvision.models.get_model(shape.resnet, weights=None, zero_init_residual=True)
        features = int(resnet.fc.in_features)
        resnet.fc = nn.Identity()
        return cls(text, resnet, EncoderSpec(), features=features, dim=shape.dim)

    @torch.no_grad()
    def take_heads(self, heads: Heads, pictures: Tensor) -> None:
        """Starts from the heads of a model, without their centres and rotations.

        Args:
            heads: of a model with these encoders, that of pictures `dim` wide before the rotation.
            pictures: `(n, 3, side, side)` in 0..1, for the statistics of the normalisation.
        """
        features = self._features(pictures.to(self.log_scale.device)).cpu()  # (n, features)
        mean, deviation = features.mean(0), features.std(0).clamp_min(1e-4)
        weight = torch.from_numpy(heads.image.weight)  # (features, dim)
        self.image_norm.running_mean = mean.to(self.log_scale.device)
        self.image_norm.running_var = deviation.square().to(self.log_scale.device)
        self.image_head.weight.copy_((deviation[:, None] * weight).T)
        self.image_head.bias.copy_(torch.from_numpy(heads.image.bias) + mean @ weight)
        shared = len(self.text_head.bias)  # what texts have beside it no picture has
        self.text_head.weight.copy_(torch.from_numpy(heads.text.weight[:, :shared]).T)
        self.text_head.bias.copy_(torch.from_numpy(heads.text.bias[:shared]))

    def pool_text(self, ids: Tensor) -> Tensor:
        """The pooled last states and words, `(n, features)`, for padded `(n, tokens)` ids."""
        mask = ids != self.pad_id
        states = self.text(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        words = None if self.words is None else self.words(ids)
        return pool_states(states, words, mask, self.pooling)

    def encode_texts(self, rows: Sequence[Sequence[int]], chunks: int = 4) -> Tensor:
        """Unit vectors of token rows; padded in a few chunks of like length, given in order."""
        device = self.log_scale.device
        order = np.argsort([-len(row) for row in rows], kind="stable")
        pooled = []
        for chunk in np.array_split(order, min(chunks, len(rows))):
            longest = -(-len(rows[chunk[0]]) // 4) * 4
            ids = torch.full((len(chunk), longest), self.pad_id)
            for place, row in enumerate(chunk):
                ids[place, : len(rows[row])] = torch.tensor(rows[row])
            pooled.append(self.pool_text(ids.to(device)))
        back = torch.from_numpy(np.argsort(order)).to(device)
        projected = self.text_head(torch.cat(pooled)[back]).float()
        return functional.normalize(projected, dim=-1)

    def encode_pictures(self, pictures: Tensor) -> Tensor:
        """Unit vectors of `(n, 3, side, side)` pictures in 0..1."""
        features = self._features(pictures.to(self.log_scale.device))
        return functional.normalize(self.image_head(self.image_norm(features)).float(), dim=-1)

    def normalise(self, pictures: Tensor) -> Tensor:
        """`(n, 3, side, side)` pictures in 0..1 as the ResNet takes them."""
        scaled = (pictures - self.mean) / self.std
        return scaled.contiguous(memory_format=torch.channels_last)

    def _features(self, pictures: Tensor) -> Tensor:
        features, middle = pooled_and_grid(self.image, self.normalise(pictures))
        if self.spatial is not None:
            spatial = self.spatial(pictures.permute(0, 2, 3, 1) * 255.0, middle)
            features = torch.cat([features, spatial], dim=1)
        return features


def tokenize(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Token rows with the special tokens, cut to the tokenizer's length."""
    rows: list[list[int]] = tokenizer(list(texts), truncation=True)["input_ids"]
    return rows
