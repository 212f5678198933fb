"""A model directory put together: encoders from where they lie, heads, description, card."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torchvision
from safetensors.torch import load_file, save
from torch import Tensor

from prodmatch.encoders.networks.finite import require_finite
from prodmatch.encoders.networks.resnet import fill_resnet
from prodmatch.encoders.networks.text import is_causal, load_bert, load_tokenizer, write_tokenizer
from prodmatch.errors import ModelError, raise_if_out_of_memory
from prodmatch.model.calibration import Calibration
from prodmatch.model.description import (
    EncoderPair,
    Model,
    ModelDescription,
    open_model,
    write_description,
)
from prodmatch.model.heads import Heads
from prodmatch.model.preprocessing import ImageSpec, TextSpec
from prodmatch.storage.atomic import copy_file, new_directory, write_file

POOLING_FILE = "1_Pooling/config.json"
READING_FILE = "sentence_bert_config.json"
PROMPTS_FILE = "config_sentence_transformers.json"
QUERIES = ("query",)  # what their prompts are called, and those of products' texts
PASSAGES = ("document", "passage", "corpus")
POOLING = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
MAX_TOKENS = 128  # where the encoder's files name none
TEXT_SUFFIXES = (".json", ".txt", ".safetensors", ".model")


@dataclass(frozen=True)
class EncoderFiles:
    """Encoders ready to be copied into a model: how to write each into a folder."""

    text: TextSpec
    image: ImageSpec
    write_text: Callable[[Path], None]
    write_image: Callable[[Path], None]
    heads: Heads | None = None  # of the model whose encoders they are
    weights: Mapping[str, float] | None = None  # of the signals, of that model
    calibration: Calibration | None = None  # of its probabilities

    def write(self, folder: Path) -> EncoderPair:
        """Writes `text/` and `image/` into a folder, which is made if need be."""
        folder.mkdir(exist_ok=True)
        for name, write in (("text", self.write_text), ("image", self.write_image)):
            (folder / name).mkdir()
            write(folder / name)
        return EncoderPair(folder / "text", folder / "image", self.text, self.image)

    @classmethod
    def of_model(cls, model: Model) -> "EncoderFiles":
        """The encoders of a model, for a new one with other heads."""
        files = cls.of_pair(model.encoders)
        own = model.description
        return replace(files, heads=model.heads, weights=own.weights, calibration=own.calibration)

    @classmethod
    def of_pair(cls, pair: EncoderPair) -> "EncoderFiles":
        """Encoders as they lie in two folders."""

        def copy(source: Path) -> Callable[[Path], None]:
            return lambda target: copy_files(source, target)

        folders = copy(pair.text_folder), copy(pair.image_folder)
        return cls(pair.text, pair.image, *folders)

    @classmethod
    def of_files(cls, text: Path, architecture: str, weights: Path) -> "EncoderFiles":
        """A Hugging Face directory, and a torchvision ResNet's `state_dict` in a file.

        Raises:
            ModelError: one of them is not what it should be.
        """
        state, image_spec = read_image_weights(weights), find_image_spec(architecture)
        spec = find_text_spec(text)
        # Here, where messages have the names that were given.
        fill_resnet(architecture, state, weights)
        encoder, tokenizer = load_bert(text)
        is_stated = bool(_read_pooling(text / POOLING_FILE)) and spec.pooling == "mean"
        if not is_stated and is_causal(encoder, tokenizer):
            raise ModelError(
                f"{text}: this {encoder.config.model_type} reads each word without those after it, "
                "as decoders do, and its states are poor vectors of texts. Give an encoder such as "
                "bert, roberta, distilbert, mpnet or xlm-roberta."
            )

        def write_text(target: Path) -> None:
            copy_files(text, target)
            if not (target / "tokenizer.json").exists():
                write_tokenizer(text, target)

        def write_image(target: Path) -> None:
            write_file(target / "model.safetensors", save(dict(state)))

        return cls(
            spec,
            image_spec,
            write_text,
            write_image,
        )


def copy_files(source: Path, target: Path, *, leave_out: str = "") -> None:
    """Copies the files of an encoder's folder but for one name, and none of other kinds."""
    for path in sorted(source.iterdir()):
        if path.is_file() and path.suffix in TEXT_SUFFIXES and path.name != leave_out:
            copy_file(path, target / path.name)


def find_text_spec(folder: Path) -> TextSpec:
    """Pooling, length and prefixes as the encoder's own files tell them.

    sentence-transformers models say them in `1_Pooling/config.json`, `sentence_bert_config.json`
    and `config_sentence_transformers.json`; a bare encoder is mean-pooled.

    Raises:
        ModelError: the directory holds no encoder, or one that is to read or pool in a way that
            is not known.
    """
    config = _read_json(folder / "config.json")
    if not config:
        raise ModelError(
            f"{folder}: is no text encoder; a config.json in the Hugging Face layout is missing."
        )
    modes = _read_pooling(folder / POOLING_FILE)
    if len(modes) > 1 or not set(modes) <= set(POOLING.values()):
        raise ModelError(
            f"{folder}: pools by {' and '.join(modes)}; only mean and cls are known, one of them."
        )
    query, passage = _read_prefixes(folder)
    reading = _read_json(folder / READING_FILE)
    if reading.get("do_lower_case") is True:
        _require_small_letters(folder)
    longest = config.get("max_position_embeddings") or MAX_TOKENS
    stated = reading.get("max_seq_length") or MAX_TOKENS
    return TextSpec(
        pooling="cls" if modes == ["cls"] else "mean",
        max_tokens=min(int(str(stated)), int(str(longest)), 512),
        passage_prefix=passage,
        query_prefix=query,
    )


def _read_prefixes(folder: Path) -> tuple[str, str]:
    """The prefixes of queries and of products' texts: of prompts of these names, or the default.

    Raises:
        ModelError: what stands for them is to be left out of the pooling.
    """
    content = _read_json(folder / PROMPTS_FILE)
    prompts = content.get("prompts")
    prompts = prompts if isinstance(prompts, dict) else {}
    default = prompts.get(str(content.get("default_prompt_name")))
    prefixes = []
    for names in (QUERIES, PASSAGES):
        named = [prompts[name] for name in names if name in prompts] or [default]
        prefixes.append(str(next(filter(None, named), "")))
    query, passage = prefixes
    pooling = folder / POOLING_FILE
    if (query or passage) and _read_json(pooling).get("include_prompt") is False:
        raise ModelError(
            f"{pooling}: leaves the prefixes out of what is pooled (`include_prompt`), which is "
            f"not known here; they are {query!r} and {passage!r}. Remove them from {PROMPTS_FILE} "
            "if the encoder does without."
        )
    return query, passage


def _require_small_letters(folder: Path) -> None:
    """Refuses a tokenizer that reads capital letters, of an encoder that is to read none.

    Raises:
        ModelError: says what to write into the tokenizer.
    """
    tokenizer = load_tokenizer(folder)
    if tokenizer("RED SHIRT")["input_ids"] != tokenizer("red shirt")["input_ids"]:
        raise ModelError(
            f"{folder / READING_FILE}: `do_lower_case` is true, and the encoder's tokenizer keeps "
            'capital letters. Put {"type": "Lowercase"} first into the `normalizer` of its '
            "tokenizer.json, or set it to false if the encoder was trained with capitals."
        )


def _read_pooling(path: Path) -> list[str]:
    """How an encoder pools: by names, or in older files by a truth value of each; [] of none."""
    content = _read_json(path)
    named = content.get("pooling_mode")
    if named is None:
        flags = [name for name, on in content.items() if on is True]
        return [POOLING.get(name, name) for name in flags if name.startswith("pooling_mode")]
    return [str(name) for name in (named if isinstance(named, list) else [named])]


def find_image_spec(architecture: str) -> ImageSpec:
    """The preprocessing that torchvision documents for a ResNet's published weights.

    Raises:
        ModelError: torchvision has no ResNet of that name.
    """
    if "resne" not in architecture or architecture not in torchvision.models.list_models():
        raise ModelError(
            f"`image_encoder={architecture}`: is no ResNet of torchvision; try resnet18, resnet50."
        )
    preset = torchvision.models.get_model_weights(architecture).DEFAULT.transforms()
    return ImageSpec(
        architecture=architecture,
        fit="crop",
        resize_pixels=preset.resize_size[0],
        crop_pixels=preset.crop_size[0],
        interpolation=preset.interpolation.value,
        mean=tuple(preset.mean),
        std=tuple(preset.std),
    )


def read_image_weights(path: Path) -> Mapping[str, Tensor]:
    """The `state_dict` in a safetensors file, or in a file of `torch.save`, without `fc`.

    Raises:
        ModelError: the file is missing, or holds something else than tensors of numbers.
    """
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: there is no such file of weights.") from error
    except Exception as error:  # what torch says of it is a page, and how to run its code
        raise_if_out_of_memory(error, path)
        raise ModelError(
            f"{path}: holds no state_dict that is safe to read. Write it with "
            "torch.save(model.state_dict(), FILE), or fetch the file again."
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(f"{path}: holds something else than a state_dict of tensors.")
    require_finite(state, str(path))
    return {name: value.contiguous() for name, value in state.items() if not name.startswith("fc.")}


def write_model(
    out: Path, encoders: EncoderFiles, heads: Heads, description: ModelDescription, card: str
) -> Model:
    """Writes a model directory, whole or not at all, and opens it.

    Raises:
        StoreError: `out` exists or cannot be written.
    """
    with new_directory(out) as temporary:
        encoders.write(temporary)
        heads.save(temporary / "heads.safetensors")
        write_description(temporary, description)
        write_file(temporary / "README.md", card)
    return open_model(str(out))


def _read_json(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except ValueError as error:
        raise ModelError(f"{path}: cannot be read as JSON ({error}).") from error
    return content if isinstance(content, dict) else {}
