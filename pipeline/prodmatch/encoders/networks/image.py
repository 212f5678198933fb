"""The frozen picture encoder by torch: a ResNet, or EfficientNet-Lite0 with its classes."""

from pathlib import Path

import torch
from torch import Tensor, nn

from prodmatch.encoders.batches import IMAGE_ROWS, ImageBatches
from prodmatch.encoders.device import CPU, Compute
from prodmatch.encoders.networks.efficientnet import LITE0, Lite0Features, load_lite0
from prodmatch.model.preprocessing import ImageSpec, Pixels
from prodmatch.storage.vectors import Vectors

CUDA_IMAGE_ROWS = 256


class ResnetFeatures(nn.Module):
    """A torchvision ResNet without its classifier: `(n, side, side, 3)` bytes in, features out."""

    def __init__(self, resnet: nn.Module, spec: ImageSpec, dim: int) -> None:
        super().__init__()
        self.net = resnet
        self.learnable = self.dim = dim  # how many features there are; all are learnt from
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


class ImageEncoder(ImageBatches):
    """Preprocessed pictures to features, through the networks of a model, by torch."""

    def __init__(self, folder: Path, spec: ImageSpec, compute: Compute = CPU) -> None:
        network = load_network(folder, spec)
        super().__init__(spec, network.dim)
        self.compute, self.device = compute, compute.device
        self.rows = CUDA_IMAGE_ROWS if compute.device == "cuda" else IMAGE_ROWS
        network = network.to(memory_format=torch.channels_last)
        self.model = network.to(compute.device).eval()

    def run(self, pixels: Pixels) -> Vectors:
        """Features `(n, dim)` of a batch `(n, side, side, 3)`."""
        with self.compute.inference():
            found = self.model(self.compute.load(pixels))
        features: Vectors = found.float().cpu().numpy()
        return features


def load_network(folder: Path, spec: ImageSpec, *, folded: bool = True) -> ImageFeatures:
    """The network of an image folder, bytes to features.

    Args:
        folded: as of `load_lite0`.

    Raises:
        ModelError: as `load_resnet` and `load_lite0`.
    """
    if spec.architecture == LITE0:
        return load_lite0(folder, folded=folded)
    from torch.fx.experimental.optimization import fuse

    from prodmatch.encoders.networks.resnet import load_resnet  # it loads torchvision: seconds

    resnet, dim = load_resnet(folder, spec.architecture)
    return ResnetFeatures(fuse(resnet.eval()) if folded else resnet, spec, dim)
