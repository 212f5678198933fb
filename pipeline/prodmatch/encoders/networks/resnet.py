"""ResNets of torchvision, apart from other encoders, which need not wait for it."""

from pathlib import Path

import torchvision
from safetensors.torch import load_file
from torch import nn

from prodmatch.errors import ModelError, raise_if_out_of_memory

MOST_SHOWN = 200  # characters of what is wrong with weights, whose names are hundreds


def load_resnet(folder: Path, architecture: str) -> tuple[nn.Module, int]:
    """A torchvision ResNet without its classifier, in float32, and how many features it gives.

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
        raise_if_out_of_memory(error, weights)
        shown = " ".join(str(error).split())[:MOST_SHOWN]  # torch lists every name
        raise ModelError(f"{weights}: does not hold a {architecture} ({shown} …).") from error
    return resnet, dim
