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
from prodmatch.encoders.networks.text import load_bert, write_tokenizer
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
        load_bert(text)

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
        ModelError: the directory holds no encoder, or one with a pooling that is not known.
    """
    config = _read_json(folder / "config.json")
    if not config:
        raise ModelError(
            f"{folder}: is no text encoder; a config.json in the Hugging Face layout is missing."
        )
    modes = _read_pooling(folder / "1_Pooling/config.json")
    if len(modes) > 1 or not set(modes) <= set(POOLING.values()):
        raise ModelError(
            f"{folder}: pools by {' and '.join(modes)}; only mean and cls are known, one of them."
        )
    prompts = _read_json(folder / "config_sentence_transformers.json").get("prompts")
    prompts = prompts if isinstance(prompts, dict) else {}
    longest = config.get("max_position_embeddings") or MAX_TOKENS
    stated = _read_json(folder / "sentence_bert_config.json").get("max_seq_length") or MAX_TOKENS
    return TextSpec(
        pooling="cls" if modes == ["cls"] else "mean",
        max_tokens=min(int(str(stated)), int(str(longest)), 512),
        passage_prefix=str(prompts.get("passage", prompts.get("document", ""))),
        query_prefix=str(prompts.get("query", "")),
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
