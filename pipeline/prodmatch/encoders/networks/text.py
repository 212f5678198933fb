"""The frozen text encoder by torch: a BERT and its pooling, texts to features."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from prodmatch.encoders.batches import TEXT_ROWS, TextBatches, TokenLimits, Tokens
from prodmatch.encoders.device import CPU, Compute
from prodmatch.errors import ModelError
from prodmatch.model.preprocessing import TextSpec
from prodmatch.storage.vectors import Vectors

CUDA_TEXT_ROWS = 512


class TextFeatures(nn.Module):
    """A BERT-family encoder and its pooling: padded tokens in, features `(n, dim)` out."""

    def __init__(self, encoder: PreTrainedModel, spec: TextSpec) -> None:
        super().__init__()
        self.encoder = encoder
        self.pooling, self.layers = spec.pooling, spec.layers
        # How many of the features, the first ones, are of the first layer that the spec names: the
        # encoder's own space, in which texts are compared where there are no heads.
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
    """Refuses a spec whose layers an encoder of `count` layers does not have."""
    layers = spec.layers
    if layers is not None and not (layers and all(0 <= layer <= count for layer in layers)):
        raise ModelError(
            f"{folder}: the model's `layers` are {list(layers)}; this encoder has 0 to {count}."
        )


class TextEncoder(TextBatches):
    """Texts to features, through a model directory in the Hugging Face layout, by torch."""

    def __init__(self, folder: Path, spec: TextSpec, compute: Compute = CPU) -> None:
        encoder, tokenizer = load_bert(folder)
        check_layers(folder, spec, int(encoder.config.num_hidden_layers))
        positions = getattr(encoder.config, "max_position_embeddings", None)
        most = min(spec.max_tokens, positions or spec.max_tokens)
        model = TextFeatures(encoder, spec)
        super().__init__(spec, TokenLimits(most, int(tokenizer.pad_token_id or 0)), model.dim)
        self.tokenizer = tokenizer
        self.device = compute.device
        self.rows = CUDA_TEXT_ROWS if compute.device == "cuda" else TEXT_ROWS
        self.compute = compute
        self.model = model.to(compute.device).eval()

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, cut to `max_tokens`."""
        rows: list[list[int]] = self.tokenizer(
            list(texts), truncation=True, max_length=self.max_tokens
        )["input_ids"]
        return rows

    def run(self, ids: Tokens, mask: Tokens) -> Vectors:
        """Features `(n, dim)` of `(n, tokens)` ids under an attention mask of the same shape."""
        with self.compute.inference():
            found = self.model(*(self.compute.load(array) for array in (ids, mask)))
        features: Vectors = found.float().cpu().numpy()
        return features


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
    """Keeps transformers from drawing bars and telling of weights that are not used."""
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
