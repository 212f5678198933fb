"""ResNets of torchvision, apart from other encoders, which need not wait for it."""

from collections.abc import Mapping
from pathlib import Path

import torchvision
from safetensors.torch import load_file
from torch import Tensor, nn

from prodmatch.errors import ModelError, raise_if_out_of_memory

MOST_SHOWN = 200  # characters of what is wrong with weights, whose names are hundreds


def load_resnet(folder: Path, architecture: str) -> tuple[nn.Module, int]:
    """A torchvision ResNet without its classifier, in float32, and how many features it gives.

    Raises:
        ModelError: torchvision has none of that name, or the weights are of another.
    """
    weights = folder / "model.safetensors"
    try:
        state = load_file(weights)
    except FileNotFoundError as error:
        raise ModelError(f"{weights}: is missing; the picture encoder has no weights.") from error
    except Exception as error:
        raise_if_out_of_memory(error, weights)
        raise ModelError(f"{weights}: does not hold a {architecture} ({error}).") from error
    return fill_resnet(architecture, state, weights)


def fill_resnet(
    architecture: str, state: Mapping[str, Tensor], place: Path
) -> tuple[nn.Module, int]:
    """As `load_resnet`, of a `state_dict` that was read from a file, for messages the place."""
    if "resne" not in architecture or architecture not in torchvision.models.list_models():
        raise ModelError(
            f"{place}: {architecture!r} is no ResNet of torchvision; name one such as resnet18."
        )
    resnet = torchvision.models.get_model(architecture, weights=None)
    dim = int(resnet.fc.in_features)
    resnet.fc = nn.Identity()
    try:
        resnet.load_state_dict(
            {
                name: value.float() if value.is_floating_point() else value
                for name, value in state.items()
                if not name.startswith("fc.")
            }
        )
    except Exception as error:
        raise_if_out_of_memory(error, place)
        shown = " ".join(str(error).split())[:MOST_SHOWN]  # torch lists every name
        raise ModelError(f"{place}: does not hold a {architecture} ({shown} …).") from error
    return resnet, dim
