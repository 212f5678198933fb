"""Two towers into one space: a BERT for words and a ResNet for pictures, each with a head."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

__all__ = ["TowerShape", "TwoTowers", "tokenize"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class TowerShape:
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

    def as_dict(self) -> dict[str, object]:
        """Names and values, for a model card."""
        return asdict(self)


class TwoTowers(nn.Module):
    """Texts and pictures as unit vectors of one space, `(n, dim)` each."""

    def __init__(self, shape: TowerShape) -> None:
        super().__init__()
        self.text = BertModel(shape.bert_config(), add_pooling_layer=False)
        resnet = torchvision.models.get_model(shape.resnet, weights=None, zero_init_residual=True)
        features = resnet.fc.in_features
        resnet.fc = nn.Identity()
        self.image = resnet.to(memory_format=torch.channels_last)
        self.text_head = nn.Linear(shape.hidden_size, shape.dim)
        self.image_norm = nn.BatchNorm1d(features)
        self.image_head = nn.Linear(features, shape.dim)
        self.log_scale = nn.Parameter(torch.tensor(float(np.log(1 / 0.07))))
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))

    def pool_text(self, ids: Tensor) -> Tensor:
        """The masked mean of the last states, `(n, hidden)`, for padded `(n, tokens)` ids."""
        mask = ids != 0
        states = self.text(input_ids=ids, attention_mask=mask.long()).last_hidden_state.float()
        weights = mask.unsqueeze(-1).float()  # (n, tokens, 1)
        pooled: Tensor = (states * weights).sum(1) / weights.sum(1)
        return pooled

    def encode_texts(self, rows: Sequence[Sequence[int]], chunks: int = 4) -> Tensor:
        """Unit vectors of token rows; padded in a few chunks of like length, given in order."""
        device = self.log_scale.device
        order = np.argsort([-len(row) for row in rows], kind="stable")
        pooled = []
        for chunk in np.array_split(order, min(chunks, len(rows))):
            longest = -(-len(rows[chunk[0]]) // 4) * 4
            ids = torch.zeros(len(chunk), longest, dtype=torch.long)
            for place, row in enumerate(chunk):
                ids[place, : len(rows[row])] = torch.tensor(rows[row])
            pooled.append(self.pool_text(ids.to(device)))
        back = torch.from_numpy(np.argsort(order)).to(device)
        projected = self.text_head(torch.cat(pooled)[back]).float()
        return functional.normalize(projected, dim=-1)

    def encode_pictures(self, pictures: Tensor) -> Tensor:
        """Unit vectors of `(n, 3, side, side)` pictures in 0..1."""
        device = self.log_scale.device
        pictures = (pictures.to(device) - self.mean) / self.std
        features = self.image(pictures.contiguous(memory_format=torch.channels_last)).float()
        return functional.normalize(self.image_head(self.image_norm(features)).float(), dim=-1)


def tokenize(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> list[list[int]]:
    """Token rows with the special tokens, cut to the tokenizer's length."""
    rows: list[list[int]] = tokenizer(list(texts), truncation=True)["input_ids"]
    return rows
