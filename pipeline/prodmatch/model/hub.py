"""Models and encoders of a hub by name: from the cache here, from the network where wanted.

Nothing is fetched unless `download` is given; what was fetched once is used without it.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when the library below is loaded

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

from prodmatch.errors import ModelError
from prodmatch.model.description import Model, is_on_disk, list_shipped, open_model

NAME = re.compile(r"[\w.-]+(?:/[\w.-]+)?")
RESNET = re.compile(r"(?:wide_)?resne[x]?t\d+\w*")
KINDS = ("config.json", "model.json")  # of encoders, and of models
OF_MODELS = ("*.json", "*.txt", "*.model", "*.safetensors", "README.md")


def find_model(name: str, *, download: bool = False) -> Model:
    """The model of that name, in that directory, or of a hub's repository of that name.

    Args:
        name: a shipped model's, a directory, or a name such as `shop/own-model`.
        download: fetch it where it is not in the cache, which `HF_HOME` names.

    Raises:
        ModelError: there is none, or what has the name is an encoder, which is no model yet.
    """
    if is_on_disk(name) or not NAME.fullmatch(name):
        return open_model(name)
    if RESNET.fullmatch(name):
        raise ModelError(_of_encoder(name, "an image encoder", "NAME", name))
    folder = find_cached(name, KINDS)
    if folder is None and not download:
        raise ModelError(
            f"`model={name}`: is neither a shipped model ({', '.join(list_shipped())}) nor a "
            f"directory, and no hub's model in the cache {constants.HF_HUB_CACHE}. Make one with "
            "`train(catalogue, out=DIR)`, or let `embed()` fetch it with "
            "`download`."
        )
    parameter = f"model={name}"
    folder = folder or fetch_snapshot(name, parameter, KINDS)
    if not (folder / "model.json").exists():
        is_encoder = (folder / "config.json").exists()
        kind = "a text encoder" if is_encoder else "a repository without a model.json"
        raise ModelError(_of_encoder(name, kind, name, "resnet50"))
    whole = find_cached(name, OF_MODELS)  # a cache of older libraries does not know what it lacks
    if download and (whole is None or not (whole / "heads.safetensors").exists()):
        folder = fetch_snapshot(name, parameter, OF_MODELS)
    return open_model(str(folder))  # which names what a cache lacks


def _of_encoder(name: str, kind: str, text_encoder: str, image_encoder: str) -> str:
    return (
        f"`model={name}`: is {kind}, and no model: it has no heads, which bring texts and pictures "
        "into one space. Fit them on your catalogue with `train(catalogue, out=DIR, "
        f"text_encoder={text_encoder}, image_encoder={image_encoder}, download=True)`, and give "
        "that DIR."
    )


def find_cached(name: str, patterns: Sequence[str], others: Sequence[str] = ()) -> Path | None:
    """The directory of a repository of a hub in the cache; None where what is wanted is not there.

    Args:
        patterns: of the files that are wanted.
        others: patterns of files that are not.
    """
    try:
        return Path(
            snapshot_download(
                name,
                allow_patterns=[*patterns],
                ignore_patterns=[*others],
                local_files_only=True,
            )
        )
    except (LocalEntryNotFoundError, HFValidationError):
        return None


def fetch_snapshot(
    name: str, parameter: str, patterns: Sequence[str], others: Sequence[str] = ()
) -> Path:
    """The directory of a repository of a hub, with what the cache lacks fetched.

    Raises:
        ModelError: it cannot be fetched; says why.
    """
    try:
        return Path(snapshot_download(name, allow_patterns=[*patterns], ignore_patterns=[*others]))
    except (HFValidationError, OSError) as error:  # of the network, or of the hub
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"`{parameter}`: cannot be fetched ({reason}). Check the name and the network, or give "
            "a directory."
        ) from error
