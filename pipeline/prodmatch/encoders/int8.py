"""Linear layers in 8-bit integers: each row of the inputs by a scale of its own.

A scale over a whole batch, as onnxruntime's dynamic quantisation has, would make a text's feature
depend on its neighbours: docs/experiments.md, "What runs encoders on a CPU".
"""

import torch
from torch import Tensor, nn

from prodmatch.encoders.device import has_int8

LARGEST = 127
SMALLEST = 1e-12  # step of a row whose numbers are all the same
GROUP = 384
NARROWING_GROUP = 192  # of a layer with fewer outputs than inputs, where more groups cost little
UNUSED = "pooler"  # of a BERT; its states are pooled otherwise


class Int8Linear(nn.Module):
    """A linear layer whose inputs are taken in groups of columns.

    In a group each row of the inputs has a scale, and each output a scale for its weights. Inputs
    are taken from the middle of their range, as those behind a GELU are nearly all of one sign.
    The products are of integers, so they are exact and do not depend on the other rows. Where the
    processor has no such instructions they are computed in float32, which gives the same to the
    sixth digit: 8-bit instructions without VNNI would overflow.
    """

    def __init__(self, linear: nn.Linear, *, integer: bool) -> None:
        super().__init__()
        weight = linear.weight.detach().float()  # (out, in)
        self.columns = GROUP if len(weight) >= weight.shape[1] else NARROWING_GROUP
        groups = weight.split(self.columns, dim=1)
        self.groups = nn.ModuleList(_Columns(group, integer=integer) for group in groups)
        bias = torch.zeros(len(weight)) if linear.bias is None else linear.bias.detach().float()
        self.bias: Tensor
        self.register_buffer("bias", bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """`(..., out)` of `(..., in)`, in float32."""
        rows = inputs.reshape(-1, inputs.shape[-1]).float()
        parts = rows.split(self.columns, dim=1)
        product = self.groups[0](parts[0]).add_(self.bias)
        for group, part in zip(self.groups[1:], parts[1:], strict=True):
            product.add_(group(part))
        found: Tensor = product.view(*inputs.shape[:-1], -1)
        return found


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


def quantise_linear_layers(encoder: nn.Module, device: torch.device) -> None:
    """Replaces the linear layers of an encoder, in place."""
    integer = has_int8(device)
    for name, child in encoder.named_children():
        if isinstance(child, nn.Linear):
            setattr(encoder, name, Int8Linear(child, integer=integer))
        elif name != UNUSED:
            quantise_linear_layers(child, device)
