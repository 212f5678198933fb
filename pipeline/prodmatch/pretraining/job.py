"""Encoders from scratch: vocabulary and masked words from texts, then contrast from products."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import torch
from PIL import Image
from transformers import BertForMaskedLM, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from prodmatch.catalogue.images import UnusableImage, decode_image
from prodmatch.embedding.image_loader import PICTURE_SECONDS
from prodmatch.encoders.image import load_resnet, load_spatial
from prodmatch.encoders.text import load_bert, load_words
from prodmatch.engines.local import ChildFailure, IsolatedPool
from prodmatch.errors import ModelError
from prodmatch.model.description import Model
from prodmatch.pretraining.contrastive import (
    ContrastSettings,
    TrainingSet,
    Work,
    as_pixels,
    train_dual_encoder,
)
from prodmatch.pretraining.dual_encoder import DualEncoder, EncoderShape, EncoderSpec
from prodmatch.pretraining.head_fitting import HeadFittingSettings
from prodmatch.pretraining.mlm import train_masked_words
from prodmatch.pretraining.tokenizer import train_tokenizer
from prodmatch.storage.atomic import new_directory
from prodmatch.training.pairs import TextPair, TrainingProduct, group_keys

LOG = logging.getLogger(__name__)
ATTRIBUTES = ("brand", "type", "colour", "pattern", "gender")
STORED_PIXELS = 96


@dataclass(frozen=True)
class ScratchSettings:
    """Sizes and settings of encoders trained from scratch."""

    shape: EncoderShape = field(default_factory=EncoderShape)
    contrast: ContrastSettings = field(default_factory=ContrastSettings)
    head_fitting: HeadFittingSettings = field(default_factory=HeadFittingSettings)
    masked_epochs: int = 5
    kept_dim: int = 256  # of the shared space, those that agree most
    device: str = "cpu"
    log_dir: Path | None = None  # for TensorBoard


@dataclass(frozen=True)
class TrainedDualEncoder:
    """The outcome of a training: the encoders, their tokenizer, and a row of figures an epoch."""

    model: DualEncoder
    tokenizer: PreTrainedTokenizerBase
    report: list[dict[str, float]]


def train_from_scratch(
    data: TrainingSet,
    held_out: TrainingSet,
    texts: Sequence[str],
    settings: ScratchSettings,
    work: Work,
) -> TrainedDualEncoder:
    """Trains both encoders; what is finished is kept in a folder, where a killed run goes on."""
    torch.manual_seed(settings.contrast.seed)
    started = work.folder / "text"
    if not started.exists():
        _start_text_encoder(texts, settings, started)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(started)
    model = DualEncoder.fresh(settings.shape)
    masked = BertForMaskedLM.from_pretrained(started)
    model.text.load_state_dict(masked.bert.state_dict())
    model.to(settings.device)
    report = train_dual_encoder(model, tokenizer, data, held_out, settings.contrast, work)
    return TrainedDualEncoder(model, tokenizer, report)


def train_further(
    start: Model, data: TrainingSet, held_out: TrainingSet, settings: ScratchSettings, work: Work
) -> TrainedDualEncoder:
    """Trains the dual encoder of a model further, with its vocabulary and from its heads."""
    torch.manual_seed(settings.contrast.seed)
    encoders = start.encoders
    bert, tokenizer = load_bert(encoders.text_folder)
    resnet, features = load_resnet(encoders.image_folder, encoders.image.architecture)
    spec = EncoderSpec(
        encoders.text.pooling,
        int(tokenizer.pad_token_id or 0),
        encoders.image.mean,
        encoders.image.std,
    )
    dim = start.heads.image.weight.shape[1]
    model = DualEncoder(
        bert,
        resnet,
        spec,
        features=features,
        dim=dim,
        words=load_words(encoders.text_folder),
        spatial=load_spatial(encoders.image_folder, resnet),
    )
    model.to(settings.device).eval()
    tokenizer.model_max_length = encoders.text.max_tokens
    sample = np.linspace(0, len(data.products) - 1, min(512, len(data.products))).astype(np.int64)
    model.take_heads(start.heads, as_pixels(data.pictures[sample], settings.contrast.side_pixels))
    began = {name: value.clone() for name, value in model.state_dict().items()}
    work = replace(work, start=began)
    report = train_dual_encoder(model, tokenizer, data, held_out, settings.contrast, work)
    return TrainedDualEncoder(model, tokenizer, report)


def _start_text_encoder(texts: Sequence[str], settings: ScratchSettings, folder: Path) -> None:
    shape = settings.shape
    tokenizer = train_tokenizer(
        texts, vocabulary_size=shape.vocabulary_size, max_tokens=shape.max_tokens
    )
    masked = BertForMaskedLM(shape.bert_config())
    loss = train_masked_words(
        masked, tokenizer, texts, epochs=settings.masked_epochs, seed=settings.contrast.seed
    )
    LOG.info("masked words: loss %.3f over the last tenth", loss)
    with new_directory(folder) as temporary:
        masked.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)


def read_training_set(path: Path, split: str, text_pairs: Sequence[TextPair]) -> TrainingSet:
    """The rows of one split of a training catalogue, pictures decoded and padded to a square.

    Raises:
        ModelError: no row of that split has both a title and a usable picture.
    """
    products: list[TrainingProduct] = []
    pictures: list[npt.NDArray[np.uint8]] = []
    digests: list[bytes] = []
    sources: list[bytes] = []
    rows = [
        row for row in _read_rows(path, split) if isinstance(row["image"], bytes) and row["title"]
    ]
    for row, picture in zip(rows, decode_squares(row["image"] for row in rows), strict=True):
        data = row["image"]
        if picture is None or not isinstance(data, bytes):
            continue  # a training catalogue is only drawn from
        attributes = {name: str(row[name]) for name in ATTRIBUTES if row.get(name)}
        description = str(row.get("description") or "")
        products.append(TrainingProduct(str(row["title"]), description, attributes))
        pictures.append(picture)
        digests.append(data)
        sources.append(str(row.get("source") or "").encode())
    if not products:
        raise ModelError(f"{path}: split {split!r} has no row with a title and a usable picture.")
    titles = [product.title.lower().encode() for product in products]
    return TrainingSet(
        products,
        np.stack(pictures),
        group_keys(titles),
        group_keys(digests),
        group_keys(sources),
        text_pairs,
    )


def _read_rows(path: Path, split: str) -> Iterator[dict[str, object]]:
    for batch in pq.ParquetFile(path).iter_batches(1000):
        for row in batch.to_pylist():
            if row["split"] == split:
                yield row


def decode_squares(pictures: Iterable[object]) -> Iterator[npt.NDArray[np.uint8] | None]:
    """Each picture padded to a square, in order; None for one that cannot be used.

    They are decoded by another process, which a picture of a stranger may end.
    """
    with IsolatedPool(_decode_square, 1, PICTURE_SECONDS) as pool:
        for found in pool.map(pictures):
            yield None if isinstance(found, ChildFailure) else found


def _decode_square(data: object) -> npt.NDArray[np.uint8] | None:
    try:
        return pad_to_square(decode_image(data), STORED_PIXELS) if isinstance(data, bytes) else None
    except UnusableImage:
        return None


def pad_to_square(picture: Image.Image, side: int) -> npt.NDArray[np.uint8]:
    """The whole picture on a white square, `(side, side, 3)`."""
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    canvas = Image.new("RGB", (side, side), "white")
    canvas.paste(
        picture.resize(size, Image.Resampling.BICUBIC),
        ((side - size[0]) // 2, (side - size[1]) // 2),
    )
    return np.asarray(canvas)
