"""The frozen picture encoder: a ResNet, or EfficientNet-Lite0 with its classes.

A feature depends on its own content alone: every batch of pictures has the same shape, so a
product added at night gets the vector that it would get in a build from scratch.
"""

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from prodmatch.encoders.device import CPU, Compute
from prodmatch.encoders.efficientnet import LITE0, Lite0Features, load_lite0
from prodmatch.encoders.lanes import map_in_lanes
from prodmatch.model.onnx_session import open_session, output_width, run_session
from prodmatch.model.preprocessing import ImageSpec, Pixels
from prodmatch.storage.vectors import Vectors

IMAGE_ROWS = 16
CUDA_IMAGE_ROWS = 256


class ResnetFeatures(nn.Module):
    """A torchvision ResNet without its classifier: `(n, side, side, 3)` bytes in, features out.

    Attributes:
        learnable: how many features there are; all of them are learnt from.
        dim: the same.
    """

    def __init__(self, resnet: nn.Module, spec: ImageSpec, dim: int) -> None:
        super().__init__()
        self.net = resnet
        self.learnable = self.dim = dim
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, 3, 1, 1) * 255.0)
        self.register_buffer("std", torch.tensor(spec.std).view(1, 3, 1, 1) * 255.0)

    def forward(self, pixels: Tensor) -> Tensor:
        """The pooled features before the classifier, `(n, dim)`."""
        images = pixels.permute(0, 3, 1, 2).float()
        pooled: Tensor = self.net((images - self.mean) / self.std)
        return pooled

    def learn(self, pixels: Tensor) -> tuple[Tensor, None]:
        """The features, and no class logits."""
        return self(pixels), None


ImageFeatures = ResnetFeatures | Lite0Features


class ImageBatches(ABC):
    """Preprocessed pictures to features, in batches of one shape that a subclass runs."""

    def __init__(self, spec: ImageSpec, dim: int) -> None:
        self.spec = spec
        self.dim = dim
        self.rows = IMAGE_ROWS
        self.device = CPU.device

    @abstractmethod
    def run(self, pixels: Pixels) -> Vectors:
        """Features `(n, dim)` of a batch `(n, side, side, 3)`."""

    def encode(self, pixels: Pixels) -> Vectors:
        """Features `(n, dim)` of `(n, side, side, 3)` pictures, in order."""
        parts = [pixels[start : start + self.rows] for start in range(0, len(pixels), self.rows)]
        found = list(map_in_lanes(self._encode_batch, parts, self.device))
        return np.concatenate(found) if found else np.zeros((0, self.dim), dtype=np.float32)

    def _encode_batch(self, pixels: Pixels) -> Vectors:
        batch = np.zeros((self.rows, *pixels.shape[1:]), dtype=np.uint8)  # one shape, always
        batch[: len(pixels)] = pixels
        return self.run(batch)[: len(pixels)]


class ImageEncoder(ImageBatches):
    """Preprocessed pictures to features, through the networks of a model, by torch."""

    def __init__(self, folder: Path, spec: ImageSpec, compute: Compute = CPU) -> None:
        network = load_network(folder, spec)
        super().__init__(spec, network.dim)
        self.compute, self.device = compute, compute.device
        self.rows = CUDA_IMAGE_ROWS if compute.device.type == "cuda" else IMAGE_ROWS
        network = network.to(memory_format=torch.channels_last)
        self.model = network.to(compute.device).eval()

    def run(self, pixels: Pixels) -> Vectors:
        """Features `(n, dim)` of a batch `(n, side, side, 3)`."""
        with self.compute.inference():
            found = self.model(self.compute.load(pixels))
        features: Vectors = found.float().cpu().numpy()
        return features


class OnnxImageEncoder(ImageBatches):
    """The same through its exported graph, in float32; the weights are not loaded into torch."""

    def __init__(self, spec: ImageSpec, graph: Path) -> None:
        self.session = open_session(graph, long_lived=True, threads=1)
        super().__init__(spec, output_width(self.session))

    def run(self, pixels: Pixels) -> Vectors:
        """Features `(n, dim)` of a batch `(n, side, side, 3)`."""
        return run_session(self.session, {"pixels": pixels})


def load_network(folder: Path, spec: ImageSpec, *, folded: bool = True) -> ImageFeatures:
    """The network of an image folder, bytes to features.

    Args:
        folder: a model's `image/`.
        spec: of its pictures.
        folded: as of `load_lite0`.

    Raises:
        ModelError: as `load_resnet` and `load_lite0`.
    """
    if spec.architecture == LITE0:
        return load_lite0(folder, folded=folded)
    from prodmatch.encoders.resnet import load_resnet  # it loads torchvision: seconds

    resnet, dim = load_resnet(folder, spec.architecture)
    return ResnetFeatures(resnet, spec, dim)
