"""EfficientNet-Lite0: what a picture shows and where, and of which class it may be.

The classes speak the language of the text encoder: a picture's class vector is the mean of the
text vectors of the most probable class names (ConSE, arXiv 1312.5650).
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from prodmatch.errors import ModelError, raise_if_out_of_memory
from prodmatch.storage.atomic import write_file

LITE0 = "efficientnet_lite0"
WEIGHTS = "model.safetensors"
CLASS_NAMES = "classes.txt"  # what each class is called in a text, one a line
POOLED = 1280
#: Stages whose maps are features too, and the cells of a side that they are averaged over: colours
#: and parts, and where they are, which the pooled features do not tell.
GRIDS = {3: 4, 5: 2}
#: Of each stage: kernel, stride, expansion, channels, blocks.
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
STEM = 32
NORM_EPSILON = 1e-3
VECTORS = "class_vectors"
TEMPERATURE = 2.0  # logits are divided by it
MOST_CLASSES = 100  # that a picture's class vector is a mean of


class _Convolution(nn.Module):
    """A convolution with the padding of TensorFlow, and its batch normalisation."""

    def __init__(
        self,
        channels: tuple[int, int],
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        bounded: bool = True,
    ) -> None:
        super().__init__()
        padding = kernel // 2 if stride == 1 else 0
        self.conv = nn.Conv2d(*channels, kernel, stride, padding, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(channels[1], eps=NORM_EPSILON)
        self.bounded = bounded

    def forward(self, maps: Tensor) -> Tensor:
        kernel, stride = self.conv.kernel_size[0], self.conv.stride[0]
        if stride > 1:
            down, across = (_same_padding(side, kernel, stride) for side in maps.shape[2:])
            maps = functional.pad(maps, [*across, *down])
        maps = self.norm(self.conv(maps))
        return functional.relu6(maps) if self.bounded else maps

    def fold(self) -> None:
        """Folds the normalisation, by its running statistics, into the convolution."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = fuse_conv_bn_eval(self.conv.eval(), self.norm.eval())
            self.norm = nn.Identity()


def _same_padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """What is added before and after a side, so that every stride has its output."""
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


class _Block(nn.Module):
    """An inverted residual block, without squeeze and excitation."""

    def __init__(self, channels: tuple[int, int], kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels[0] * expansion
        self.expand = _Convolution((channels[0], wide), 1) if expansion > 1 else nn.Identity()
        self.depth = _Convolution((wide, wide), kernel, stride=stride, groups=wide)
        self.project = _Convolution((wide, channels[1]), 1, bounded=False)
        self.has_skip = stride == 1 and channels[0] == channels[1]

    def forward(self, maps: Tensor) -> Tensor:
        changed: Tensor = self.project(self.depth(self.expand(maps)))
        return maps + changed if self.has_skip else changed


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0: `(n, 3, side, side)`, as it was trained on, to pooled features."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = _Convolution((3, STEM), 3, stride=2)
        blocks, channels = [], STEM
        for kernel, stride, expansion, outputs, count in STAGES:
            for position in range(count):
                first = stride if position == 0 else 1
                blocks.append(_Block((channels, outputs), kernel, first, expansion))
                channels = outputs
        self.blocks = nn.Sequential(*blocks)
        self.head = _Convolution((channels, POOLED), 1)
        self.fc = nn.Linear(POOLED, classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled features `(n, 1280)` before the classifier `fc`, and grids, in float32."""
        maps: Tensor = self.stem(images)
        grids, position = [], 0
        for stage, (_, _, _, _, count) in enumerate(STAGES, 1):
            maps = self.blocks[position : position + count](maps)
            position += count
            if stage in GRIDS:
                cell = maps.shape[-1] // GRIDS[stage]
                grids.append(functional.avg_pool2d(maps.float(), cell).flatten(1))
        return self.head(maps).float().mean((2, 3)), torch.cat(grids, dim=1)


class Lite0Features(nn.Module):
    """Pictures `(n, side, side, 3)` in bytes to pooled features, grids and class vectors."""

    def __init__(self, net: EfficientNetLite0, class_vectors: Tensor) -> None:
        super().__init__()
        self.net = net
        self.class_vectors: Tensor
        self.register_buffer("class_vectors", class_vectors)
        # How many features come before the class vector, which is in the text encoder's space.
        self.learnable = POOLED + sum(
            STAGES[stage - 1][3] * cells**2 for stage, cells in GRIDS.items()
        )
        self.dim = self.learnable + int(class_vectors.shape[1])

    def learn(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The learnable features and the class logits, in float32."""
        pooled, grids = self.net((pixels.permute(0, 3, 1, 2).float() - 127.0) / 128.0)
        with torch.autocast(pixels.device.type, enabled=False):
            return torch.cat([pooled, grids], dim=1), self.net.fc(pooled)

    def forward(self, pixels: Tensor) -> Tensor:
        """`(n, dim)` in float32."""
        features, logits = self.learn(pixels)
        with torch.autocast(pixels.device.type, enabled=False):
            logits = logits / TEMPERATURE
            least = logits.topk(min(MOST_CLASSES, logits.shape[1]), dim=1).values[:, -1:]
            shares = logits.masked_fill(logits < least, float("-inf")).softmax(dim=1)
            vectors = functional.normalize(shares @ self.class_vectors, dim=1)
            return torch.cat([features, vectors], dim=1)


def save_lite0(state: Mapping[str, Tensor], class_vectors: Tensor, folder: Path) -> None:
    """Writes a model's `image/model.safetensors`, in half precision.

    Args:
        state: of the network that is not folded, by the names of the modules here.
        class_vectors: `(classes, dim)`, the text encoder's vectors of the class names.
    """
    tensors = {name: value for name, value in state.items() if value.is_floating_point()}
    tensors[VECTORS] = class_vectors
    write_file(
        folder / WEIGHTS, save({name: value.half().contiguous() for name, value in tensors.items()})
    )


def load_lite0(folder: Path, *, folded: bool = True) -> Lite0Features:
    """The network of an image folder, in float32.

    Args:
        folded: whether batch normalisation is folded into the convolutions, which is quicker. Not
            for training: channels of folded weights differ in size by far, and a step of one size
            for all of them would move the small ones a long way.

    Raises:
        ModelError: the file is missing or holds something else.
    """
    path = folder / WEIGHTS
    try:
        state = {name: value.float() for name, value in load_file(path).items()}
        class_vectors = state.pop(VECTORS)
        net = EfficientNetLite0(len(class_vectors))
        net.load_state_dict(state)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: is missing; the picture encoder has no weights.") from error
    except Exception as error:
        raise_if_out_of_memory(error, path)
        raise ModelError(f"{path}: does not hold an EfficientNet-Lite0 ({error}).") from error
    for part in net.modules():
        if folded and isinstance(part, _Convolution):
            part.fold()
    return Lite0Features(net, class_vectors)


def read_class_names(folder: Path) -> list[str]:
    """What the classes of a picture encoder are called, none where it has none."""
    path = folder / CLASS_NAMES
    return path.read_text().splitlines() if path.exists() else []
