"""Job: text and image encoders, trained from scratch or fine-tuned, with heads over them."""

import logging
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from prodmatch.encoders.device import choose_device
from prodmatch.encoders.networks.efficientnet import LITE0
from prodmatch.encoders.networks.model_writer import EncoderFiles
from prodmatch.encoders.networks.text import load_tokenizer
from prodmatch.engines.processors import count_processors
from prodmatch.errors import ModelError, require_path
from prodmatch.model.description import EncoderPair, Model
from prodmatch.model.preprocessing import ImageSpec, TextSpec
from prodmatch.pretraining.batches import TextReader
from prodmatch.pretraining.contrastive import (
    ContrastSettings,
    Work,
    mean_weights,
    train_dual_encoder,
)
from prodmatch.pretraining.data import (
    TextPair,
    TrainingSet,
    check_catalogue,
    read_text_rows,
    read_training_set,
)
from prodmatch.pretraining.dual_encoder import DualEncoder, EncoderShape, write_encoders
from prodmatch.pretraining.head_training import WrittenEncoders, fit_final_heads
from prodmatch.pretraining.tokenizer import train_tokenizer
from prodmatch.storage.temporary import scratch_directory
from prodmatch.training.heads import count_learned
from prodmatch.training.trained_model import Fitted, TrainReport, check_new, open_log, write_trained

logger = logging.getLogger(__name__)

FEWEST_HELD_OUT = 2
QUERY_WORDS = 24  # of a query that encoders trained here read: see docs/experiments.md
BATCH_ROWS = {"cuda": 1024, "cpu": 256}  # 1,024 pictures of 128 pixels take 28 GB
WORKERS = {"cuda": 8, "cpu": 0}  # that draw texts while a GPU computes


@dataclass(frozen=True)
class EncoderSettings:
    """How encoders are trained: settings of the training itself, and where it runs."""

    contrast: ContrastSettings = field(default_factory=ContrastSettings)
    shape: EncoderShape = field(default_factory=EncoderShape)  # of encoders from scratch
    dim: int = 256  # of a part
    runs: int = 1  # of seeds that follow each other, whose mean is taken
    device: str = "cpu"
    log_dir: Path | str | None = None  # for TensorBoard

    def shown(self) -> dict[str, object]:
        """What a card says of them."""
        return {"dim": self.dim, "runs": self.runs, **asdict(self.contrast)}


def encoder_settings(
    *, epochs: int, seed: int, device: str, batch_rows: int | None, scratch: bool
) -> EncoderSettings:
    """Settings of a training of encoders; all else is as for the shipped model.

    Encoders from scratch learn at higher rates, and know nothing that they are held to.
    """
    kind = choose_device(device)
    contrast = ContrastSettings(epochs=epochs, seed=seed, batch_rows=batch_rows or BATCH_ROWS[kind])
    if scratch:
        contrast = replace(contrast, text_rate=5e-4, image_rate=2e-3, weight_decay=0.05)
        contrast = replace(contrast, frozen_norms=False, text_anchor=0.0, class_anchor=0.0)
    return EncoderSettings(contrast, device=kind)


def train_encoders(
    catalogue: Path | str,
    out: Path | str,
    settings: EncoderSettings,
    *,
    start: Model | None = None,
    pairs: Path | str | None = None,
    texts: Path | str | None = None,
) -> TrainReport:
    """Trains both encoders on the `train` rows of a catalogue, from scratch or from a model.

    Args:
        catalogue: a Parquet file with `title`, `image` and `split` (`train` or `val`), and where
            there are any `description`, `brand`, `type`, `colour`, `pattern`, `gender`, and the
            `source` (a shop): negatives of a product are products of the same source.
        out: the model directory to make. Finished epochs are kept in `<out>.work`, where a killed
            run goes on.
        start: the model whose encoders are fine-tuned, and held to what they know; if None, a
            small BERT and a ResNet are trained from scratch.
        pairs: a Parquet file of texts `left` and `right` of the same product, optionally with
            the `source` that negatives are drawn from.
        texts: a Parquet file of further `text`, which fine-tuned encoders are held to what they
            know by, and which words are taken from where they start from scratch.

    Raises:
        ModelError: there is nothing to train on, or a row of another split than these, or several
            runs from scratch, which have no mean.
        StoreError: `out` exists or cannot be written.
    """
    catalogue, out = require_path(catalogue, "catalogue"), require_path(out, "out")
    pairs = None if pairs is None else require_path(pairs, "pairs")
    texts = None if texts is None else require_path(texts, "texts")
    check_new(out)
    check_catalogue(catalogue)
    if start is None and settings.runs > 1:
        raise ModelError(f"`runs={settings.runs}`: only runs from one `model` have a mean.")
    settings = _widen(settings, start)
    work = out.with_name(f"{out.name}.work")
    with open_log(settings.log_dir) as log_figure, scratch_directory(work) as scratch:
        data, held_out = _read_data(catalogue, settings, start, (pairs, texts), scratch)
        pair = start.encoders if start else _fresh_pair(data, settings.shape, scratch / "fresh")
        stage = Work(work, log_figure, WORKERS[settings.device])
        model, report = _train(pair, (data, held_out), settings, stage, fresh=start is None)
        written = write_encoders(model, pair, scratch / "trained")
        encoders = WrittenEncoders.open(written, settings.device)
        features = encoders.read_features(data, settings.contrast.seed)
        general, learnable = encoders.general_texts(data), model.image.learnable
        heads = fit_final_heads(features, learnable, general, settings.contrast, settings.dim)
        judged = encoders.hold_out(held_out)
        figures = [row["val_recall_at_10"] for row in report]
        before = _recall_before(held_out, settings, start)
        fitted = Fitted(heads, "encoders", "infonce", before, judged.recall(heads), figures)
        files = EncoderFiles.of_pair(encoders.pair)
        if start is not None:
            files = replace(files, weights=start.description.weights)
        shown = {"start": start, "settings": settings.shown(), "report": report}
        return write_trained(out, files, fitted, judged, len(data.products), shown)


def _widen(settings: EncoderSettings, start: Model | None) -> EncoderSettings:
    """The settings, with as many directions learned as a part of that width has."""
    has_blocks = start is not None and start.description.image.architecture == LITE0
    directions = count_learned(settings.dim) if has_blocks else settings.dim - 1
    inner = max(settings.contrast.inner_dim, directions)
    return replace(settings, contrast=replace(settings.contrast, inner_dim=inner))


def _recall_before(held_out: TrainingSet, settings: EncoderSettings, start: Model | None) -> float:
    """What the model that is fine-tuned finds of the held-out products, or chance."""
    if start is None:
        return round(min(1.0, 10 / len(held_out.titles)), 4)
    known = WrittenEncoders.open(start.encoders, settings.device)
    return known.hold_out(held_out).recall(start.heads)


def _read_data(
    catalogue: Path,
    settings: EncoderSettings,
    start: Model | None,
    texts: tuple[Path | None, Path | None],
    scratch: Path,
) -> tuple[TrainingSet, TrainingSet]:
    """What is trained on, with pairs and further texts, and what is held out."""
    spec = start.description.image if start else ImageSpec(settings.shape.resnet)
    pairs = [
        TextPair(row["left"], row["right"], row.get("source") or "")
        for row in read_text_rows(texts[0], ["left", "right"], ["source"])
    ]
    further = [row["text"] for row in read_text_rows(texts[1], ["text"])]
    workers = min(8, count_processors())
    data, held_out = (
        read_training_set(catalogue, split, spec, scratch / split, workers)
        for split in ("train", "val")
    )
    if len(held_out.titles) < FEWEST_HELD_OUT:
        raise ModelError(
            f"{catalogue}: split 'val' has {len(held_out.titles)} row with a title and a usable "
            f"picture; epochs and probabilities need at least {FEWEST_HELD_OUT}. Mark more."
        )
    _warn_of_known(data, held_out, catalogue)
    return replace(data, text_pairs=pairs, texts=further), held_out


def _warn_of_known(data: TrainingSet, held_out: TrainingSet, catalogue: Path) -> None:
    """Says how many held-out products are no news, as figures of them tell nothing of others."""
    known = np.isin(held_out.title_groups, data.title_groups)
    known |= np.isin(held_out.picture_groups, data.picture_groups)
    if known.any():
        logger.warning(
            "%s: %d of %d products of the split 'val' have the title or picture of one that is "
            "trained on; figures and probabilities are too good by that. Give equal ones one split",
            catalogue,
            int(known.sum()),
            len(known),
        )


def _fresh_pair(data: TrainingSet, shape: EncoderShape, folder: Path) -> EncoderPair:
    """How encoders from scratch read, and a tokenizer that is learnt from all texts."""
    described = [product.description for product in data.products]
    both = [text for pair in data.text_pairs for text in (pair.left, pair.right)]
    texts = [*data.titles, *described, *both, *data.texts]
    tokenizer = train_tokenizer(
        texts, vocabulary_size=shape.vocabulary_size, max_tokens=shape.max_tokens
    )
    tokenizer.save_pretrained(folder)
    shape.bert_config().save_pretrained(folder)
    text = TextSpec(max_tokens=shape.max_tokens, query_words=QUERY_WORDS)
    return EncoderPair(folder, folder, text, ImageSpec(shape.resnet))


def _train(
    pair: EncoderPair,
    data: tuple[TrainingSet, TrainingSet],
    settings: EncoderSettings,
    stage: Work,
    *,
    fresh: bool,
) -> tuple[DualEncoder, list[dict[str, float]]]:
    """The mean of runs of seeds that follow each other, and a row for every epoch of each."""
    contrast = settings.contrast
    reader = TextReader(load_tokenizer(pair.text_folder), pair.text, contrast.max_tokens)

    def begin() -> DualEncoder:
        torch.manual_seed(contrast.seed if fresh else 0)  # runs begin at the same heads
        if fresh:
            model = DualEncoder.fresh(settings.shape, pair.text, pair.image, contrast.inner_dim)
        else:
            model = DualEncoder.of_pair(pair, contrast.inner_dim)
        return model.to(settings.device)

    runs = [
        train_dual_encoder(begin(), reader, data, replace(contrast, seed=seed), stage)
        for seed in range(contrast.seed, contrast.seed + settings.runs)
    ]
    model = begin()
    model.load_state_dict(mean_weights([run.best for run in runs]))
    return model.cpu().eval(), [row for run in runs for row in run.report]
