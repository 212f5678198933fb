"""The frozen text encoder by torch: a BERT and its pooling, texts to features."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from prodmatch.encoders.batches import TEXT_ROWS, TextBatches, TokenLimits, Tokens
from prodmatch.encoders.device import CPU, Compute
from prodmatch.encoders.networks.finite import require_finite
from prodmatch.errors import ModelError, raise_if_out_of_memory
from prodmatch.model.preprocessing import TextSpec
from prodmatch.storage.atomic import write_file
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
        most = min(spec.max_tokens, _count_positions(encoder) or spec.max_tokens)
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


def _count_positions(encoder: PreTrainedModel) -> int | None:
    """How many tokens an encoder has positions for, None where their number is not limited.

    Those of RoBERTa and its kin begin after the number of the padding.
    """
    count: int | None = getattr(encoder.config, "max_position_embeddings", None)
    table = getattr(getattr(encoder, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    return count if count is None or padding is None else count - padding - 1


def is_causal(encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the state of a text's first token has nothing of the last one, as in decoders."""
    ids: list[int] = tokenizer("red shirt red")["input_ids"]
    other = [*ids[:-1], (ids[-1] + 1) % tokenizer.vocab_size]
    with torch.inference_mode():
        first, second = (
            encoder.eval()(input_ids=torch.tensor([row])).last_hidden_state[0, 0]
            for row in (ids, other)
        )
    return len(ids) > 1 and torch.equal(first, second)


def load_bert(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The text encoder in a directory of the Hugging Face layout, in float32, and its tokenizer.

    Raises:
        ModelError: there is none, it lacks weights or words, has a tokenizer of another, or
            cannot be loaded without code of its own.
    """
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"{folder}: is no text encoder; a config.json in the Hugging Face layout is missing. "
            "Give a directory written by save_pretrained."
        )
    if not any(folder.glob("*.safetensors")) and any(folder.glob("*.bin")):
        raise ModelError(
            f"{folder}: its weights are no safetensors. Write them as such: {_REWRITE}."
        )
    with _loading(folder):
        encoder, found = AutoModel.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    _check_kind(folder, encoder)
    _check_weights(folder, encoder, found["missing_keys"])
    tokenizer = load_tokenizer(folder)
    vectors = encoder.get_input_embeddings().num_embeddings
    if tokenizer.vocab_size > vectors:
        raise ModelError(
            f"{folder}: its tokenizer has {tokenizer.vocab_size} words, its encoder {vectors}. Put "
            "the tokenizer that the encoder was trained with there."
        )
    return encoder.float(), tokenizer


_REWRITE = "AutoModel.from_pretrained(DIR).save_pretrained(DIR)"


def _check_kind(folder: Path, encoder: PreTrainedModel) -> None:
    """Refuses what takes no tokens, or gives no states of them."""
    config = encoder.config
    has_states = all(hasattr(config, name) for name in ("hidden_size", "num_hidden_layers"))
    is_decoded = getattr(config, "is_encoder_decoder", False)
    if not has_states or is_decoded or encoder.main_input_name != "input_ids":
        raise ModelError(
            f"{folder}: is a {config.model_type}, and no text encoder of the BERT family. Give "
            "one such as bert, roberta, distilbert, mpnet or xlm-roberta."
        )


def _check_weights(folder: Path, encoder: PreTrainedModel, missing: Iterable[str]) -> None:
    """Refuses an encoder that is random in part, as its files lack weights, or holds no numbers.

    The pooler may be missing, as what it gives is not used.
    """
    lacking = sorted(name for name in missing if "pooler" not in name.split("."))
    if lacking:
        raise ModelError(
            f"{folder}: its files lack {len(lacking)} of {len(encoder.state_dict())} weights, such "
            f"as {lacking[0]!r}. Check that it is complete, and that the names are those of its "
            f"architecture, {encoder.config.model_type}."
        )
    require_finite(encoder.state_dict(), str(folder))


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer in a directory of the Hugging Face layout.

    Raises:
        ModelError: there is none, or it cannot be loaded without code of its own.
    """
    with _loading(folder):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        raise ModelError(
            f"{folder}: its tokenizer has no words. Put the encoder's tokenizer.json there, or "
            "what it is made of, such as vocab.txt."
        )
    tokenizer.truncation_side = "right"  # as graphs cut texts, and titles begin with what counts
    return tokenizer


def write_tokenizer(source: Path, target: Path) -> None:
    """Writes `tokenizer.json`, by which graphs read texts, of an encoder that has none.

    Raises:
        ModelError: the encoder's tokenizer has no such form.
    """
    tokenizer = load_tokenizer(source)
    if not tokenizer.is_fast:
        raise ModelError(
            f"{source}: a tokenizer.json is missing, and cannot be made of its "
            f"{type(tokenizer).__name__}. Put the one that belongs to it there."
        )
    write_file(target / "tokenizer.json", tokenizer.backend_tokenizer.to_str())


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
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise_if_out_of_memory(error, folder)
        raise ModelError(f"{folder}: the text encoder cannot be loaded ({error}).") from error
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
