"""The frozen text encoder: a BERT and its pooling, texts to features.

A feature depends on its own content alone: a text's batch shape follows from its own length, so
a product added at night gets the vector that it would get in a build from scratch.
"""

import contextlib
import functools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from prodmatch.encoders.device import CPU, Compute
from prodmatch.encoders.int8 import quantise_linear_layers
from prodmatch.encoders.lanes import map_in_lanes
from prodmatch.errors import ModelError
from prodmatch.model.onnx_session import open_session, output_width, run_session
from prodmatch.model.preprocessing import TextSpec
from prodmatch.storage.vectors import Vectors

TOKEN_STEP = 8  # texts are padded to a multiple of this many tokens: few shapes
TEXT_ROWS = 32  # whose states stay in the cache between the layers
CUDA_TEXT_ROWS = 512
Tokens = npt.NDArray[np.int64]


class TextFeatures(nn.Module):
    """A BERT-family encoder and its pooling: padded tokens in, features `(n, dim)` out.

    Attributes:
        own: how many of the features, the first ones, are of the first layer that the spec names:
            the encoder's own space, in which texts are compared where there are no heads.
        dim: how many there are in all.
    """

    def __init__(self, encoder: PreTrainedModel, spec: TextSpec) -> None:
        super().__init__()
        self.encoder = encoder
        self.pooling, self.layers = spec.pooling, spec.layers
        self.own = int(encoder.config.hidden_size)
        self.dim = self.own * len(spec.layers or (-1,))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Features of `(n, tokens)` ids under an attention mask of the same shape."""
        if self.layers is None:
            states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
            return pool_states(states, mask, self.pooling)
        found = self.encoder(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        states = [found.hidden_states[layer] for layer in self.layers]
        return torch.cat([pool_states(each, mask, self.pooling) for each in states], dim=1)


def pool_states(states: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """The pooled states of each text, `(n, hidden)`.

    Args:
        states: `(n, tokens, hidden)`, of a layer of an encoder.
        mask: `(n, tokens)`, which tokens are the text's own.
        pooling: `mean` or `cls`.
    """
    if pooling == "cls":
        return states[:, 0].float()
    weights = mask.unsqueeze(-1).float()  # (n, tokens, 1)
    return (states.float() * weights).sum(1) / weights.sum(1)


def check_layers(folder: Path, spec: TextSpec, count: int) -> None:
    """Refuses a spec whose layers an encoder of `count` layers does not have.

    Raises:
        ModelError: names the folder, and the layers that there are.
    """
    layers = spec.layers
    if layers is not None and not (layers and all(0 <= layer <= count for layer in layers)):
        raise ModelError(
            f"{folder}: the model's `layers` are {list(layers)}; this encoder has 0 to {count}."
        )


class TextBatches(ABC):
    """Texts to features, in batches of few shapes that a subclass runs."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, spec: TextSpec, positions: int | None, dim: int
    ) -> None:
        """Takes a tokenizer, and how many positions the encoder has, where that is limited."""
        self.tokenizer = tokenizer
        self.spec = spec
        self.max_tokens = min(spec.max_tokens, positions or spec.max_tokens)
        self.dim = dim
        self.rows = TEXT_ROWS
        self.device = CPU.device

    @abstractmethod
    def run(self, ids: Tokens, mask: Tokens) -> Vectors:
        """Features `(n, dim)` of `(n, tokens)` ids under an attention mask of the same shape."""

    def encode(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """Features `(n, dim)` of texts, in order; of queries, where the prefixes differ."""
        tokens = self.tokenize(texts, query=query)
        features = np.zeros((len(texts), self.dim), dtype=np.float32)
        batches = list(self._batches(tokens, self.rows))
        encode_batch = functools.partial(self._encode_batch, tokens, self.rows)
        for (batch, _), found in zip(
            batches, map_in_lanes(encode_batch, batches, self.device), strict=True
        ):
            features[batch] = found
        return features

    def _encode_batch(
        self, tokens: Sequence[Sequence[int]], rows: int, batch: tuple[list[int], int]
    ) -> Vectors:
        members, length = batch
        ids = np.full((rows, length), self.pad_id, np.int64)
        mask = np.zeros_like(ids)
        for place, row in enumerate(members):
            ids[place, : len(tokens[row])] = tokens[row]
            mask[place, : len(tokens[row])] = 1
        mask[len(members) :, 0] = 1  # rows that only fill the shape: no division by zero
        return self.run(ids, mask)[: len(members)]

    def tokenize(self, texts: Sequence[str], *, query: bool = False) -> list[list[int]]:
        """Token ids of each text with its prefix, cut to what the encoder reads."""
        if not texts:
            return []  # which the tokenizer takes for an error
        prefixed = [(self.spec.query if query else self.spec.passage)(text) for text in texts]
        limit = self.max_tokens
        rows: list[list[int]] = self.tokenizer(prefixed, truncation=True, max_length=limit)[
            "input_ids"
        ]
        return rows

    def _batches(
        self, tokens: Sequence[Sequence[int]], rows: int
    ) -> Iterator[tuple[list[int], int]]:
        """Rows to encode together and their padded length, shortest first."""
        by_length: dict[int, list[int]] = {}
        for row, ids in enumerate(tokens):
            padded = min(-(-len(ids) // TOKEN_STEP) * TOKEN_STEP, self.max_tokens)
            by_length.setdefault(padded, []).append(row)
        for length, members in sorted(by_length.items()):
            for start in range(0, len(members), rows):
                yield members[start : start + rows], length

    @property
    def pad_id(self) -> int:
        """The token id that fills short rows."""
        return int(self.tokenizer.pad_token_id or 0)


class TextEncoder(TextBatches):
    """Texts to features, through a model directory in the Hugging Face layout, by torch."""

    def __init__(self, folder: Path, spec: TextSpec, compute: Compute = CPU) -> None:
        encoder, tokenizer = load_bert(folder)
        check_layers(folder, spec, int(encoder.config.num_hidden_layers))
        positions = getattr(encoder.config, "max_position_embeddings", None)
        model = TextFeatures(encoder, spec)
        if compute.precision == "int8":
            quantise_linear_layers(encoder, compute.device)
        super().__init__(tokenizer, spec, positions, model.dim)
        self.device = compute.device
        self.rows = CUDA_TEXT_ROWS if compute.device.type == "cuda" else TEXT_ROWS
        self.compute = compute
        self.model = model.to(compute.device).eval()

    def run(self, ids: Tokens, mask: Tokens) -> Vectors:
        """Features `(n, dim)` of `(n, tokens)` ids under an attention mask of the same shape."""
        with self.compute.inference():
            found = self.model(*(self.compute.load(array) for array in (ids, mask)))
        features: Vectors = found.float().cpu().numpy()
        return features


class OnnxTextEncoder(TextBatches):
    """The same through its exported graph, in float32; the weights are not loaded into torch."""

    def __init__(self, folder: Path, spec: TextSpec, graph: Path) -> None:
        """Opens a model directory for its tokenizer, and `text.onnx`."""
        self.session = open_session(graph, long_lived=True, threads=1)
        with _loading(folder):
            config = AutoConfig.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        positions = getattr(config, "max_position_embeddings", None)
        super().__init__(load_tokenizer(folder), spec, positions, output_width(self.session))

    def run(self, ids: Tokens, mask: Tokens) -> Vectors:
        """Features `(n, dim)` of `(n, tokens)` ids under an attention mask of the same shape."""
        return run_session(self.session, {"ids": ids, "mask": mask})


def load_bert(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The text encoder in a directory of the Hugging Face layout, in float32, and its tokenizer.

    Raises:
        ModelError: there is none, or it cannot be loaded without code of its own.
    """
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"{folder}: is no text encoder; a config.json in the Hugging Face layout is missing. "
            "Give a directory written by save_pretrained."
        )
    with _loading(folder):
        encoder = AutoModel.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True
        )
    return encoder.float(), load_tokenizer(folder)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer in a directory of the Hugging Face layout.

    Raises:
        ModelError: there is none, or it cannot be loaded without code of its own.
    """
    with _loading(folder):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    return tokenizer


@contextlib.contextmanager
def _loading(folder: Path) -> Iterator[None]:
    """Keeps transformers from drawing bars and telling of weights that are not used.

    Raises:
        ModelError: something cannot be loaded; names the folder.
    """
    verbosity, bars = (
        transformers_logging.get_verbosity(),
        transformers_logging.is_progress_bar_enabled(),
    )
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"{folder}: the text encoder cannot be loaded ({error}).") from error
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
