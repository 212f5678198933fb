"""Encoders by what runs them quickest: onnxruntime on a CPU in float32, else torch.

Figures: docs/experiments.md, "What runs encoders on a CPU". torch, which takes seconds to load, is
loaded only where it runs or exports an encoder.
"""

from pathlib import Path

from prodmatch.encoders.batches import ImageBatches, TextBatches
from prodmatch.encoders.device import Compute, prepare_torch
from prodmatch.encoders.graph_encoders import OnnxImageEncoder, OnnxTextEncoder
from prodmatch.encoders.graphs import image_graph, is_ready, text_graph
from prodmatch.model.preprocessing import ImageSpec, TextSpec


def open_text_encoder(folder: Path, spec: TextSpec, compute: Compute, graphs: Path) -> TextBatches:
    """A text encoder ready to run; its graph is made below `graphs` where it is needed."""
    if _is_exact_cpu(compute):
        return OnnxTextEncoder(folder, spec, ready_text_graph(folder, spec, graphs))
    prepare_torch()
    from prodmatch.encoders.networks.text import TextEncoder

    return TextEncoder(folder, spec, compute)


def open_image_encoder(
    folder: Path, spec: ImageSpec, compute: Compute, graphs: Path
) -> ImageBatches:
    """A picture encoder ready to run; its graph is made below `graphs` where it is needed."""
    if _is_exact_cpu(compute):
        return OnnxImageEncoder(spec, ready_image_graph(folder, spec, graphs))
    prepare_torch()
    from prodmatch.encoders.networks.image import ImageEncoder

    return ImageEncoder(folder, spec, compute)


def ready_text_graph(folder: Path, spec: TextSpec, root: Path) -> Path:
    """The graph of a text encoder below `root`, exported where it is not there.

    Raises:
        ModelError: the graph does not agree with torch.
    """
    graph = text_graph(root, folder, spec)
    if is_ready(graph, folder):
        return graph
    prepare_torch()
    from prodmatch.encoders.networks.onnx_export import export_text

    return export_text(folder, spec, root)


def ready_image_graph(folder: Path, spec: ImageSpec, root: Path) -> Path:
    """The graph of a picture encoder below `root`, exported where it is not there.

    Raises:
        ModelError: the graph does not agree with torch.
    """
    graph = image_graph(root, folder, spec)
    if is_ready(graph, folder):
        return graph
    prepare_torch()
    from prodmatch.encoders.networks.onnx_export import export_image

    return export_image(folder, spec, root)


def _is_exact_cpu(compute: Compute) -> bool:
    return compute.device == "cpu" and compute.precision == "float32"
