"""Where an encoder runs, and in which precision."""

import contextlib
import functools
import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from prodmatch.encoders.precisions import Precision, precision_of_name
from prodmatch.errors import ModelError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Compute:
    """A device and a precision; all work everywhere, and are slow where they are emulated."""

    device: torch.device
    precision: Precision = "float32"

    @contextlib.contextmanager
    def inference(self) -> Iterator[None]:
        """A context in which encoders run."""
        with torch.inference_mode(), autocast(self.device, self.precision):
            yield

    def load(self, array: npt.NDArray[np.generic]) -> torch.Tensor:
        """An array on the device; to a GPU it is copied while that computes."""
        tensor = torch.from_numpy(array)
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)


CPU = Compute(torch.device("cpu"))


def choose_device(name: str) -> torch.device:
    """The device called `auto`, `cpu` or `cuda`; `auto` takes a GPU where there is one.

    Raises:
        ModelError: `cuda` was given and there is none.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ModelError("`device=cuda`: no CUDA device was found. Use `device=auto` or `cpu`.")
    return torch.device("cuda" if name != "cpu" and available else "cpu")


def choose_precision(name: str, device: torch.device) -> Precision:
    """The precision of that name, for encoders; of `auto`, the one that is taken unmeasured.

    Raises:
        ModelError: there is no such precision.
    """
    if name == "auto":
        return "bf16" if device.type == "cuda" or _cpu_has_amx() else "float32"
    return precision_of_name(name)


def has_bf16(device: torch.device) -> bool:
    """Whether the device computes in bf16 itself; emulated, it is 15 times slower."""
    return device.type == "cuda" or _cpu_has_bf16()


def has_int8(device: torch.device) -> bool:
    """Whether the device multiplies 8-bit integers itself, without overflow."""
    return device.type == "cpu" and _cpu_has_vnni()


def warn_of_emulation(precision: Precision, device: torch.device) -> None:
    """Says where a device does not compute in a precision itself, so that float32 is quicker."""
    if precision == "bf16" and not has_bf16(device):
        logger.warning(
            "bf16 is emulated on this processor, some fifteen times slower than "
            "`precision=float32`, which would encode everything again."
        )
    if precision == "int8" and not has_int8(device):
        logger.warning(
            "int8 is computed in float32 on this device, and no quicker than `precision=float32`, "
            "which would encode the texts again."
        )


@functools.cache
def _cpu_has_vnni() -> bool:
    return bool(torch.cpu._is_vnni_supported())


@functools.cache
def _cpu_has_bf16() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported())


@functools.cache
def _cpu_has_amx() -> bool:
    return _cpu_has_bf16() and bool(torch.cpu._is_amx_tile_supported())


def torch_precision(device: torch.device) -> Precision:
    """What torch is quickest in, for training and for encoders that stay in torch."""
    return "bf16" if has_bf16(device) else "float32"


def autocast(device: torch.device, precision: Precision | None = None) -> torch.autocast:
    """A context in which torch computes in a precision, by default its quickest."""
    bf16 = (precision or torch_precision(device)) == "bf16"
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16)
