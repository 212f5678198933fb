"""Spatial features of a picture: fixed ones and a ResNet's middle maps, on a grid.

Pooled features of a ResNet keep what is in a picture and little of where. The fixed features, and
almost as much the middle maps, are not fitted to single products, so heads over them overfit less.
"""

import copy
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import ResNet

from prodmatch.errors import ModelError
from prodmatch.model.heads import Heads
from prodmatch.storage.atomic import new_file
from prodmatch.storage.vectors import Vectors

SIDE = 80  # pixels; other sizes are scaled to it
CELLS = 10  # a side of the grid of colours and edges
MASK_CELLS = 16
DIRECTIONS = 9
BINS = (5, 7, 7)  # of lightness, red against green, yellow against blue
WHITE = 0.95  # the darkest channel of a background
LARGEST = 4.0  # standard deviations from the mean at which a feature is cut
MIDDLE = {"layer2": 4, "layer3": 3}  # a side of the grid of each middle map
STEPS = 127  # of a component, on either side of 0, in a file


class SpatialFeatures(nn.Module):
    """Colours and edges on a grid, the outline, and the colours of it all.

    Edges are histograms of oriented gradients (Dalal & Triggs 2005), their bins smooth.
    """

    dim = CELLS**2 * (DIRECTIONS + 3) + MASK_CELLS**2 + 2 * math.prod(BINS)

    def __init__(self) -> None:
        super().__init__()
        self.directions: Tensor
        angles = torch.arange(DIRECTIONS) * math.pi / DIRECTIONS
        self.register_buffer("directions", torch.stack([angles.cos(), angles.sin()]), False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Features `(n, dim)` of `(n, side, side, 3)` bytes."""
        images = pixels.permute(0, 3, 1, 2).float() / 255.0
        if images.shape[-1] != SIDE:
            images = functional.interpolate(images, [SIDE, SIDE], mode="bilinear")
        red, green, blue = images.unbind(1)  # each (n, side, side)
        opponents = torch.stack(
            [(red + green + blue) / 3, (red - green + 1) / 2, ((red + green) / 2 - blue + 1) / 2], 1
        )
        solid = ((WHITE - images.amin(1, keepdim=True)) * 20).clamp(0, 1)  # 0 where it is white
        parts = [
            self._edges(opponents[:, :1]),
            _pool(opponents, CELLS),
            _pool(solid, MASK_CELLS),
            _histograms(opponents, solid),
        ]
        return torch.cat([part.flatten(1) for part in parts], dim=1)

    def _edges(self, light: Tensor) -> Tensor:
        padded = functional.pad(light, [1, 1, 1, 1], mode="replicate")
        across = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
        down = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
        # bounded, not added to: an exporter takes an addend of 1e-8 for nothing, and 0 / 0 is left
        length = (across.square() + down.square()).sqrt().clamp(min=1e-4)
        cosines, sines = self.directions.view(2, 1, DIRECTIONS, 1, 1).unbind(0)
        along = ((across * cosines + down * sines) / length).square()  # (n, directions, side, side)
        cells = _pool(length * along.square().square().square(), CELLS)
        around = functional.avg_pool2d(
            functional.pad(cells.square().sum(1, keepdim=True), [1, 1, 1, 1]), 3, 1
        )
        return (cells / (around.sqrt() + 0.01)).clamp(max=1.0)


def _pool(images: Tensor, cells: int) -> Tensor:
    return functional.avg_pool2d(images, SIDE // cells)


def _histograms(opponents: Tensor, solid: Tensor) -> Tensor:
    """Roots of the shares of colours, of the whole product and of its middle: `(n, 2, bins)`."""
    small, shown = _pool(opponents, SIDE // 2), _pool(solid, SIDE // 2)  # pixels of two by two
    binned = [
        _soft_bins(channel, low, high, count)
        for channel, (low, high), count in zip(
            small.unbind(1), ((0.0, 1.0), (0.2, 0.8), (0.2, 0.8)), BINS, strict=True
        )
    ]
    light, red, yellow = binned  # each (n, bins, side, side)
    hues = (red.unsqueeze(2) * yellow.unsqueeze(1)).flatten(1, 2)
    weighted = light * shown
    parts = []
    for cut in (slice(None), slice(SIDE // 8, -SIDE // 8)):
        left = weighted[:, :, cut, cut].flatten(2)
        right = hues[:, :, cut, cut].flatten(2)
        counts = left @ right.transpose(1, 2)  # (n, light, hues)
        total = shown[:, :, cut, cut].sum((2, 3)) + 1.0  # (n, 1)
        parts.append((counts.flatten(1) / total).clamp(min=1e-8).sqrt())
    return torch.stack(parts, 1)


def _soft_bins(channel: Tensor, low: float, high: float, count: int) -> Tensor:
    """Each value shared between the two bins it lies between: `(n, count, side, side)`."""
    place = ((channel - low) / (high - low) * (count - 1)).clamp(0, count - 1).unsqueeze(1)
    bins = torch.arange(count, device=channel.device, dtype=channel.dtype).view(1, count, 1, 1)
    return (1 - (place - bins).abs()).clamp(min=0)


def pooled_and_grid(resnet: ResNet, images: Tensor) -> tuple[Tensor, Tensor]:
    """A ResNet's pooled features `(n, features)`, and its middle maps on a grid `(n, dim)`.

    Args:
        resnet: of torchvision, without its classifier.
        images: `(n, 3, side, side)`, normalised.
    """
    maps = resnet.maxpool(resnet.relu(resnet.bn1(resnet.conv1(images))))
    middle = []
    for name in ("layer1", "layer2", "layer3", "layer4"):
        maps = getattr(resnet, name)(maps)
        if name in MIDDLE:
            down, across = (_cells(side, MIDDLE[name], maps.device) for side in maps.shape[2:])
            with torch.autocast(maps.device.type, enabled=False):
                middle.append((down @ maps.float() @ across.T).flatten(1))
    return resnet.avgpool(maps).flatten(1).float(), torch.cat(middle, dim=1)


def _cells(side: int, count: int, device: torch.device) -> Tensor:
    """What takes the means of `count` cells of about equal size along a side: `(count, side)`.

    As adaptive pooling does, whose uneven cells ONNX can only spell out in dozens of steps.
    """
    place, at = torch.arange(count, device=device)[:, None], torch.arange(side, device=device)
    inside = (at >= place * side // count) & (at < ((place + 1) * side + count - 1) // count)
    return inside / inside.sum(1, keepdim=True)


def spatial_feature_count(resnet: ResNet) -> int:
    """How many spatial features there are with this ResNet: the fixed ones and its maps'."""
    with torch.inference_mode():
        _, middle = pooled_and_grid(copy.deepcopy(resnet).cpu().eval(), torch.zeros(1, 3, 32, 32))
    return SpatialFeatures.dim + middle.shape[1]


@dataclass(frozen=True)
class SpatialProjection:
    """The principal directions of spatial features, as a model keeps them."""

    mean: Vectors  # (features,)
    deviation: Vectors  # (features,)
    components: Vectors  # (features, dim)

    @property
    def dim(self) -> int:
        """How many components there are."""
        return int(self.components.shape[1])

    def save(self, path: Path) -> None:
        """Writes mean and deviation in half precision, each component in bytes and its scale."""
        scale = np.maximum(np.abs(self.components).max(0), 1e-12) / STEPS  # (dim,)
        arrays = {
            "mean": self.mean.astype(np.float16),
            "spread": self.deviation.astype(np.float16),
            "components": np.rint(self.components / scale).astype(np.int8),
            "scale": scale.astype(np.float32),
        }
        with new_file(path) as file:
            file.write(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))

    @classmethod
    def open(cls, path: Path, features: int) -> Self | None:
        """What `save` wrote; nothing where there is no such file.

        Args:
            path: the file.
            features: how many there are with the model's ResNet.

        Raises:
            ModelError: the file is damaged or holds other arrays.
        """
        try:
            arrays = load(path.read_bytes())
            mean, deviation, components, scale = (
                arrays[name].astype(np.float32)
                for name in ("mean", "spread", "components", "scale")
            )
        except FileNotFoundError:
            return None
        except (SafetensorError, KeyError) as error:
            raise ModelError(
                f"{path}: does not hold spatial features ({error}). Train the model again."
            ) from error
        if len(components) != features:
            raise ModelError(
                f"{path}: is for {len(components)} features; with this ResNet there are "
                f"{features}. Train the model again."
            )
        return cls(mean, deviation, components * scale)


class SpatialComponents(nn.Module):
    """Pictures and their middle maps to the components of the spatial features."""

    def __init__(self, spatial: SpatialProjection) -> None:
        super().__init__()
        self.projection = spatial
        self.features = SpatialFeatures()
        self.mean: Tensor
        self.deviation: Tensor
        self.components: Tensor
        for name in ("mean", "deviation", "components"):
            self.register_buffer(name, torch.from_numpy(getattr(spatial, name)))

    def forward(self, pixels: Tensor, middle: Tensor) -> Tensor:
        """Components `(n, dim)` of `(n, side, side, 3)` bytes and the middle maps, in float32."""
        with torch.autocast(pixels.device.type, enabled=False):
            features = torch.cat([self.features(pixels), middle], dim=1)
            rows = (features - self.mean) / self.deviation
            found: Tensor = rows.clamp(-LARGEST, LARGEST) @ self.components
            return found


def fit_spatial(features: Vectors, dim: int) -> SpatialProjection:
    """The principal components of `(n, features)` rows, every feature standardised.

    All components are divided by the standard deviation of the first, so they keep their weights.
    """
    mean, deviation = features.mean(0), features.std(0)
    for part in (slice(SpatialFeatures.dim), slice(SpatialFeatures.dim, None)):
        if len(deviation[part]):  # what hardly varies beside others of its kind says little
            deviation[part] += 0.2 * deviation[part].mean() + 1e-4
    rows = np.clip((features - mean) / deviation, -LARGEST, LARGEST)
    if len(rows) < rows.shape[1]:
        _, lengths, directions = np.linalg.svd(rows, full_matrices=False)
        values, directions = lengths**2 / len(rows), directions.T
    else:
        values, directions = np.linalg.eigh((rows.T @ rows / len(rows)).astype(np.float64))
    kept = np.argsort(-values)[:dim]
    components = directions[:, kept] / np.sqrt(values[kept[0]])
    return SpatialProjection(mean, deviation, components.astype(np.float32))


def reduce_spatial(
    spatial: SpatialProjection, heads: Heads, dim: int
) -> tuple[SpatialProjection, Heads]:
    """A smaller projection for heads that were fitted over all components of another.

    It has the directions that the head of pictures takes, which are all that it needs, and the
    leading components up to `dim`, for heads to come.
    """
    pooled = len(heads.image.weight) - spatial.dim
    weight = heads.image.weight[pooled:]  # (components, inner)
    lengths = np.maximum(np.linalg.norm(weight, axis=0), 1e-12)
    others = max(0, min(dim, spatial.dim) - len(lengths))
    components = np.concatenate(
        [spatial.components @ (weight / lengths), spatial.components[:, :others]], axis=1
    )
    unused = np.zeros((others, len(lengths)), np.float32)
    weight = np.concatenate(
        [heads.image.weight[:pooled], np.diag(lengths), unused], dtype=np.float32
    )
    settled = replace(spatial, components=components.astype(np.float32))
    return settled, replace(heads, image=replace(heads.image, weight=weight))
