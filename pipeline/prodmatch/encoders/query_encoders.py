"""The query encoders of a store: a model's graphs, its heads, and how they are used."""

import logging
from pathlib import Path

from prodmatch.encoders.graphs import read_token_limits, weights_path
from prodmatch.encoders.precision_loss import check_quick_features
from prodmatch.encoders.precisions import Precision
from prodmatch.encoders.quickest import ready_graph
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

logger = logging.getLogger(__name__)


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
