"""Encoders as ONNX graphs that give features, checked against torch.

A graph is named by what features of float32 are named by, so models with the same encoders share
it: the night on a CPU, queries, and other heads.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from prodmatch.encoders.batches import TokenLimits
from prodmatch.encoders.graphs import (
    SAMPLE_TEXTS,
    OnnxImageEncoder,
    OnnxTextEncoder,
    sample_pictures,
    write_token_limits,
)
from prodmatch.encoders.int8_graphs import save_graph
from prodmatch.encoders.networks.image import ImageEncoder
from prodmatch.encoders.networks.text import TextEncoder
from prodmatch.errors import ModelError
from prodmatch.model.preprocessing import ImageSpec, TextSpec
from prodmatch.storage.atomic import list_files, new_directory, write_json
from prodmatch.storage.vectors import Vectors, normalise

logger = logging.getLogger(__name__)

COSINE = 0.999  # what an exported encoder must reach against torch


def export_encoder(folder: Path, spec: TextSpec | ImageSpec, graph: Path) -> None:
    """Writes the graph of an encoder: of ids and mask, or of bytes, to features.

    Raises:
        ModelError: the graph does not agree with torch.
    """
    logger.info(
        "exporting %s of %s, once for this store",
        graph.name,
        folder.parent.name or folder,
        extra={"phase": f"export {graph.name}"},
    )
    with new_directory(graph.parent) as temporary:
        path = temporary / graph.name
        if isinstance(spec, TextSpec):
            exact, found = _export_text(folder, spec, path)
        else:
            exact, found = _export_image(folder, spec, path)
        _compare(f"{folder}: the exported {graph.name}", exact, found)
        write_json(temporary / "manifest.json", {"files": list_files(temporary)})


def _export_text(folder: Path, spec: TextSpec, path: Path) -> tuple[Vectors, Vectors]:
    """Writes the graph; gives features of samples by torch, and by the graph."""
    encoder = TextEncoder(folder, spec)
    ids = torch.randint(5, 50, (2, 8))
    rows, tokens = torch.export.Dim("rows"), torch.export.Dim("tokens")
    shape = {0: rows, 1: tokens}
    _export(encoder.model, {"ids": ids, "mask": torch.ones_like(ids)}, [shape, shape], path)
    write_token_limits(path.parent, TokenLimits(encoder.max_tokens, encoder.pad_id))
    exported = OnnxTextEncoder(folder, spec, path)
    if encoder.tokenize(SAMPLE_TEXTS) != exported.tokenize(SAMPLE_TEXTS):
        raise ModelError(
            f"{folder}: tokenizer.json and tokenizer_config.json do not read texts the same way, "
            "in small letters or not, perhaps. Write both anew with transformers: "
            "AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)."
        )
    encoder.rows = exported.rows = len(SAMPLE_TEXTS)
    return encoder.encode(SAMPLE_TEXTS), exported.encode(SAMPLE_TEXTS)


def _export_image(folder: Path, spec: ImageSpec, path: Path) -> tuple[Vectors, Vectors]:
    """As `_export_text`, of a picture encoder."""
    encoder, pixels = ImageEncoder(folder, spec), sample_pictures(spec)
    inputs = {"pixels": torch.from_numpy(pixels[:2])}
    _export(encoder.model, inputs, [{0: torch.export.Dim("rows")}], path)
    exported = OnnxImageEncoder(spec, path)
    encoder.rows = exported.rows = len(pixels)
    return encoder.encode(pixels), exported.encode(pixels)


def _export(
    module: nn.Module, inputs: dict[str, Tensor], shapes: Sequence[Mapping[int, object]], path: Path
) -> None:
    with _quiet():
        program = torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=["features"],
            dynamo=True,
            dynamic_shapes=tuple(shapes),
            verbose=False,
        )
    if program is None:
        raise ModelError(f"{path}: PyTorch gave no ONNX program for this encoder.")
    model = program.model_proto
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info):
        part.ClearField("metadata_props")  # paths of this machine, where each came from
        part.ClearField("doc_string")
    save_graph(model, path)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter narrates; what it says matters to its authors alone."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)


def _compare(name: str, exact: Vectors, found: Vectors) -> None:
    """Refuses features that differ, each measured by how much it varies among the samples."""
    deviation = exact.std(axis=0)
    scale = deviation + 1e-3 * deviation.mean() + 1e-12
    rows = [normalise((features - exact.mean(axis=0)) / scale) for features in (exact, found)]
    lowest = float((rows[0] * rows[1]).sum(axis=1).min())
    if not lowest >= COSINE:  # nor what is no number
        raise ModelError(
            f"{name} agrees with torch only to a cosine of {lowest:.5f}; {COSINE} is needed."
        )
