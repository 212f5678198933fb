"""Job: a model; heads fitted on a catalogue over frozen encoders, or encoders from scratch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from prodmatch.catalogue.reader import Catalogue
from prodmatch.embedding.encode import encode_missing
from prodmatch.embedding.plan import plan_features
from prodmatch.encoders.encoders import ImageEncoder, TextEncoder, autocast, choose_device
from prodmatch.encoders.model_writer import EncoderFiles, write_model
from prodmatch.errors import StoreError
from prodmatch.model.description import Calibration, EncoderPair, Model, ModelDescription
from prodmatch.model.heads import Heads, compact_heads, fit_cca
from prodmatch.model.preprocessing import ImageSpec, TextSpec
from prodmatch.model.spatial import Layout, LayoutFeatures, fit_layout, look, settle_layout
from prodmatch.pretraining.augment import mirror_and_crop
from prodmatch.pretraining.contrastive import ContrastSettings, TrainingSet, Work, title_to_picture
from prodmatch.pretraining.data import check_splits, read_text_rows
from prodmatch.pretraining.dual_encoder import DualEncoder
from prodmatch.pretraining.head_fitting import Seen, fit_ensemble
from prodmatch.pretraining.job import (
    ScratchSettings,
    read_training_set,
    train_from_scratch,
    train_further,
)
from prodmatch.pretraining.save import Beside, beside_of, encoder_files, fold_heads
from prodmatch.storage.atomic import lock_store, scratch_directory
from prodmatch.storage.vectors import Vectors
from prodmatch.training.dataset import PairSet, read_labelled_dataset, read_pairs_dataset
from prodmatch.training.held_out import pair_measure, split_labelled, words_measure
from prodmatch.training.labels import read_labels
from prodmatch.training.metrics import (
    Calibrated,
    HeldOut,
    draw_queries,
    fit_calibration,
)
from prodmatch.training.model_card import Fitted, encoders_card, heads_card
from prodmatch.training.pairs import TextPair
from prodmatch.training.progress import open_log
from prodmatch.training.query_bank import add_query_bank
from prodmatch.training.residual_text import keep_texts
from prodmatch.training.trainer import Examples, LinearSettings, Measure, train_linear

__all__ = ["HeadSettings", "TrainReport", "encoder_settings", "fit_heads", "train_encoders"]

MOST_PAIRS = 50_000
MOST_CENTRED = 20_000  # that the centre and the rotation of heads are taken from
MOST_QUERIES = 2_000  # that a calibration is fitted on
LAYOUT_DIM = 384  # of a picture's layout, as a model keeps it
WIDE_DIM = 2048  # of the layout that heads are fitted over
# Of a query that encoders trained here read. They learn from titles and single sentences; a whole
# description, 47 words on average, is about nothing as a mean of them. Heads that never saw these
# products find 234 titles among 2,370 by it with an RR of .738, by its first 24 words of .855, by
# twelve of .874 (Success@10 .953, .992, .966).
QUERY_WORDS = 24
HELD_OUT = 0.1
BICUBIC = Image.Resampling.BICUBIC
ModelWeights = Mapping[str, float]


@dataclass(frozen=True)
class TrainReport:
    """What a training made, and how good it is on held-out products."""

    model: str
    fingerprint: str
    heads: str  # `linear`, or `cca` where that was better; `encoders` where all was trained
    pairs: int
    held_out: int
    val_recall_at_10: float  # held-out texts with their own picture among the ten nearest
    before: float  # the figure that decided, of the closed form or of the model started from
    after: float
    brier: float
    ece: float
    calibration: Calibration

    def as_dict(self) -> dict[str, object]:
        """Names and values, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class HeadSettings:
    """How heads are fitted; device and workers matter to the encoding before it alone."""

    dim: int = 256  # of the shared space
    loss: str = "infonce"
    epochs: int = 30
    seed: int = 0
    device: str = "auto"
    workers: int = 1
    log_dir: Path | None = None  # for TensorBoard


def fit_heads(
    catalogue: Catalogue,
    files: EncoderFiles,
    out: Path,
    store: Path,
    settings: HeadSettings | None = None,
    labels: Path | None = None,
) -> TrainReport:
    """Fits heads on the pairs of text and picture in a catalogue, and on labels if there are any.

    The encoders stay as they are, and their features are taken from `store` or put there, so
    embedding the catalogue with the new model encodes nothing again, and a killed run goes on.
    One product in ten is held out, by its text, and one query in ten of the labels, for the
    figures and the calibration. Canonical correlation, in closed form, is kept where gradients
    end below it on what is held out.

    Raises:
        ModelError: the catalogue has fewer than 50 products with text and picture, or the
            labels cannot be used.
        StoreError: `out` exists or cannot be written.
    """
    settings = settings or HeadSettings()
    _check_new(out)
    judged = read_labels(labels) if labels else []
    with lock_store(store), scratch_directory(store) as scratch:
        pair = files.write(scratch)
        plan = plan_features(catalogue, pair, store, scratch)
        encode_missing(catalogue, pair, plan, device=settings.device, workers=settings.workers)
        pairs = read_pairs_dataset(plan, catalogue.path)
        held = pairs.text_groups % round(1 / HELD_OUT) == 0
        kept, held_out = pairs.take(~held), pairs.take(held)
        encoder = TextEncoder(pair.text_folder, pair.text, choose_device(settings.device))
        texts = held_out.take(np.arange(min(MOST_QUERIES, len(held_out.places)))).texts(plan)
        queries = draw_queries(texts)
        asked = encoder.encode(queries, query=True)
        sets, measure = [kept.examples()], pair_measure(held_out)
        if labels:
            weights = ModelDescription(out.name, files.text, files.image).weights
            share = weights["text"] / (weights["text"] + weights["image"])
            labelled = read_labelled_dataset(plan, judged, encoder, share, labels)
            sets, measure = split_labelled(labelled, sets[0], HELD_OUT)
    heads, fitted = best_heads(kept, sets, measure, settings)
    slack = 0.0 if labels else 0.5 / len(held_out.places) ** 0.5  # a standard error at most
    measures = measure, words_measure(asked, held_out)
    heads, fitted = keep_texts(heads, fitted, kept, measures, slack)
    recall = pair_measure(held_out)(heads)
    products = HeldOut(
        texts,
        heads.texts(held_out.text[: len(texts)]),
        heads.pictures(held_out.image[: len(texts)]),
        held_out.text_groups[: len(texts)],
    )
    description = ModelDescription(out.name, files.text, files.image)
    found = _calibrate(products, queries, heads.texts(asked), description.weights)
    description = replace(description, calibration=found.calibration)
    card = heads_card(out.name, fitted, pairs=len(kept.places), recall=recall, calibrated=found)
    model = write_model(out, files, heads, description, card)
    return _report(
        model, fitted, found, pairs=len(kept.places), held_out=len(held_out.places), recall=recall
    )


def best_heads(
    kept: PairSet, sets: list[Examples], measure: Measure, settings: HeadSettings
) -> tuple[Heads, Fitted]:
    """Heads by gradients, or by canonical correlation where gradients end below it."""
    closed = fit_cca(kept.text, kept.image, settings.dim)
    before = measure(closed)
    linear = LinearSettings(
        dim=settings.dim, loss=settings.loss, epochs=settings.epochs, seed=settings.seed
    )
    with open_log(settings.log_dir) as log_figure:
        heads, figures = train_linear(sets, measure, linear, log_figure)
    if max(figures) <= before:
        return closed, Fitted("cca", settings.loss, before, before, figures)
    return heads, Fitted("linear", settings.loss, before, max(figures), figures)


def _calibrate(
    products: HeldOut, queries: list[str], asked: Vectors, weights: ModelWeights
) -> Calibrated:
    return fit_calibration(products, queries, asked, (weights["text"], weights["image"]))


def _check_new(out: Path) -> None:
    if out.exists():
        raise StoreError(f"--out {out}: exists already; models are never overwritten.")


def _report(
    model: Model, fitted: Fitted, found: Calibrated, *, pairs: int, held_out: int, recall: float
) -> TrainReport:
    return TrainReport(
        model=str(model.folder),
        fingerprint=model.fingerprint,
        heads=fitted.heads,
        pairs=pairs,
        held_out=held_out,
        val_recall_at_10=recall,
        before=fitted.before,
        after=fitted.after,
        brier=found.brier,
        ece=found.ece,
        calibration=found.calibration,
    )


def encoder_settings(
    *, epochs: int, seed: int, device: str, dim: int, start: Model | None = None
) -> ScratchSettings:
    """Settings of a training of encoders; all else is as for the shipped model.

    Encoders that know something already (`start`) learn at lower rates, the lower the wider, and
    from smaller pictures throughout: random crops show a product larger than the whole picture
    does, so it has its size in training again where whole pictures are seen in full size.
    """
    contrast = ContrastSettings(epochs=epochs, seed=seed)
    if start is not None:
        calm = 0.6 * 256 / start.heads.text.weight.shape[0]
        sides = contrast.early_side_pixels, contrast.side_pixels
        if start.description.image.crop_pixels != contrast.side_pixels:
            sides = (start.description.image.crop_pixels,) * 2
        contrast = replace(
            contrast,
            text_rate=calm * contrast.text_rate,
            image_rate=calm * contrast.image_rate / 2,
            warm_up=0.02,
            frozen_norms=True,
            early_share=1.0,
            early_side_pixels=sides[0],
            side_pixels=sides[1],
        )
    return ScratchSettings(contrast=contrast, device=choose_device(device).type, kept_dim=dim)


def train_encoders(
    catalogue: Path,
    out: Path,
    settings: ScratchSettings,
    *,
    start: Model | None = None,
    pairs: Path | None = None,
    texts: Path | None = None,
) -> TrainReport:
    """Trains both encoders on the `train` rows of a catalogue, from scratch or from a model.

    Args:
        catalogue: a Parquet file with `title`, `image` and `split` (`train` or `val`), and where
            there are any `description`, `brand`, `type`, `colour`, `pattern`, `gender`, and the
            `source` (a shop): products are told from others of their source.
        out: the model directory to make. What is finished on the way is kept beside it, in
            `<out>.work`, where a killed run goes on.
        settings: sizes and rates.
        start: the model whose encoders and heads are trained further; none for a small BERT
            and a ResNet from scratch.
        pairs: a Parquet file of texts `left` and `right` that say the same product, and where
            there is one the `source`: pairs are told from others of theirs.
        texts: a Parquet file of loose `text`, for the vocabulary and the masked words.

    Raises:
        ModelError: there is nothing to train on, or a row of another split than these.
        StoreError: `out` exists or cannot be written.
    """
    _check_new(out)
    check_splits(catalogue)
    said = [
        TextPair(row["left"], row["right"], str(row.get("source") or ""))
        for row in read_text_rows(pairs, ["left", "right"], ["source"])
    ]
    loose = [row["text"] for row in read_text_rows(texts, ["text"])]
    data = read_training_set(catalogue, "train", said)
    held_out = read_training_set(catalogue, "val", [])
    work = out.with_name(f"{out.name}.work")
    side = settings.contrast.side_pixels
    if start is None:
        with open_log(settings.log_dir) as log_figure:
            dual_encoder = train_from_scratch(
                data, held_out, loose, settings, Work(work, log_figure)
            )
        text = TextSpec(max_tokens=settings.shape.max_tokens, query_words=QUERY_WORDS)
        image = ImageSpec(architecture=settings.shape.resnet)
    else:
        with open_log(settings.log_dir) as log_figure:
            dual_encoder = train_further(start, data, held_out, settings, Work(work, log_figure))
        text, image = start.description.text, start.description.image
    image = replace(image, fit="pad", resize_pixels=side, crop_pixels=side)
    with scratch_directory(work) as scratch, open_log(settings.log_dir) as log_figure:
        wide = _wide_layout(dual_encoder.model, data, side)
        bare = encoder_files(dual_encoder, text, image, layout=wide)
        encode = _Encode(bare.write(scratch / "bare"), settings.device)
        seen, judged = encode.see(data, otherwise=True), encode.see(held_out)
        fit = replace(settings.head_fitting, dim=settings.kept_dim, seed=settings.contrast.seed)
        fitted_heads = fit_ensemble(encode.text, seen, judged, fit, log_figure)
        before = title_to_picture(
            dual_encoder.model, dual_encoder.tokenizer, held_out, settings.contrast
        )
        better = fitted_heads.figure >= before
        layout, heads = settle_layout(encode.layout, fitted_heads.heads, LAYOUT_DIM)
        beside = (
            Beside(words=torch.from_numpy(fitted_heads.words), layout=layout)
            if better
            else beside_of(dual_encoder.model)
        )
        files = encoder_files(dual_encoder, text, image, **beside)
        encode = _Encode(files.write(scratch / "whole"), settings.device)
        if not better:
            heads = _dual_encoder_heads(dual_encoder.model, encode, data, settings.kept_dim)
        titles = [product.title for product in held_out.products[:MOST_QUERIES]]
        queries = draw_queries(titles)
        asked = heads.texts(encode.text.encode(queries, query=True))
        products = HeldOut(
            titles,
            heads.texts(encode.text.encode(titles)),
            heads.pictures(encode.pictures(held_out.pictures[:MOST_QUERIES])),
            held_out.title_groups[:MOST_QUERIES],
        )
    description = ModelDescription(out.name, files.text, files.image)
    if start is not None:
        description = replace(description, weights=start.description.weights)
    found = _calibrate(products, queries, asked, description.weights)
    description = replace(description, calibration=found.calibration)
    recall = max(before, fitted_heads.figure)
    figures = [figure for fit in fitted_heads.figures for figure in fit]
    fitted = Fitted("encoders", "infonce", before, recall, figures)
    card = encoders_card(
        out.name,
        replace(settings, head_fitting=fit),
        (dual_encoder.report, fitted),
        start=start,
        pairs=len(data.products),
        calibrated=found,
    )
    model = write_model(out, files, heads, description, card)
    counts = {"pairs": len(data.products), "held_out": len(held_out.products)}
    return _report(model, fitted, found, **counts, recall=recall)


def _wide_layout(model: DualEncoder, data: TrainingSet, side: int) -> Layout:
    """The principal components of training pictures, so many that heads miss nothing."""
    chosen = data.pictures[:: -(-len(data.pictures) // MOST_CENTRED)]
    features, device = LayoutFeatures(), model.log_scale.device
    found = []
    model.eval()
    with torch.inference_mode(), autocast(device):
        for block in np.array_split(chosen, -(-len(chosen) // 100)):
            pixels = torch.from_numpy(_resize(block, side))
            images = (pixels.permute(0, 3, 1, 2) / 255.0).to(device)
            _, middle = look(model.image, model.normalise(images))
            found.append(np.concatenate([features(pixels).numpy(), middle.cpu().numpy()], axis=1))
    return fit_layout(np.concatenate(found), WIDE_DIM)


def _dual_encoder_heads(
    model: DualEncoder, encode: "_Encode", data: TrainingSet, dim: int
) -> Heads:
    """The heads that the dual encoder were trained with, centred and rotated."""
    sample = slice(None, None, -(-len(data.products) // MOST_CENTRED))
    folded = fold_heads(model)
    titles = encode.text.encode([product.title for product in data.products[sample]])
    pictures = encode.pictures(data.pictures[sample])
    heads = compact_heads(*folded, (folded[0](titles), folded[1](pictures)), dim)
    return add_query_bank(heads, titles, pictures)


class _Encode:
    """Features of texts and of a training set's pictures, as a model's files give them."""

    def __init__(self, pair: EncoderPair, device: str) -> None:
        self.text = TextEncoder(pair.text_folder, pair.text, choose_device(device))
        self.image = ImageEncoder(pair.image_folder, pair.image, choose_device(device))

    @property
    def layout(self) -> Layout:
        """The layout beside the ResNet, as it came back from its file."""
        layout = self.image.model.layout
        if layout is None:
            raise ValueError("encoders without a layout")
        return layout.of

    def see(self, data: TrainingSet, *, otherwise: bool = False) -> Seen:
        rng = np.random.default_rng(1)
        views = self.pictures(data.pictures, rng) if otherwise else None
        return Seen(data, self.pictures(data.pictures), views)

    def pictures(
        self, pictures: npt.NDArray[np.uint8], otherwise: np.random.Generator | None = None
    ) -> Vectors:
        """Features of whole pictures, or of other views of them, drawn by the generator."""
        blocks = np.array_split(pictures, -(-len(pictures) // 1000))
        side = self.image.spec.crop_pixels
        found = []
        for block in blocks:
            views = (
                _resize(block, side)
                if otherwise is None
                else mirror_and_crop(block, side, otherwise)
            )
            found.append(self.image.encode(views))
        return np.concatenate(found)


def _resize(pictures: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    squares = [Image.fromarray(picture).resize((side, side), BICUBIC) for picture in pictures]
    return np.stack([np.asarray(square) for square in squares])
