"""The precisions that encoders compute in."""

from typing import Literal

from prodmatch.errors import ModelError
from prodmatch.model.preprocessing import ImageSpec

Precision = Literal["float32", "bf16", "int8"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bf16", "int8")


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
