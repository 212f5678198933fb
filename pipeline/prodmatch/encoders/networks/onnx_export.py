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

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from prodmatch.encoders.batches import TokenLimits
from prodmatch.encoders.device import CPU, Compute
from prodmatch.encoders.graph_encoders import OnnxImageEncoder, OnnxTextEncoder
from prodmatch.encoders.graphs import weights_path, write_token_limits
from prodmatch.encoders.networks.image import ImageEncoder
from prodmatch.encoders.networks.text import TextEncoder
from prodmatch.encoders.precisions import Precision, picture_precision
from prodmatch.errors import ModelError
from prodmatch.model.description import Model
from prodmatch.model.onnx_encoders import QueryEncoders
from prodmatch.model.preprocessing import ImageSpec, Pixels, TextSpec
from prodmatch.storage.atomic import (
    list_files,
    new_directory,
    write_json,
)
from prodmatch.storage.vectors import Vectors, normalise

logger = logging.getLogger(__name__)

SAMPLE_TEXTS = (
    "red t-shirt",
    "women's leather handbag, black",
    "usb-c cable 2 m",
    "Stuhl für Gäste",
)
COSINE = 0.999  # what an exported encoder must reach against torch
QUICK_COSINE = 0.98  # what bf16 and int8 should reach against float32; below it a warning says so
ABSURD_COSINE = 0.8


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
    encoder.rows = exported.rows = len(SAMPLE_TEXTS)
    return encoder.encode(SAMPLE_TEXTS), exported.encode(SAMPLE_TEXTS)


def _export_image(folder: Path, spec: ImageSpec, path: Path) -> tuple[Vectors, Vectors]:
    """As `_export_text`, of a picture encoder."""
    encoder, pixels = ImageEncoder(folder, spec), _sample_pictures(spec)
    inputs = {"pixels": torch.from_numpy(pixels[:2])}
    _export(encoder.model, inputs, [{0: torch.export.Dim("rows")}], path)
    exported = OnnxImageEncoder(spec, path)
    encoder.rows = exported.rows = len(pixels)
    return encoder.encode(pixels), exported.encode(pixels)


def _sample_pictures(spec: ImageSpec) -> Pixels:
    side = spec.crop_pixels
    pixels = np.random.default_rng(0).integers(0, 255, (4, side, side, 3), dtype=np.uint8)
    pixels[1:, : side // 2] = 255  # most products stand on plain white
    return pixels


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
    weights, model = weights_path(path), program.model_proto
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info):
        part.ClearField("metadata_props")  # paths of this machine, where each came from
        part.ClearField("doc_string")
    onnx.save_model(model, path, save_as_external_data=True, location=weights.name)
    weights.chmod(0o644)  # as any other file; the library keeps it to its owner


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


def check_quick_features(model: Model, exported: QueryEncoders, precision: Precision) -> None:
    """Compares what products are encoded in with what queries are, and logs what is lost.

    Raises:
        ModelError: nearly everything is lost.
    """
    check_precision(model, _quick_cosines(model, exported, precision), precision)


def _quick_cosines(model: Model, exported: QueryEncoders, precision: Precision) -> dict[str, float]:
    """The lowest cosine of each kind of unit parts in a precision with those in float32."""
    pair, pixels = model.encoders, _sample_pictures(model.description.image)
    text = TextEncoder(pair.text_folder, pair.text, Compute(CPU.device, precision))
    text.rows = len(SAMPLE_TEXTS)
    texts = model.heads.texts(text.encode(SAMPLE_TEXTS))
    exact = exported.texts(SAMPLE_TEXTS, passage=True)
    cosines = {"text": float((texts * exact).sum(axis=1).min())}
    if picture_precision(precision) != "float32":
        image = ImageEncoder(pair.image_folder, pair.image, Compute(CPU.device, precision))
        image.rows = len(pixels)
        pictures = model.heads.pictures(image.encode(pixels))
        cosines["image"] = float((pictures * exported.pictures(pixels)).sum(axis=1).min())
    return cosines


def check_precision(model: Model, cosines: dict[str, float], precision: Precision) -> None:
    """Logs what products' features lose in a precision, while queries are encoded in float32."""
    for name, lowest in cosines.items():
        found = f"{model.folder}: in {precision} the {name} encoder agrees with float32 to a cosine"
        found += " of"
        if not lowest >= ABSURD_COSINE:
            raise ModelError(f"{found} {lowest:.3f}. Embed with `precision=float32`.")
        level = logging.INFO if lowest >= QUICK_COSINE else logging.WARNING
        logger.log(level, "%s %.4f; `precision=float32` loses nothing.", found, lowest)
