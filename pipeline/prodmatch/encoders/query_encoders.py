"""The query encoders of a store: a model's graphs, its heads, how they are used, what they lose."""

import logging
from pathlib import Path

from prodmatch.encoders.device import CPU, Compute, Precision, picture_precision
from prodmatch.encoders.graphs import SAMPLE_TEXTS, read_token_limits, sample_pictures, weights_path
from prodmatch.encoders.quickest import open_image_encoder, open_text_encoder, ready_graph
from prodmatch.errors import ModelError
from prodmatch.model.description import Model, description_fields
from prodmatch.model.onnx_encoders import QueryEncoders
from prodmatch.storage.atomic import (
    copy_file,
    link_or_copy,
    list_files,
    new_directory,
    verify_or_remove,
    write_json,
)

QUICK_COSINE = 0.98  # what bf16 and int8 should reach against float32; below it a warning says so
ABSURD_COSINE = 0.8
logger = logging.getLogger(__name__)


def check_quick_features(
    model: Model, exported: QueryEncoders, precision: Precision, root: Path
) -> None:
    """Compares what products are encoded in with what queries are, and logs what is lost.

    Args:
        root: the store's directory of graphs.

    Raises:
        ModelError: nearly everything is lost.
    """
    check_precision(model, _quick_cosines(model, exported, precision, root), precision)


def _quick_cosines(
    model: Model, exported: QueryEncoders, precision: Precision, root: Path
) -> dict[str, float]:
    """The lowest cosine of each kind of unit parts in a precision with those in float32."""
    pair, pixels = model.encoders, sample_pictures(model.description.image)
    compute = Compute(CPU.device, precision)
    text = open_text_encoder(pair.text_folder, pair.text, compute, root)
    text.rows = len(SAMPLE_TEXTS)
    texts = model.heads.texts(text.encode(SAMPLE_TEXTS))
    exact = exported.texts(SAMPLE_TEXTS, passage=True)
    cosines = {"text": float((texts * exact).sum(axis=1).min())}
    if picture_precision(precision, pair.image) != "float32":
        image = open_image_encoder(pair.image_folder, pair.image, compute, root)
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


def export_encoders(model: Model, root: Path, precision: Precision = "float32") -> Path:
    """The directory below `root` with the model's query encoders; made once for each model.

    It holds `text.onnx` (ids, mask -> features), `image.onnx` (bytes `(n, side, side, 3)` ->
    features), the weights of each next to it in `.onnx.data`, which are mapped and not read,
    `heads.safetensors`, which make unit parts of features, `tokenizer.json`, and `encoders.json`,
    which says how to use them.

    Args:
        root: the store's directory of graphs and query encoders.
        precision: that products are encoded in; what it loses is logged when they are made.

    Raises:
        ModelError: the exported encoders do not agree with torch, or the precision with float32.
    """
    folder = root / model.fingerprint[:32]
    if verify_or_remove(folder):
        return folder
    logger.info("exporting the query encoders", extra={"phase": "export encoders"})
    pair = model.encoders
    graphs = [
        ready_graph(pair.text_folder, pair.text, root),
        ready_graph(pair.image_folder, pair.image, root),
    ]
    tokens = read_token_limits(graphs[0])
    with new_directory(folder) as temporary:
        for path in (part for graph in graphs for part in (graph, weights_path(graph))):
            link_or_copy(path, temporary / path.name)
        copy_file(pair.text_folder / "tokenizer.json", temporary / "tokenizer.json")
        copy_file(model.folder / "heads.safetensors", temporary / "heads.safetensors")
        write_json(
            temporary / "encoders.json",
            {
                **description_fields(model.description),
                "max_tokens": tokens.most,
                "pad_id": tokens.pad_id,
                "dim": model.heads.dim,
                "model_fingerprint": model.fingerprint,
            },
        )
        write_json(temporary / "manifest.json", {"files": list_files(temporary)})
        if precision != "float32":
            check_quick_features(model, QueryEncoders(temporary), precision, root)
    return folder
