"""The frozen picture encoder: a ResNet, with a classifier beside it if a model has one.

A feature depends on its own content alone: every batch of pictures has the same shape, so a
product added at night gets the vector that it would get in a build from scratch.
"""

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import torch
import torchvision
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from prodmatch.encoders.device import CPU, Compute
from prodmatch.encoders.efficientnet import ClassFeatures, load_classes
from prodmatch.encoders.spatial import (
    SpatialComponents,
    SpatialProjection,
    pooled_and_grid,
    spatial_feature_count,
)
from prodmatch.errors import ModelError
from prodmatch.model.onnx_session import open_session, output_width, run_session
from prodmatch.model.preprocessing import ImageSpec, Pixels
from prodmatch.storage.vectors import Vectors

IMAGE_ROWS = 64


class ImageFeatures(nn.Module):
    """A torchvision ResNet without its classifier: `(n, side, side, 3)` bytes in, features out.

    Where a model has `spatial` features or `classes`, they are concatenated with the pooled ones.
    """

    def __init__(
        self,
        resnet: nn.Module,
        spec: ImageSpec,
        spatial: SpatialProjection | None = None,
        classes: ClassFeatures | None = None,
    ) -> None:
        super().__init__()
        self.resnet = resnet
        self.classes = classes
        self.cell = spec.crop_pixels // spec.resnet_side
        self.spatial = None if spatial is None else SpatialComponents(spatial)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, 3, 1, 1) * 255.0)
        self.register_buffer("std", torch.tensor(spec.std).view(1, 3, 1, 1) * 255.0)

    def forward(self, pixels: Tensor) -> Tensor:
        """Pooled features, spatial ones, and those of classes, `(n, dim)`."""
        smaller = pixels.permute(0, 3, 1, 2).float()
        if self.cell > 1:
            smaller = functional.avg_pool2d(smaller, self.cell)
        pooled, middle = pooled_and_grid(self.resnet, (smaller - self.mean) / self.std)
        parts = [pooled]
        if self.spatial is not None:
            parts.append(self.spatial(smaller.permute(0, 2, 3, 1), middle))
        if self.classes is not None:
            parts.append(self.classes(pixels))
        return torch.cat(parts, dim=1)


class ImageBatches(ABC):
    """Preprocessed pictures to features, in batches of one shape that a subclass runs."""

    def __init__(self, spec: ImageSpec, dim: int) -> None:
        self.spec = spec
        self.dim = dim
        self.rows = IMAGE_ROWS

    @abstractmethod
    def run(self, pixels: Pixels) -> Vectors:
        """Features `(n, dim)` of a batch `(n, side, side, 3)`."""

    def encode(self, pixels: Pixels) -> Vectors:
        """Features `(n, dim)` of `(n, side, side, 3)` pictures, in order."""
        parts, rows = [], self.rows
        for start in range(0, len(pixels), rows):
            part = pixels[start : start + rows]
            batch = np.zeros((rows, *pixels.shape[1:]), dtype=np.uint8)  # one shape, always
            batch[: len(part)] = part
            parts.append(self.run(batch)[: len(part)])
        return np.concatenate(parts) if parts else np.zeros((0, self.dim), dtype=np.float32)


class ImageEncoder(ImageBatches):
    """Preprocessed pictures to features, through the networks of a model, by torch."""

    def __init__(self, folder: Path, spec: ImageSpec, compute: Compute = CPU) -> None:
        resnet, pooled = load_resnet(folder, spec.architecture)
        spatial = load_spatial(folder, resnet)
        classes = load_classes(folder)
        others = (0 if part is None else part.dim for part in (spatial, classes))
        super().__init__(spec, sum(others, pooled))
        self.compute = compute
        resnet = resnet.to(memory_format=torch.channels_last)
        self.model = ImageFeatures(resnet, spec, spatial, classes).to(compute.device).eval()

    def run(self, pixels: Pixels) -> Vectors:
        """Features `(n, dim)` of a batch `(n, side, side, 3)`."""
        with self.compute.inference():
            found = self.model(torch.from_numpy(pixels).to(self.compute.device))
        features: Vectors = found.float().cpu().numpy()
        return features


class OnnxImageEncoder(ImageBatches):
    """The same through its exported graph, in float32; the weights are not loaded into torch."""

    def __init__(self, spec: ImageSpec, graph: Path) -> None:
        self.session = open_session(graph, long_lived=True)
        super().__init__(spec, output_width(self.session))

    def run(self, pixels: Pixels) -> Vectors:
        """Features `(n, dim)` of a batch `(n, side, side, 3)`."""
        return run_session(self.session, {"pixels": pixels})


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


def load_spatial(folder: Path, resnet: nn.Module) -> SpatialProjection | None:
    """The projection of spatial features of a model, if it has one.

    Raises:
        ModelError: the file holds something else, or is for another ResNet.
    """
    path = folder / "layout.safetensors"
    return SpatialProjection.open(path, spatial_feature_count(resnet)) if path.exists() else None
