"""Job: a model whose heads are fitted on a catalogue, over frozen encoders."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from prodmatch.catalogue.reader import Catalogue
from prodmatch.embedding.encoding.encode import encode_missing
from prodmatch.embedding.encoding.quickest_precision import named_precision
from prodmatch.embedding.plan import new_texts, plan_features
from prodmatch.encoders.device import Compute, choose_device
from prodmatch.encoders.networks.model_writer import EncoderFiles
from prodmatch.encoders.networks.text import TextEncoder
from prodmatch.errors import require_path
from prodmatch.model.description import ModelDescription
from prodmatch.model.heads import fit_cca
from prodmatch.storage.locks import lock_store
from prodmatch.storage.temporary import scratch_directory
from prodmatch.training.dataset import (
    Examples,
    Numbers,
    join_groups,
    read_labelled_dataset,
    read_labels,
    read_pairs_dataset,
)
from prodmatch.training.heads import SHARES, keep_texts, leave_where_it_pays
from prodmatch.training.held_out import MOST_QUERIES, HeldOut, Measure, draw_queries, split_labelled
from prodmatch.training.trained_model import Fitted, TrainReport, check_new, open_log, write_trained
from prodmatch.training.trainer import LinearSettings, train_linear

HELD_OUT = 0.1
FEWEST_HELD_OUT = 5  # texts


@dataclass(frozen=True)
class HeadSettings(LinearSettings):
    """How heads are fitted; device, precision and workers matter to the encoding before it."""

    device: str = "auto"
    precision: str = "auto"
    workers: int = 1
    log_dir: Path | str | None = None  # for TensorBoard
    shares: tuple[float, ...] = SHARES  # of fitted heads next to those of a model, that are tried


def fit_heads(
    catalogue: Catalogue,
    files: EncoderFiles,
    out: Path | str,
    store: Path | str,
    settings: HeadSettings | None = None,
    labels: Path | str | None = None,
) -> TrainReport:
    """Fits heads on the pairs of text and picture in a catalogue, and on labels if there are any.

    The encoders stay as they are, and their features are taken from `store` or put there, so
    embedding the catalogue with the new model encodes nothing again, and a killed run goes on.
    One product in ten is held out, together with those of its text or its picture, and one query
    in ten of the labels, for the figures and the calibration. Canonical correlation, in closed
    form, is kept where gradients end below it on what is held out. Where the encoders are those of
    a model, its heads are kept next to the fitted ones, which count in texts that are like the
    catalogue's.

    Raises:
        ModelError: the catalogue has fewer than 50 products with text and picture, or the
            labels cannot be used, or are all of what is held out.
        StoreError: `out` exists or cannot be written.
    """
    out, store = require_path(out, "out"), require_path(store, "store")
    labels = None if labels is None else require_path(labels, "labels")
    settings = settings or HeadSettings()
    check_new(out)
    data = _read_data(catalogue, files, store, settings, labels)
    # Without labels the figures are of one draw of products: a standard error at most is let go.
    slack = 0.0 if labels else 0.5 / len(data.held_out.text) ** 0.5
    fitted = best_heads(data.train, data.sets, data.measure, settings)
    fitted = keep_texts(fitted, data.train, (data.measure, data.held_out.words_recall), slack)
    if files.heads is not None:
        fitted = leave_where_it_pays(
            files.heads, fitted, data.measure, data.sets, slack, settings.shares
        )
    return write_trained(out, files, fitted, data.held_out, len(data.train))


@dataclass(frozen=True)
class _TrainingData:
    """Features of the products that heads are fitted on, and of those that they are judged by."""

    train: Examples
    held_out: HeldOut
    sets: list[Examples]  # that are trained on in turn, labels first
    measure: Measure  # that epochs are chosen by


def _read_data(
    catalogue: Catalogue,
    files: EncoderFiles,
    store: Path,
    settings: HeadSettings,
    labels: Path | None,
) -> _TrainingData:
    """Encodes what the store lacks, and holds out a tenth of the products."""
    device = choose_device(settings.device)
    precision = named_precision(settings.precision, settings.device, store)
    judged = read_labels(labels) if labels else []
    with lock_store(store), scratch_directory(store) as scratch:
        pair = files.write(scratch)
        plan = plan_features(catalogue, pair, store, scratch, precision)
        encode_missing(catalogue, pair, plan, device=settings.device, workers=settings.workers)
        rows, pairs = read_pairs_dataset(plan, catalogue.name)
        held, groups = _hold_out(pairs.query_groups, pairs.product_groups)
        train, kept = pairs.take(~held), pairs.take(held)
        encoder = TextEncoder(pair.text_folder, pair.text, Compute(device))
        texts = [text for _, text in new_texts(plan.scan, rows[held][:MOST_QUERIES])]
        queries = encoder.encode(draw_queries(texts), query=True)
        held_out = HeldOut(kept.text, kept.image, groups[held], texts, queries)
        sets: list[Examples] = [train]
        measure: Measure = held_out.recall
        if labels:
            weights = files.weights or ModelDescription("", pair.text, pair.image).weights
            share = weights["text"] / (weights["text"] + weights["image"])
            labelled = read_labelled_dataset(plan, judged, encoder, share, labels)
            sets, measure = split_labelled(labelled, train, HELD_OUT, rows[held])
    return _TrainingData(train, held_out, sets, measure)


def _hold_out(texts: Numbers, pictures: Numbers) -> tuple[npt.NDArray[np.bool_], Numbers]:
    """`(n,)`, `(n,)`: a tenth of the products, by digests, and the groups that are on one side.

    Products of one text or one picture are a group, as the sizes of a shirt: who learnt one knows
    the others. A group of more than a tenth stays; five texts at least are held out, by their
    texts alone where the groups are too few.
    """
    groups = join_groups(texts, pictures)
    _, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    small = sizes[inverse] <= max(1, HELD_OUT * len(groups))
    held: npt.NDArray[np.bool_] = small & (groups % round(1 / HELD_OUT) == 0)
    for some, usable in ((groups, small), (texts, np.ones_like(small))):
        if len(np.unique(texts[held])) < FEWEST_HELD_OUT:
            held = usable & np.isin(some, np.unique(some[usable])[:FEWEST_HELD_OUT])
    return held, groups


def best_heads(
    kept: Examples, sets: list[Examples], measure: Measure, settings: HeadSettings
) -> Fitted:
    """Heads by gradients, or by canonical correlation where gradients end below it."""
    closed = fit_cca(kept.text, kept.image, settings.dim)
    before = measure(closed)
    with open_log(settings.log_dir) as log_figure:
        heads, figures = train_linear(sets, measure, settings, log_figure)
    if max(figures) <= before:
        return Fitted(closed, "cca", settings.loss, before, before, figures)
    return Fitted(heads, "linear", settings.loss, before, max(figures), figures)
