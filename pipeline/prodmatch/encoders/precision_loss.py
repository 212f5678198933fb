"""What a precision loses against float32, over a few texts and pictures."""

import logging
from pathlib import Path

from prodmatch.encoders.device import CPU, Compute
from prodmatch.encoders.networks.sample_inputs import SAMPLE_TEXTS, sample_pictures
from prodmatch.encoders.precisions import Precision, picture_precision
from prodmatch.encoders.quickest import open_image_encoder, open_text_encoder
from prodmatch.errors import ModelError
from prodmatch.model.description import Model
from prodmatch.model.onnx_encoders import QueryEncoders

logger = logging.getLogger(__name__)

QUICK_COSINE = 0.98  # what bf16 and int8 should reach against float32; below it a warning says so
ABSURD_COSINE = 0.8


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
