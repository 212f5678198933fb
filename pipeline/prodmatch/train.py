"""Job: a model whose heads are fitted on a catalogue, over frozen encoders."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from prodmatch.catalogue.reader import Catalogue
from prodmatch.embedding.encoding.encode import encode_missing
from prodmatch.embedding.plan import plan_features
from prodmatch.embedding.precision import named_precision
from prodmatch.encoders.device import Compute, choose_device
from prodmatch.encoders.networks.model_writer import EncoderFiles, write_model
from prodmatch.encoders.networks.text import TextEncoder
from prodmatch.errors import StoreError
from prodmatch.model.description import Calibration, Model, ModelDescription
from prodmatch.model.heads import Heads, fit_cca
from prodmatch.storage.atomic import scratch_directory
from prodmatch.storage.locks import lock_store
from prodmatch.storage.vectors import Vectors
from prodmatch.training.dataset import PairSet, read_labelled_dataset, read_pairs_dataset
from prodmatch.training.heads.query_bank import add_query_bank
from prodmatch.training.heads.residual import leave_where_it_pays
from prodmatch.training.heads.residual_text import keep_texts
from prodmatch.training.held_out import pair_measure, split_labelled, words_measure
from prodmatch.training.labels import read_labels
from prodmatch.training.metrics import (
    Calibrated,
    HeldOut,
    draw_queries,
    fit_calibration,
)
from prodmatch.training.model_card import Fitted, render_card
from prodmatch.training.progress import open_log
from prodmatch.training.trainer import Examples, LinearSettings, Measure, train_linear

MOST_PAIRS = 50_000
MOST_QUERIES = 2_000  # that a calibration is fitted on
HELD_OUT = 0.1


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


@dataclass(frozen=True)
class HeadSettings:
    """How heads are fitted; device, precision and workers matter to the encoding before it."""

    dim: int = 256  # of the shared space
    loss: str = "infonce"
    epochs: int = 30
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
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
    end below it on what is held out. Where the encoders are those of a model, its heads
    are kept next to the fitted ones, which count in texts that are like the catalogue's.

    Raises:
        ModelError: the catalogue has fewer than 50 products with text and picture, or the
            labels cannot be used.
        StoreError: `out` exists or cannot be written.
    """
    settings = settings or HeadSettings()
    check_new(out)
    description = ModelDescription(out.name, files.text, files.image)
    if files.weights is not None:
        description = replace(description, weights=files.weights)
    data = _read_data(catalogue, files, store, settings, labels, description)
    heads, fitted = best_heads(data.train, data.sets, data.measure, settings)
    # Without labels the figures are of one draw of products: a standard error at most is let go.
    slack = 0.0 if labels else 0.5 / len(data.held_out.positions) ** 0.5
    measures = data.measure, words_measure(data.query_vectors, data.held_out)
    heads, fitted = keep_texts(heads, fitted, data.train, measures, slack)
    if files.heads is not None:
        start = data.add_bank(files.heads)
        heads, share = leave_where_it_pays(start, heads, data.measure, data.train.text, slack)
        fitted = replace(fitted, after=data.measure(heads), share=share)
    calibrated = data.calibrate(heads, description.weights)
    description = replace(description, calibration=calibrated.calibration)
    pairs, recall = len(data.train.positions), pair_measure(data.held_out)(heads)
    shown = {"fitted": fitted, "pairs": pairs, "recall": recall, "calibrated": calibrated}
    card = render_card("heads_card.md", {"name": out.name, **shown})
    model = write_model(out, files, heads, description, card)
    held_out = len(data.held_out.positions)
    return make_report(model, fitted, calibrated, pairs=pairs, held_out=held_out, recall=recall)


@dataclass(frozen=True)
class _TrainingData:
    """Features of the products that heads are fitted on, and of those that they are judged by."""

    train: PairSet
    held_out: PairSet
    sets: list[Examples]  # that are trained on in turn
    measure: Measure  # that epochs are chosen by
    texts: list[str]  # of the first held-out products
    queries: list[str]  # a few words of each of these texts
    query_vectors: Vectors  # (queries, text features)

    def add_bank(self, heads: Heads) -> Heads:
        """The heads with a query bank of the training products, where they have none."""
        return heads if heads.bank else add_query_bank(heads, self.train.text, self.train.image)

    def calibrate(self, heads: Heads, weights: Mapping[str, float]) -> Calibrated:
        """The probability of a match, fitted on the held-out products."""
        first = slice(len(self.texts))
        products = HeldOut(
            self.texts,
            heads.texts(self.held_out.text[first]),
            heads.pictures(self.held_out.image[first]),
            self.held_out.text_groups[first],
        )
        return fit_calibration(products, self.queries, heads.texts(self.query_vectors), weights)


def _read_data(
    catalogue: Catalogue,
    files: EncoderFiles,
    store: Path,
    settings: HeadSettings,
    labels: Path | None,
    description: ModelDescription,
) -> _TrainingData:
    """Encodes what the store lacks, and holds out a tenth of the products."""
    device = choose_device(settings.device)
    precision = named_precision(settings.precision, settings.device, store)
    judged = read_labels(labels) if labels else []
    with lock_store(store), scratch_directory(store) as scratch:
        pair = files.write(scratch)
        plan = plan_features(catalogue, pair, store, scratch, precision)
        encode_missing(catalogue, pair, plan, device=settings.device, workers=settings.workers)
        pairs = read_pairs_dataset(plan, catalogue.name)
        held = pairs.text_groups % round(1 / HELD_OUT) == 0
        train, held_out = pairs.take(~held), pairs.take(held)
        encoder = TextEncoder(pair.text_folder, pair.text, Compute(device))
        texts = held_out.take(np.arange(min(MOST_QUERIES, len(held_out.positions)))).texts(plan)
        queries = draw_queries(texts)
        sets, measure = [train.examples()], pair_measure(held_out)
        if labels:
            weights = description.weights
            share = weights["text"] / (weights["text"] + weights["image"])
            labelled = read_labelled_dataset(plan, judged, encoder, share, labels)
            sets, measure = split_labelled(labelled, sets[0], HELD_OUT)
        vectors = encoder.encode(queries, query=True)
    return _TrainingData(train, held_out, sets, measure, texts, queries, vectors)


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


def check_new(out: Path) -> None:
    """Refuses a model directory that exists.

    Raises:
        StoreError: it does.
    """
    if out.exists():
        raise StoreError(f"`out={out}`: exists already; models are never overwritten.")


def make_report(
    model: Model, fitted: Fitted, found: Calibrated, *, pairs: int, held_out: int, recall: float
) -> TrainReport:
    """The report of a training that wrote `model`."""
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
