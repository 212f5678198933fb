"""Encoders by what runs them quickest: onnxruntime on a CPU in float32, else torch.

Figures: docs/experiments.md, "What runs encoders on a CPU". torch, which takes seconds to load, is
loaded only where it runs or exports an encoder.
"""

from pathlib import Path

from prodmatch.encoders.batches import ImageBatches, TextBatches
from prodmatch.encoders.device import Compute, prepare_torch
from prodmatch.encoders.graph_encoders import OnnxImageEncoder, OnnxTextEncoder
from prodmatch.encoders.graphs import graph_path, is_ready
from prodmatch.model.preprocessing import ImageSpec, TextSpec


def open_text_encoder(folder: Path, spec: TextSpec, compute: Compute, graphs: Path) -> TextBatches:
    """A text encoder ready to run; its graph is made below `graphs` where it is needed."""
    if _is_exact_cpu(compute):
        return OnnxTextEncoder(folder, spec, ready_graph(folder, spec, graphs))
    prepare_torch()
    from prodmatch.encoders.networks.text import TextEncoder

    return TextEncoder(folder, spec, compute)


def open_image_encoder(
    folder: Path, spec: ImageSpec, compute: Compute, graphs: Path
) -> ImageBatches:
    """A picture encoder ready to run; its graph is made below `graphs` where it is needed."""
    if _is_exact_cpu(compute):
        return OnnxImageEncoder(spec, ready_graph(folder, spec, graphs))
    prepare_torch()
    from prodmatch.encoders.networks.image import ImageEncoder

    return ImageEncoder(folder, spec, compute)


def ready_graph(folder: Path, spec: TextSpec | ImageSpec, root: Path) -> Path:
    """The graph of an encoder below `root`, exported where it is not there.

    Raises:
        ModelError: the graph does not agree with torch.
    """
    graph = graph_path(root, folder, spec)
    if not is_ready(graph, folder):
        prepare_torch()
        from prodmatch.encoders.networks.onnx_export import export_encoder

        export_encoder(folder, spec, graph)
    return graph


def _is_exact_cpu(compute: Compute) -> bool:
    return compute.device == "cpu" and compute.precision == "float32"
