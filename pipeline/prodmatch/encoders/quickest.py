"""Encoders by what runs them quickest: onnxruntime on a CPU in float32, else torch.

Figures: docs/experiments.md, "What runs encoders on a CPU".
"""

from pathlib import Path

from prodmatch.encoders.device import Compute
from prodmatch.encoders.image import ImageBatches, ImageEncoder, OnnxImageEncoder
from prodmatch.encoders.onnx_export import ready_image_graph, ready_text_graph
from prodmatch.encoders.text import OnnxTextEncoder, TextBatches, TextEncoder
from prodmatch.model.preprocessing import ImageSpec, TextSpec


def open_text_encoder(folder: Path, spec: TextSpec, compute: Compute, graphs: Path) -> TextBatches:
    """A text encoder ready to run; its graph is exported below `graphs` where it is needed."""
    if not _is_exact_cpu(compute):
        return TextEncoder(folder, spec, compute)
    return OnnxTextEncoder(folder, spec, ready_text_graph(folder, spec, graphs))


def open_image_encoder(
    folder: Path, spec: ImageSpec, compute: Compute, graphs: Path
) -> ImageBatches:
    """A picture encoder ready to run; its graph is exported below `graphs` where it is needed."""
    if not _is_exact_cpu(compute):
        return ImageEncoder(folder, spec, compute)
    return OnnxImageEncoder(spec, ready_image_graph(folder, spec, graphs))


def _is_exact_cpu(compute: Compute) -> bool:
    return compute.device.type == "cpu" and compute.precision == "float32"
