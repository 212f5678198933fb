"""Linear layers in 8-bit integers: each row of the inputs by a scale of its own.

A scale over a whole batch, as onnxruntime's dynamic quantisation has, would make a text's feature
depend on its neighbours: docs/experiments.md, "What runs encoders on a CPU".
"""

import functools

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from prodmatch.encoders.device import has_int8

LARGEST = 127
SMALLEST = 1e-12  # step of a row whose numbers are all the same
GROUP = 384
NARROWING_GROUP = 192  # of a layer with fewer outputs than inputs, where more groups cost little
UNUSED = "pooler"  # of a BERT; its states are pooled otherwise
DRAWN = (64, 16)  # texts of random tokens, and tokens of each, that tell how large inputs are
LEAST_SIZE = 0.1  # of the median, of an input that the drawn texts hardly have


class Int8Linear(nn.Module):
    """A linear layer whose inputs are taken in groups of columns.

    In a group each row of the inputs has a scale, and each output a scale for its weights. So that
    a few large columns do not take the scale from the others, each is divided by a number that its
    weights are multiplied by, which makes it as large as these (SmoothQuant). Inputs are taken
    from the middle of their range, as those behind a GELU are nearly all of one sign. The products
    are of integers, so they are exact and do not depend on the other rows. Where the processor
    has no such instructions they are computed in float32, which gives the same to the sixth
    digit: 8-bit instructions without VNNI would overflow.
    """

    def __init__(self, linear: nn.Linear, sizes: Tensor, *, integer: bool) -> None:
        """Takes how large each of the inputs usually is, `(in,)`."""
        super().__init__()
        weight = linear.weight.detach().float()  # (out, in)
        divisors = _divisors(sizes, weight)
        self.columns = GROUP if len(weight) >= weight.shape[1] else NARROWING_GROUP
        groups = (weight * divisors).split(self.columns, dim=1)
        self.groups = nn.ModuleList(_Columns(group, integer=integer) for group in groups)
        bias = torch.zeros(len(weight)) if linear.bias is None else linear.bias.detach().float()
        self.bias: Tensor
        self.gains: Tensor
        self.register_buffer("bias", bias)
        self.register_buffer("gains", 1 / divisors)

    def forward(self, inputs: Tensor) -> Tensor:
        """`(..., out)` of `(..., in)`, in float32."""
        rows = inputs.reshape(-1, inputs.shape[-1]) * self.gains
        parts = rows.split(self.columns, dim=1)
        product = self.groups[0](parts[0]).add_(self.bias)
        for group, part in zip(self.groups[1:], parts[1:], strict=True):
            product.add_(group(part))
        found: Tensor = product.view(*inputs.shape[:-1], -1)
        return found


def _divisors(sizes: Tensor, weight: Tensor) -> Tensor:
    """Fourths of powers of two `(in,)`, which other rounding of the sizes hardly changes."""
    least = LEAST_SIZE * sizes.median().clamp_min(SMALLEST)
    largest = weight.abs().amax(0).clamp_min(SMALLEST)
    fourths = (sizes.clamp_min(least) / largest).sqrt().log2().mul(4).round()
    return torch.exp2(fourths / 4)


class _Columns(nn.Module):
    """The product with some columns of the weights, `(out, columns)`."""

    def __init__(self, weight: Tensor, *, integer: bool) -> None:
        super().__init__()
        scale = weight.abs().amax(1).clamp_min(SMALLEST) / LARGEST
        rounded = (weight / scale[:, None]).round()
        self.integer = integer
        self.weight: Tensor
        self.scale: Tensor
        self.sums: Tensor
        self.register_buffer("weight", (rounded.to(torch.int8) if integer else rounded).t())
        self.register_buffer("scale", scale)
        self.register_buffer("sums", rounded.sum(1) * scale)

    def forward(self, rows: Tensor) -> Tensor:
        """`(n, out)` of `(n, columns)`."""
        highest, lowest = rows.amax(1, keepdim=True), rows.amin(1, keepdim=True)
        middle = (highest + lowest) / 2
        step = (highest - middle).clamp_min_(SMALLEST) / LARGEST
        rounded = (rows - middle).mul_(1 / step).round_()
        if self.integer:
            product = torch._int_mm(rounded.to(torch.int8), self.weight).float()
        else:
            product = rounded @ self.weight
        return product.mul_(self.scale).mul_(step).addcmul_(middle, self.sums)


def quantise_linear_layers(encoder: PreTrainedModel, device: str) -> None:
    """Replaces the linear layers of an encoder, in place."""
    integer = has_int8(device)
    for name, sizes in _measure_inputs(encoder).items():
        linear = encoder.get_submodule(name)
        if isinstance(linear, nn.Linear):
            encoder.set_submodule(name, Int8Linear(linear, sizes, integer=integer))


def _measure_inputs(encoder: PreTrainedModel) -> dict[str, Tensor]:
    """The root mean square of each input of the linear layers, over texts of random tokens."""
    sizes: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_pre_hook(functools.partial(_record_size, sizes, name))
        for name, module in encoder.named_modules()
        if isinstance(module, nn.Linear) and UNUSED not in name.split(".")
    ]
    drawn = np.random.default_rng(0).integers(encoder.config.vocab_size, size=DRAWN)
    ids = torch.from_numpy(drawn)
    with torch.no_grad():
        encoder(input_ids=ids, attention_mask=torch.ones_like(ids))
    for hook in hooks:
        hook.remove()
    return sizes


def _record_size(
    sizes: dict[str, Tensor], name: str, _: nn.Module, inputs: tuple[Tensor, ...]
) -> None:
    rows = inputs[0].reshape(-1, inputs[0].shape[-1]).float()
    sizes[name] = rows.square().mean(0).sqrt()
