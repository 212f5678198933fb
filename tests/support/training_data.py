"""Products to train small encoders on, and small encoders to begin with."""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
from small import COLOURS, KINDS, draw, save_encoders, save_lite0_folder

from prodmatch.encoders.networks.efficientnet import CLASS_NAMES, LITE0, load_lite0
from prodmatch.encoders.networks.model_writer import EncoderFiles, write_model
from prodmatch.model.description import EncoderPair, Model, ModelDescription
from prodmatch.model.heads import Heads
from prodmatch.model.preprocessing import ImageSpec, TextSpec
from prodmatch.model.projection import Projection
from prodmatch.pretraining.data import TextPair, TrainingProduct, TrainingSet
from prodmatch.pretraining.dual_encoder import EncoderShape

SIDE = 32
CLASSES = [f"a photo of a {kind}" for kind in KINDS]
SHAPE = EncoderShape(
    vocabulary_size=200, max_tokens=16, hidden_size=32, layer_count=1, attention_heads=2
)


def training_rows(count: int) -> pa.Table:
    """Products of three colours and five kinds; every seventh is held out."""
    rows = [
        {
            "product_id": str(number),
            "title": f"{list(COLOURS)[number % 3]} {KINDS[number % 5]} number {number}",
            "colour": list(COLOURS)[number % 3],
            "type": KINDS[number % 5],
            "image": draw(list(COLOURS.values())[number % 3], number, side=SIDE),
            "split": "val" if number % 7 == 0 else "train",
        }
        for number in range(count)
    ]
    return pa.Table.from_pylist(rows)


def training_set(count: int) -> TrainingSet:
    """Products of two sources, with pairs and further texts."""
    colours = [list(COLOURS)[number % 3] for number in range(count)]
    kinds = [KINDS[number % 5] for number in range(count)]
    titles = [
        f"{colour} {kind} number {n}"
        for n, (colour, kind) in enumerate(zip(colours, kinds, strict=True))
    ]
    noise = np.random.default_rng(0).integers(-20, 21, (count, SIDE, SIDE, 3))
    pictures = np.array([COLOURS[colour] for colour in colours])[:, None, None] + noise
    return TrainingSet(
        [
            TrainingProduct(title, "", {"type": kind})
            for title, kind in zip(titles, kinds, strict=True)
        ],
        np.clip(pictures, 0, 255).astype(np.uint8),
        np.arange(count),
        np.arange(count),
        np.arange(count) % 2,
        [TextPair(title, f"a {kind}", "shop") for title, kind in zip(titles, kinds, strict=True)],
        [f"{colour} things" for colour in COLOURS],
    )


def save_pair(folder: Path) -> EncoderPair:
    """A BERT of two layers and an EfficientNet-Lite0 of five classes, both of random weights."""
    text = save_encoders(folder).text
    image = folder / "image"
    image.mkdir()
    save_lite0_folder(image, len(CLASSES), 32)
    (image / CLASS_NAMES).write_text("".join(f"{name}\n" for name in CLASSES))
    spec = ImageSpec(LITE0, resize_pixels=SIDE, crop_pixels=SIDE)
    return EncoderPair(text, image, TextSpec(max_tokens=32, layers=(2, 0)), spec)


def save_start(folder: Path) -> Model:
    """A model of `save_pair`, with weights of the signals of its own."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        pair = save_pair(Path(scratch))
        rng, image_width = np.random.default_rng(0), load_lite0(pair.image_folder).dim
        heads = [
            Projection.linear(rng.normal(size=(width, 8)).astype(np.float32))
            for width in (2 * 32, image_width)
        ]
        weights = {"lexical": 0.5, "text": 0.3, "image": 0.2}
        description = ModelDescription("start", pair.text, pair.image, weights=weights)
        return write_model(folder, EncoderFiles.of_pair(pair), Heads(*heads), description, "")
