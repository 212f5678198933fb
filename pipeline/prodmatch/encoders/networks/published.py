"""Published encoders by their names: from a cache on this machine, and from the network if told.

Nothing is fetched unless `download` is given; what was fetched once is used without it.
"""

from pathlib import Path

import torchvision
from huggingface_hub import constants
from torch.hub import download_url_to_file, get_dir

from prodmatch.errors import ModelError
from prodmatch.model.hub import NAME, fetch_snapshot, find_cached

FILES = ("*.json", "*.txt", "*.model", "model.safetensors")  # of all formats that a hub has, ours
OTHERS = ("onnx/*", "openvino/*")


def find_text_encoder(name: str, *, download: bool = False) -> Path:
    """The directory of a text encoder: the one given, or that of a hub's model of this name.

    Args:
        name: a directory, or a name such as `bert-base-uncased`.
        download: fetch it where it is not in the cache, which `HF_HOME` names.

    Raises:
        ModelError: there is neither; says what to do, or why it cannot be fetched.
    """
    if Path(name).exists() or not NAME.fullmatch(name):
        return Path(name)
    parameter = f"text_encoder={name}"
    cached = find_cached(name, FILES, OTHERS)
    if cached is None and not download:
        raise ModelError(
            f"`{parameter}`: is no directory, and a hub's model of this name is not in the cache "
            f"{constants.HF_HUB_CACHE}. Give a directory, or fetch it with `download`."
        )
    return cached or fetch_snapshot(name, parameter, FILES, OTHERS)


def find_image_weights(architecture: str, *, download: bool = False) -> Path:
    """The file of the weights that torchvision publishes for an architecture.

    Args:
        download: fetch it, checked by its digest, where it is not in the cache, which
            `TORCH_HOME` names.

    Raises:
        ModelError: there is none; says what to do, or why it cannot be fetched.
    """
    try:
        url = str(torchvision.models.get_model_weights(architecture).DEFAULT.url)
    except ValueError as error:
        raise ModelError(
            f"`image_encoder={architecture}`: is no ResNet of torchvision; try resnet18, resnet50."
        ) from error
    path = Path(get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if path.exists():
        return path
    if not download:
        raise ModelError(
            f"`image_encoder={architecture}`: its weights are not in the cache {path.parent}. Give "
            "them with `image_weights`, or fetch them with `download`."
        )
    digest = path.stem.rpartition("-")[2]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        download_url_to_file(url, str(path), digest, progress=False)
    except (OSError, RuntimeError) as error:
        raise ModelError(
            f"`image_encoder={architecture}`: its weights cannot be fetched ({error}). Give them "
            "with `image_weights`."
        ) from error
    return path
