"""Encoders by what runs them quickest: onnxruntime on a CPU in float32 and int8, else torch.

Figures: docs/experiments.md, "What runs encoders on a CPU". torch, which takes seconds to load, is
loaded only where it runs or exports an encoder.
"""

import logging
from pathlib import Path

from prodmatch.encoders.batches import ImageBatches, TextBatches
from prodmatch.encoders.device import Compute, Precision, prepare_torch, require_onnx
from prodmatch.encoders.graphs import (
    TOKENS,
    OnnxImageEncoder,
    OnnxTextEncoder,
    graph_path,
    is_ready,
)
from prodmatch.model.preprocessing import ImageSpec, TextSpec
from prodmatch.storage.atomic import copy_file, list_files, new_directory, write_json

logger = logging.getLogger(__name__)


def open_text_encoder(folder: Path, spec: TextSpec, compute: Compute, graphs: Path) -> TextBatches:
    """A text encoder ready to run; its graph is made below `graphs` where it is needed."""
    if _is_of_graphs(compute):
        graph = ready_graph(folder, spec, graphs, compute.precision)
        return OnnxTextEncoder(folder, spec, graph)
    prepare_torch()
    from prodmatch.encoders.networks.text import TextEncoder

    return TextEncoder(folder, spec, compute)


def open_image_encoder(
    folder: Path, spec: ImageSpec, compute: Compute, graphs: Path
) -> ImageBatches:
    """A picture encoder ready to run; its graph is made below `graphs` where it is needed."""
    if _is_of_graphs(compute):
        graph = ready_graph(folder, spec, graphs, compute.precision)
        return OnnxImageEncoder(spec, graph, compute.precision)
    prepare_torch()
    from prodmatch.encoders.networks.image import ImageEncoder

    return ImageEncoder(folder, spec, compute)


def ready_graph(
    folder: Path, spec: TextSpec | ImageSpec, root: Path, precision: Precision = "float32"
) -> Path:
    """The graph of an encoder below `root`, made where it is not there.

    Raises:
        ModelError: the graph does not agree with torch.
        NotInstalledError: what makes it is not installed.
    """
    graph = graph_path(root, folder, spec, precision)
    if is_ready(graph, folder):
        return graph
    if precision == "int8":
        _write_int8_graph(ready_graph(folder, spec, root), spec, graph)
        return graph
    prepare_torch()
    from prodmatch.encoders.networks.onnx_export import export_encoder

    export_encoder(folder, spec, graph)
    return graph


def _write_int8_graph(exact: Path, spec: TextSpec | ImageSpec, graph: Path) -> None:
    require_onnx()
    from prodmatch.encoders.int8_graphs import quantise_graph
    from prodmatch.encoders.int8_pictures import quantise_resnet

    logger.info("writing %s in int8, once for this store", graph.name)
    with new_directory(graph.parent) as temporary:
        if isinstance(spec, TextSpec):
            quantise_graph(exact, temporary / graph.name)
            copy_file(exact.with_name(TOKENS), temporary / TOKENS)
        else:
            quantise_resnet(exact, temporary / graph.name, spec.crop_pixels)
        write_json(temporary / "manifest.json", {"files": list_files(temporary)})


def _is_of_graphs(compute: Compute) -> bool:
    """Whether onnxruntime runs it; for 8 bits no GPU is needed."""
    in_float32 = compute.device == "cpu" and compute.precision == "float32"
    return in_float32 or compute.precision == "int8"
