"""The frozen encoders: a BERT for texts and a ResNet for pictures, to features.

A feature depends on its own content alone: a text's batch shape follows from its own length,
and every batch of pictures has the same shape, so a product added at night gets the vector
that it would get in a build from scratch.
"""

import contextlib
import functools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torchvision
from safetensors.torch import load_file, save
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from prodmatch.errors import ModelError
from prodmatch.model.preprocessing import ImageSpec, Pixels, TextSpec
from prodmatch.model.spatial import Layout, LayoutComponents, layout_features, look
from prodmatch.storage.atomic import digest_bytes, digest_file, new_file
from prodmatch.storage.vectors import Vectors

__all__ = [
    "WORDS",
    "ImageEncoder",
    "ResnetFeatures",
    "TextEncoder",
    "TextFeatures",
    "autocast",
    "choose_device",
    "image_fingerprint",
    "load_bert",
    "load_layout",
    "load_resnet",
    "load_words",
    "pool_states",
    "save_words",
    "text_fingerprint",
]

FORMAT = b"features-1"  # raise it when the same files would give other features
WORDS = "words.safetensors"
STEPS = 127  # of a number in a table of words, on either side of 0
TOKEN_STEP = 16  # texts are padded to a multiple of this many tokens: few shapes
TEXT_ROWS = 64
IMAGE_ROWS = 64


def choose_device(name: str) -> torch.device:
    """The device called `auto`, `cpu` or `cuda`; `auto` takes a GPU where there is one.

    Raises:
        ModelError: `cuda` was asked for and there is none.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ModelError("--device cuda: no CUDA device was found. Use --device auto or cpu.")
    return torch.device("cuda" if name != "cpu" and available else "cpu")


def text_fingerprint(folder: Path, spec: TextSpec) -> str:
    """What text features depend on, as 64 hexadecimal digits: files, pooling and prefix."""
    of_queries = ("query_prefix", "query_words")
    kept = {name: value for name, value in spec.as_dict().items() if name not in of_queries}
    return _fingerprint(folder, kept)


def image_fingerprint(folder: Path, spec: ImageSpec) -> str:
    """What picture features depend on, as 64 hexadecimal digits: weights and preprocessing."""
    return _fingerprint(folder, spec.as_dict())


def _fingerprint(folder: Path, spec: dict[str, object]) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".md")
    parts = [FORMAT, json.dumps(spec, sort_keys=True).encode()]
    for path in files:
        parts += [path.relative_to(folder).as_posix().encode(), digest_file(path).encode()]
    return digest_bytes(*parts)


@contextlib.contextmanager
def _fast(device: torch.device) -> Iterator[None]:
    """Inference in bf16 where the hardware has it, else in float32."""
    with torch.inference_mode(), autocast(device):
        yield


def autocast(device: torch.device) -> torch.autocast:
    """A context that computes in bf16 where the hardware has it, else in float32."""
    fast = device.type == "cuda" or _cpu_has_bf16()
    return torch.autocast(device.type, torch.bfloat16, enabled=fast)


@functools.cache
def _cpu_has_bf16() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported())  # emulated bf16 is 15 times slower


class TextFeatures(nn.Module):
    """A BERT-family encoder and its pooling: padded tokens in, features `(n, dim)` out.

    Where a model has a table of `words`, the mean of the tokens' rows in it stands beside the
    pooled states: what a word means wherever it stands.
    """

    def __init__(self, encoder: PreTrainedModel, pooling: str, words: Tensor | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.pooling = pooling
        self.words = (
            None if words is None else nn.Embedding(len(words), words.shape[1], _weight=words)
        )

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Features of `(n, tokens)` ids under an attention mask of the same shape."""
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        words = None if self.words is None else self.words(ids)
        return pool_states(states, words, mask, self.pooling)


def pool_states(states: Tensor, words: Tensor | None, mask: Tensor, pooling: str) -> Tensor:
    """One row a text: its states pooled, beside them the mean of its words where there are any.

    Args:
        states: `(n, tokens, hidden)`, the last states of an encoder.
        words: `(n, tokens, dim)`, the tokens' rows in a table of words.
        mask: `(n, tokens)`, which tokens are the text's own.
        pooling: `mean` or `cls`.
    """
    weights = mask.unsqueeze(-1).float()  # (n, tokens, 1)
    pooled: Tensor = states[:, 0].float()
    if pooling != "cls":
        pooled = (states.float() * weights).sum(1) / weights.sum(1)
    if words is not None:
        mean = (words.float() * weights).sum(1) / weights.sum(1)
        pooled = torch.cat([pooled, mean], dim=1)
    return pooled


class ResnetFeatures(nn.Module):
    """A torchvision ResNet without its classifier: `(n, side, side, 3)` bytes in, features out.

    Where a model has a `layout`, its components stand beside the pooled features.
    """

    def __init__(self, resnet: nn.Module, spec: ImageSpec, layout: Layout | None = None) -> None:
        super().__init__()
        self.resnet = resnet
        self.layout = None if layout is None else LayoutComponents(layout)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, 3, 1, 1) * 255.0)
        self.register_buffer("std", torch.tensor(spec.std).view(1, 3, 1, 1) * 255.0)

    def forward(self, pixels: Tensor) -> Tensor:
        """The pooled features before the classifier, and the layout's, `(n, dim)`."""
        images = (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std
        features, middle = look(self.resnet, images)
        if self.layout is not None:
            features = torch.cat([features, self.layout(pixels, middle)], dim=1)
        return features


class TextEncoder:
    """Texts to features, through a model directory in the Hugging Face layout."""

    def __init__(self, folder: Path, spec: TextSpec, device: torch.device) -> None:
        encoder, tokenizer = load_bert(folder)
        limit = getattr(encoder.config, "max_position_embeddings", spec.max_tokens)
        self.max_tokens = min(spec.max_tokens, limit)
        self.spec = spec
        self.device = device
        self.tokenizer = tokenizer
        words = load_words(folder)
        self.model = TextFeatures(encoder, spec.pooling, words).to(device).eval()
        self.dim = int(encoder.config.hidden_size) + (0 if words is None else words.shape[1])
        self.rows = TEXT_ROWS

    def encode(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """Features `(n, dim)` of texts, in order; of queries, where the prefixes differ."""
        rows, tokens = self.rows, self.tokenize(texts, query=query)
        features = np.zeros((len(texts), self.dim), dtype=np.float32)
        for batch, length in self._batches(tokens, rows):
            ids = torch.full((rows, length), self.pad_id)
            mask = torch.zeros(rows, length, dtype=torch.long)
            for place, row in enumerate(batch):
                ids[place, : len(tokens[row])] = torch.tensor(tokens[row])
                mask[place, : len(tokens[row])] = 1
            mask[len(batch) :, 0] = 1  # rows that only fill the shape: no division by zero
            with _fast(self.device):
                found = self.model(ids.to(self.device), mask.to(self.device))
            features[batch] = found[: len(batch)].float().cpu().numpy()
        return features

    def tokenize(self, texts: Sequence[str], *, query: bool = False) -> list[list[int]]:
        """Token ids of each text with its prefix, cut to what the encoder reads."""
        said = [(self.spec.query if query else self.spec.passage)(text) for text in texts]
        limit = self.max_tokens
        rows: list[list[int]] = self.tokenizer(said, truncation=True, max_length=limit)["input_ids"]
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
    def vocabulary(self) -> int:
        """How many tokens the encoder knows."""
        return int(self.model.encoder.config.vocab_size)

    @property
    def pad_id(self) -> int:
        """The token id that fills short rows."""
        return int(self.tokenizer.pad_token_id or 0)


class ImageEncoder:
    """Preprocessed pictures to pooled features, through a torchvision ResNet."""

    def __init__(self, folder: Path, spec: ImageSpec, device: torch.device) -> None:
        resnet, pooled = load_resnet(folder, spec.architecture)
        layout = load_layout(folder, resnet)
        self.dim = pooled + (0 if layout is None else layout.dim)
        self.rows = IMAGE_ROWS
        self.device = device
        self.spec = spec
        resnet = resnet.to(memory_format=torch.channels_last)
        self.model = ResnetFeatures(resnet, spec, layout).to(device).eval()

    def encode(self, pixels: Pixels) -> Vectors:
        """Features `(n, dim)` of `(n, side, side, 3)` pictures, in order."""
        parts, rows = [], self.rows
        for start in range(0, len(pixels), rows):
            part = pixels[start : start + rows]
            batch = np.zeros((rows, *pixels.shape[1:]), dtype=np.uint8)  # one shape, always
            batch[: len(part)] = part
            with _fast(self.device):
                found = self.model(torch.from_numpy(batch).to(self.device))
            parts.append(found[: len(part)].float().cpu().numpy())
        return np.concatenate(parts) if parts else np.zeros((0, self.dim), dtype=np.float32)


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
    try:
        with _quiet():
            encoder = AutoModel.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, use_safetensors=True
            )
            tokenizer = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"{folder}: the text encoder cannot be loaded ({error}).") from error
    return encoder.float(), tokenizer


def save_words(table: Tensor, path: Path) -> None:
    """Writes a table of words `(tokens, dim)` in bytes, each row with its scale."""
    scale = table.abs().amax(1, keepdim=True).clamp_min(1e-12) / STEPS  # (tokens, 1)
    rows = (table / scale).round().to(torch.int8)
    with new_file(path) as file:
        file.write(save({"rows": rows.contiguous(), "scale": scale.float().contiguous()}))


def load_words(folder: Path) -> Tensor | None:
    """The table of words beside a text encoder, `(tokens, dim)` in float32, if there is one.

    Raises:
        ModelError: the file holds something else.
    """
    path = folder / WORDS
    if not path.exists():
        return None
    try:
        arrays = load_file(path)
        return arrays["rows"].float() * arrays["scale"]
    except Exception as error:
        raise ModelError(
            f"{path}: does not hold a table of words ({error}). Train the model again."
        ) from error


def load_resnet(folder: Path, architecture: str) -> tuple[nn.Module, int]:
    """A torchvision ResNet without its classifier, in float32, and the width of its features.

    Raises:
        ModelError: torchvision has none of that name, or the weights are of another.
    """
    if "resne" not in architecture or architecture not in torchvision.models.list_models():
        raise ModelError(
            f"{folder}: {architecture!r} is no ResNet of torchvision; name one such as resnet18."
        )
    weights = folder / "model.safetensors"
    resnet = torchvision.models.get_model(architecture, weights=None)
    dim = int(resnet.fc.in_features)
    resnet.fc = nn.Identity()
    try:
        state = load_file(weights)
        state = {
            name: value.float() if value.is_floating_point() else value
            for name, value in state.items()
            if not name.startswith("fc.")
        }
        resnet.load_state_dict(state)
    except FileNotFoundError as error:
        raise ModelError(f"{weights}: is missing; the picture encoder has no weights.") from error
    except Exception as error:
        raise ModelError(f"{weights}: does not hold a {architecture} ({error}).") from error
    return resnet, dim


def load_layout(folder: Path, resnet: nn.Module) -> Layout | None:
    """The layout beside a ResNet, if there is one.

    Raises:
        ModelError: the file holds something else, or is for another ResNet.
    """
    path = folder / "layout.safetensors"
    return Layout.open(path, layout_features(resnet)) if path.exists() else None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps transformers from drawing bars and from telling of weights that are not used."""
    verbosity, bars = (
        transformers_logging.get_verbosity(),
        transformers_logging.is_progress_bar_enabled(),
    )
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
