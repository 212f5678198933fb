"""Where an encoder runs, and in which precision."""

import contextlib
import ctypes
import functools
import importlib.util
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from prodmatch.errors import ModelError, not_installed
from prodmatch.model.preprocessing import ImageSpec

Precision = Literal["float32", "bf16", "int8"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bf16", "int8")
if TYPE_CHECKING:  # it is loaded where something runs by it
    import torch

logger = logging.getLogger(__name__)

WITHOUT = "the shipped model in float32 on a CPU works without it"


def precision_of_name(name: str) -> Precision:
    """The precision of that name."""
    for precision in PRECISIONS:
        if name == precision:
            return precision
    raise ModelError(f"`precision={name}`: must be auto, float32, bf16 or int8.")


def picture_precision(precision: Precision, spec: ImageSpec) -> Precision:
    """What pictures are encoded in: 8 bits are for ResNets, and lose too much of EfficientNet."""
    is_resnet = "resne" in spec.architecture
    return precision if precision != "int8" or is_resnet else "float32"


@dataclass(frozen=True)
class Compute:
    """A device and a precision; all work everywhere, and are slow where they are emulated."""

    device: str = "cpu"
    precision: Precision = "float32"

    @contextlib.contextmanager
    def inference(self) -> Iterator[None]:
        """A context in which torch runs encoders."""
        import torch

        with torch.inference_mode(), autocast(self.device, self.precision):
            yield

    def load(self, array: npt.NDArray[np.generic]) -> "torch.Tensor":
        """An array on the device; to a GPU it is copied while that computes."""
        import torch

        tensor = torch.from_numpy(array)
        if self.device == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)


CPU = Compute()


def choose_device(name: str) -> str:
    """The device called `auto`, `cpu` or `cuda`; `auto` takes a GPU where there is one.

    Raises:
        ModelError: `cuda` was given and there is none.
        NotInstalledError: `cuda` was given and torch is not installed.
    """
    if name == "cuda":
        prepare_torch()
    available = name != "cpu" and _has_gpu()
    if name == "cuda" and not available:
        raise ModelError("`device=cuda`: no CUDA device was found. Use `device=auto` or `cpu`.")
    return "cuda" if available else "cpu"


def _has_gpu() -> bool:
    """Whether torch finds a GPU; it is not loaded where it, or a driver, is not there."""
    if not has_torch():
        return False
    if "torch" not in sys.modules and not (_has_cuda_driver() or Path("/dev/kfd").exists()):
        return False
    import torch

    return torch.cuda.is_available()


def _has_cuda_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def has_torch() -> bool:
    """Whether torch is installed, by which bf16 and GPUs run, and graphs are exported."""
    return _is_installed("torch")


def _is_installed(module: str) -> bool:
    try:
        return module in sys.modules or importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def prepare_torch() -> None:
    """Says in the log that torch is loaded next, which takes seconds."""
    if not has_torch():
        raise not_installed("torch", WITHOUT)
    if "torch" not in sys.modules:
        logger.info("loading torch", extra={"phase": "loading torch"})


def require_onnx() -> None:
    """Raises an error where a graph cannot be changed."""
    if not _is_installed("onnx"):
        raise not_installed("onnx", WITHOUT)


def release_memory() -> None:
    """Gives back what torch keeps of a GPU's memory, where it is loaded."""
    if "torch" in sys.modules:
        sys.modules["torch"].cuda.empty_cache()


def choose_precision(name: str, device: str) -> Precision:
    """The precision of that name, for encoders; of `auto`, the one that is taken unmeasured.

    Raises:
        ModelError: there is no such precision.
    """
    if name == "auto":
        is_quick = device == "cuda" or (_cpu_has_amx() and has_torch())
        return "bf16" if is_quick else "float32"
    return precision_of_name(name)


def has_bf16(device: str) -> bool:
    """Whether the device computes in bf16 itself; emulated, it is 15 times slower."""
    return device == "cuda" or _cpu_has_bf16()


def has_int8(device: str) -> bool:
    """Whether the device multiplies 8-bit integers itself, without overflow."""
    return device == "cpu" and _cpu_has_vnni()


def warn_of_emulation(precision: Precision, device: str) -> None:
    """Says where a device does not compute in a precision itself, so that float32 is quicker."""
    if precision == "bf16" and not has_bf16(device):
        logger.warning(
            "bf16 is emulated on this processor, some fifteen times slower than "
            "`precision=float32`, which would encode everything again."
        )
    if precision == "int8" and not has_int8(device):
        logger.warning(
            "int8 is for processors with VNNI; here it is hardly quicker than `precision=float32`, "
            "which would encode the texts again."
        )


def _cpu_has_vnni() -> bool:
    return not _cpu_flags().isdisjoint({"avx512_vnni", "avx_vnni"})


def _cpu_has_bf16() -> bool:
    return "avx512_bf16" in _cpu_flags()


def _cpu_has_amx() -> bool:
    return _cpu_has_bf16() and "amx_tile" in _cpu_flags()


@functools.cache
def _cpu_flags() -> frozenset[str]:
    """What Linux says that the processor can do; nothing elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.split() for line in lines if line.startswith("flags")), ()))


def torch_precision(device: str) -> Precision:
    """What torch is quickest in, for training and for encoders that stay in torch."""
    return "bf16" if has_bf16(device) else "float32"


def autocast(device: str, precision: Precision | None = None) -> "torch.autocast":
    """A context in which torch computes in a precision, by default its quickest."""
    import torch

    bf16 = (precision or torch_precision(device)) == "bf16"
    return torch.autocast(device, torch.bfloat16, enabled=bf16)
