"""Exports the shipped model's encoders, and keeps their graphs without the weights.

Run it whenever the encoders of `compact` change:

    python recipes/compact/graphs.py

Of every tensor in a graph, `weights.json` says how it is made of those in the encoder's file; what
is made of none stays in the graph.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper
from onnx.external_data_helper import set_external_data
from safetensors.numpy import load_file

from prodmatch.encoders.graphs import (
    DESCRIBED,
    MAKE,
    SHIPPED,
    TOKENS,
    WEIGHTS,
    fill_weights,
    graph_path,
    weights_path,
)
from prodmatch.encoders.networks.onnx_export import export_encoder
from prodmatch.model.description import open_model
from prodmatch.storage.atomic import digest_bytes, write_json

Tensors = Mapping[str, npt.NDArray[np.float32]]
EXTERNAL_BYTES = 1024  # tensors of fewer stay in the graph
PAGE = 4096


def write_shipped_graphs(target: Path) -> None:
    """Writes the graphs of `compact` below `target`, each in a directory of the graph's name."""
    pair = open_model("compact").encoders
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for encoder, spec in ((pair.text_folder, pair.text), (pair.image_folder, pair.image)):
            graph = graph_path(root, encoder, spec)
            export_encoder(encoder, spec, graph)
            strip_weights(graph, encoder / WEIGHTS, target / graph.parent.name)


def strip_weights(graph: Path, weights: Path, target: Path) -> None:
    """Writes a graph without its weights, and where they are.

    Args:
        graph: with its weights.
        weights: the encoder's file.
        target: the directory to write.

    Raises:
        ValueError: what is written would not give the same weights.
    """
    tensors = {name: value.astype(np.float32) for name, value in load_file(weights).items()}
    model = onnx.load(graph)
    entries, content = [], bytearray()
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        origin = _find_origin(tensor.name, array, tensors)
        if array.nbytes < EXTERNAL_BYTES or origin is None:
            continue
        how, of = origin
        content += bytes(-len(content) % PAGE)  # so that it can be mapped
        entries.append({"offset": len(content), "how": how, "of": of})
        set_external_data(tensor, weights_path(graph).name, len(content), array.nbytes)
        tensor.ClearField("raw_data")
        content += array.tobytes()
    described = {"size": len(content), "digest": digest_bytes(content), "tensors": entries}
    if fill_weights(described, tensors) != content:
        raise ValueError(f"{graph}: its weights cannot be made of {weights}")
    target.mkdir(parents=True)
    (target / graph.name).write_bytes(model.SerializeToString())
    write_json(target / DESCRIBED, described)
    if (tokens := graph.with_name(TOKENS)).exists():
        shutil.copyfile(tokens, target / TOKENS)


def _find_origin(
    name: str, array: npt.NDArray[np.generic], tensors: Tensors
) -> tuple[str, list[str]] | None:
    for how, of in _candidates(name, array.shape, tensors):
        if np.array_equal(MAKE[how](*(tensors[each] for each in of)), array):
            return how, of
    return None


def _candidates(
    name: str, shape: tuple[int, ...], tensors: Tensors
) -> Iterator[tuple[str, list[str]]]:
    for other, value in tensors.items():
        if value.shape == shape:
            yield "same", [other]
        if value.T.shape == shape:
            yield "transposed", [other]
    layer, _, kind = name.removeprefix("net.").rpartition(".conv.")
    norm = f"{layer}.norm"
    if kind and f"{norm}.running_var" in tensors:
        scale = [f"{norm}.weight", f"{norm}.running_var"]
        yield "folded weight", [f"{layer}.conv.weight", *scale]
        yield "folded bias", [f"{norm}.bias", f"{norm}.running_mean", *scale]


if __name__ == "__main__":
    shutil.rmtree(SHIPPED, ignore_errors=True)
    write_shipped_graphs(SHIPPED)
