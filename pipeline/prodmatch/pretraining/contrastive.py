"""Contrastive training of both encoders: what belongs to one product is drawn together.

Encoders that know something already are anchored to what they were, on the same inputs: texts by
the cosine of their vectors, pictures by the probabilities of their classes. So they learn the
products without losing the rest.
"""

import copy
import json
import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from prodmatch.encoders.device import autocast
from prodmatch.errors import ModelError, raise_if_out_of_memory
from prodmatch.model.preprocessing import Pixels
from prodmatch.pretraining.batches import Batch, Batches, PairBatch, TextReader, augment_pictures
from prodmatch.pretraining.data import TrainingSet
from prodmatch.pretraining.dual_encoder import DualEncoder
from prodmatch.progress import bars_off
from prodmatch.storage.atomic import digest_bytes, new_file
from prodmatch.training.held_out import recall_of_pairs
from prodmatch.training.trained_model import LogFigure, ignore
from prodmatch.training.trainer import info_nce_of

LOG = logging.getLogger(__name__)
LARGEST_SCALE = 100.0
LARGEST_NORM = 5.0  # of a step's gradient
TEMPERATURE = 2.0  # that class logits are divided by
VAL_ROWS = 256


@dataclass(frozen=True)
class ContrastSettings:
    """Settings of the training; the defaults are those of the shipped model."""

    epochs: int = 14
    batch_rows: int = 1024
    inner_dim: int = 256  # of the space of the heads
    side_share: float = 0.8  # of a whole picture's side: crops show products larger than that does
    max_tokens: int = 32
    text_rate: float = 1e-4  # learning rates of AdamW
    image_rate: float = 4e-4
    head_rate: float = 2e-3
    weight_decay: float = 0.01
    head_decay: float = 0.1
    warm_up: float = 0.05  # share of all steps
    average: float = 0.995  # decay of the moving average that is kept as the model
    head_epochs: int = 40  # of heads over the encoders that were trained
    short_weight: float = 0.25  # of short text <-> long text, against 1 for text <-> picture
    pair_weight: float = 0.5  # of the texts of pairs: in both spaces, and anchored
    text_anchor: float = 2.0  # of how far texts and classes are from where they were
    class_anchor: float = 1.0
    frozen_norms: bool = True  # batch normalisation by the statistics that an encoder came with
    seed: int = 0

    def crop_pixels(self, side: int) -> int:
        """The side of crops, where whole pictures are `side` wide: a multiple of 32."""
        return max(32, round(self.side_share * side / 32) * 32)


@dataclass(frozen=True)
class Work:
    """Where a training keeps its checkpoint, and what logs its figures."""

    folder: Path
    log_figure: LogFigure = ignore
    workers: int = 0  # processes that draw texts


def mean_weights(runs: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of several sets of weights; what is no number of them is the first's.

    Runs of other seeds that began at the same weights end in one basin, whose middle is better
    than its rims (Wortsman et al. 2022, "Model soups").
    """
    numbers = [name for name, first in runs[0].items() if first.is_floating_point()]
    means = {name: torch.stack([run[name] for run in runs]).mean(0) for name in numbers}
    return {**runs[0], **means}


def product_loss(
    short: Tensor,
    long: Tensor,
    images: Tensor,
    ignored: tuple[Tensor, Tensor],
    scale: Tensor,
    short_weight: float,
) -> Tensor:
    """Texts <-> picture, and short <-> long text, of a batch of products.

    Args:
        short: `(n, dim)` unit rows, as are `long` and `images`.
        ignored: `(n, n)` false negatives of long texts, and of short ones.
        short_weight: of short <-> long text, against 1 for text <-> picture.
    """
    same, fitting = ignored
    return (
        info_nce_of(long @ images.T, same, scale)
        + info_nce_of(short @ images.T, fitting, scale)
        + short_weight * info_nce_of(short @ long.T, fitting, scale)
    )


class _Objective:
    """What a batch costs."""

    def __init__(self, model: DualEncoder, start: DualEncoder, settings: ContrastSettings):
        self.model, self.start, self.settings = model, start, settings

    def batch_loss(self, batch: Batch, augmented: Tensor) -> Tensor:
        """Text <-> picture (`(n, side, side, 3)`), short <-> long text, anchors, and of pairs."""
        model, settings, count = self.model, self.settings, len(augmented)
        tokens, same, fitting = (
            each.to(model.device) for each in (batch.tokens, batch.same, batch.fitting)
        )
        with autocast(model.device.type):
            features, logits = model.image.learn(augmented)
            texts = model.text(*tokens)
        images = model.image_head(features.float())
        short, long = model.text_head(texts[: 2 * count]).split(count)
        scale = model.log_scales[0].exp()
        loss = (
            product_loss(short, long, images, (same, fitting), scale, settings.short_weight)
            + settings.text_anchor * self._text_distance(texts, tokens)
            + settings.class_anchor * self._class_divergence(logits, augmented)
        )
        return loss if batch.pairs is None else loss + self._pair_loss(batch.pairs)

    def _pair_loss(self, pairs: PairBatch) -> Tensor:
        """Text <-> text of a pair, in the heads' space and in the encoder's own."""
        model, settings, count = self.model, self.settings, len(pairs.ignored)
        tokens, ignored = pairs.tokens.to(model.device), pairs.ignored.to(model.device)
        with autocast(model.device.type):
            texts = model.text(*tokens)
        own = functional.normalize(texts[:, : model.text.own], dim=1)
        loss = settings.text_anchor * self._text_distance(texts, tokens)
        spaces = model.text_head(texts), own
        for vectors, scale in zip(spaces, model.log_scales.exp(), strict=True):
            left, right = vectors.split(count)
            loss = loss + info_nce_of(left @ right.T, ignored, scale)
        return settings.pair_weight * loss

    def _text_distance(self, texts: Tensor, tokens: Tensor) -> Tensor:
        """How far texts are, in the encoder's own space, from where they were: 1 - cosine."""
        if not self.settings.text_anchor:
            return texts.new_zeros(())
        with torch.no_grad(), autocast(texts.device.type):
            were = self.start.text(*tokens)
        own = self.model.text.own
        return (1 - functional.cosine_similarity(texts[:, :own], were[:, :own], dim=1)).mean()

    def _class_divergence(self, logits: Tensor | None, augmented: Tensor) -> Tensor:
        """Kullback-Leibler divergence of the class probabilities from what they were."""
        if logits is None or not self.settings.class_anchor:
            return augmented.new_zeros(())
        with torch.no_grad(), autocast(augmented.device.type):
            _, were = self.start.image.learn(augmented)
        if were is None:
            raise TypeError("encoders without classes, of an encoder that has some")
        now, before = logits.float() / TEMPERATURE, were.float() / TEMPERATURE
        divergence = functional.kl_div(
            now.log_softmax(dim=1), before.softmax(dim=1), reduction="batchmean"
        )
        return TEMPERATURE**2 * divergence


class Run:
    """A training: weights, their moving average, and what it has reached."""

    def __init__(self, model: DualEncoder, settings: ContrastSettings) -> None:
        self.model, self.settings = model, settings
        self.average = copy.deepcopy(model).requires_grad_(False).eval()
        self.objective = _Objective(model, copy.deepcopy(self.average), settings)
        self.optimizer = _optimizer(model, settings)
        self.report: list[dict[str, float]] = []  # a row of figures for every epoch
        self.best: dict[str, Tensor] = {}  # the moving average after the best epoch

    def train_epoch(self, batches: Iterator[Batch], steps: int, pictures: Pixels) -> None:
        """Takes the steps of the next epoch, and adds their mean loss to the report."""
        model, settings, epoch = self.model, self.settings, len(self.report)
        torch.manual_seed(1000 * settings.seed + epoch)  # crops and dropout
        model.train()
        model.text.eval()
        model.image.train(not settings.frozen_norms)
        side, losses, started = settings.crop_pixels(pictures.shape[1]), [], time.monotonic()
        for number in tqdm(range(steps), desc=f"epoch {epoch}", unit="batch", disable=bars_off()):
            batch, step = next(batches), epoch * steps + number
            chosen = torch.from_numpy(pictures[batch.rows]).to(model.device)
            loss = self.objective.batch_loss(batch, augment_pictures(chosen, side))
            self._step(loss, step, settings.epochs * steps)
            losses.append(loss.detach())
        row = {"seed": settings.seed, "epoch": epoch, "loss": torch.stack(losses).mean().item()}
        self.report.append({**row, "seconds": time.monotonic() - started})

    def _step(self, loss: Tensor, step: int, steps: int) -> None:
        model, settings = self.model, self.settings
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * learning_rate(step, steps, settings.warm_up)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), LARGEST_NORM)
        self.optimizer.step()
        with torch.no_grad():
            model.log_scales.clamp_(0.0, math.log(LARGEST_SCALE))
        share = average_share(step, settings.average)
        weights = model.state_dict()
        for name, averaged in self.average.state_dict().items():
            if averaged.is_floating_point():
                averaged.lerp_(weights[name], share)
            else:
                averaged.copy_(weights[name])

    def judge(self, figure: float) -> None:
        """Adds the figure of the average to the epoch's row; keeps the best weights."""
        self.report[-1]["val_recall_at_10"] = figure
        LOG.info("epoch %s", self.report[-1])
        if figure >= max(row["val_recall_at_10"] for row in self.report):
            self.best = {name: value.clone() for name, value in self.average.state_dict().items()}

    def save(self, path: Path, identity: str) -> None:
        """Writes a checkpoint.

        Raises:
            StoreError: the disk is full, read-only or not ours.
        """
        states = [part.state_dict() for part in (self.model, self.average, self.optimizer)]
        with new_file(path) as file:
            try:
                torch.save([identity, *states, self.report, self.best], file)
            except RuntimeError as error:  # torch's, in place of the system's
                if isinstance(error.__context__, OSError):
                    raise error.__context__ from error
                raise

    def load(self, path: Path, identity: str) -> None:
        """Goes on from a checkpoint, if there is one; one of another training is an error."""
        if not path.exists():
            return
        try:
            saved = torch.load(path, weights_only=True, map_location=self.model.device)
        except Exception as error:  # torch raises many kinds
            raise_if_out_of_memory(error, path)
            raise ModelError(
                f"{path}: cannot be read as the work of a training, as where it was cut short by "
                "a copy. Remove it; the training begins anew."
            ) from error
        if saved[0] != identity:
            raise ModelError(
                f"{path}: is the work of another training, of other data, settings or weights. "
                "Remove it, or train to another place."
            )
        _, model, average, optimizer, self.report, self.best = saved
        self.model.load_state_dict(model)
        self.average.load_state_dict(average)
        self.optimizer.load_state_dict(optimizer)


def train_dual_encoder(
    model: DualEncoder,
    reader: TextReader,
    data: tuple[TrainingSet, TrainingSet],
    settings: ContrastSettings,
    work: Work,
) -> Run:
    """Trains `model` in place.

    After each epoch a checkpoint goes to the work's folder; a later call with the same arguments
    goes on from there, to the same end.

    Args:
        data: what is trained on, and what epochs are chosen by: title-to-picture recall@10.

    Raises:
        ModelError: the folder has the checkpoint of another training, or a batch is too large.
    """
    train, held_out = data
    identity = _identify(model, train, settings)
    run = Run(model, settings)
    checkpoint = work.folder / f"seed-{settings.seed}.pt"
    run.load(checkpoint, identity)
    _, counts = np.unique(train.sources, return_counts=True)
    if counts.max() < 2:
        raise ModelError(
            "no two products that are trained on have the same `source`, and a product's "
            "negatives are others of its source. Give more products, or leave the column out."
        )
    rows = min(settings.batch_rows, int(counts.max()))
    batches = Batches(train, reader, rows, epochs=settings.epochs, seed=settings.seed)
    loader = iter(batches.load(len(run.report) * batches.steps, work.workers))
    for epoch in range(len(run.report), settings.epochs):
        try:
            run.train_epoch(loader, batches.steps, train.pictures)
        except torch.OutOfMemoryError as error:
            raise ModelError(
                f"`batch_rows={rows}`: the device has no memory for so many products at "
                "once. Give fewer."
            ) from error
        run.judge(title_to_picture(run.average, reader, held_out))
        run.save(checkpoint, identity)
        for name in ("loss", "val_recall_at_10"):
            work.log_figure(f"{name} of seed {settings.seed}", run.report[-1][name], epoch)
    return run


def _identify(model: DualEncoder, data: TrainingSet, settings: ContrastSettings) -> str:
    """What the encoders depend on: settings but those of heads, products, texts, first weights."""
    arrays = [data.title_groups, data.picture_groups, data.sources]
    arrays += [value.cpu().numpy() for value in model.state_dict().values()]
    used = {**asdict(settings), "head_epochs": None}
    products = [[each.title, each.description, dict(each.attributes)] for each in data.products]
    content = json.dumps([used, products, list(data.text_pairs), list(data.texts)]).encode()
    return digest_bytes(content, *(array.tobytes() for array in arrays))


def _optimizer(model: DualEncoder, settings: ContrastSettings) -> torch.optim.AdamW:
    """AdamW with rates of their own for encoders and heads; norms and biases do not decay."""
    heads = [*model.text_head.parameters(), *model.image_head.parameters(), model.log_scales]
    groups = []
    for parameters, rate, decay in (
        (model.text.parameters(), settings.text_rate, settings.weight_decay),
        (model.image.parameters(), settings.image_rate, settings.weight_decay),
        (heads, settings.head_rate, settings.head_decay),
    ):
        trained = [value for value in parameters if value.requires_grad]
        for weights in (True, False):
            chosen = [value for value in trained if (value.ndim > 1) == weights]
            used = decay if weights else 0.0
            groups.append({"params": chosen, "lr": rate, "peak": rate, "weight_decay": used})
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)


def average_share(step: int, decay: float) -> float:
    """The share of a step's weights in the moving average, large at first: it forgets the start."""
    return 1 - min(decay, (1 + step) / (10 + step))


def learning_rate(step: int, steps: int, warm_up: float) -> float:
    """The share of the peak rate: a linear warm-up, then half a cosine down to nearly nothing."""
    progress = step / steps
    if progress < warm_up:
        return min(1.0, (step + 1) / steps / warm_up)
    return max(1e-3, 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up))))


@torch.inference_mode()
def title_to_picture(model: DualEncoder, reader: TextReader, held_out: TrainingSet) -> float:
    """`recall_of_pairs` of the held-out products' titles and pictures, by the heads."""
    texts, images = [], []
    with autocast(model.device.type):
        for first in range(0, len(held_out.titles), VAL_ROWS):
            rows = slice(first, first + VAL_ROWS)
            tokens = reader.tokens(held_out.titles[rows]).to(model.device)
            pictures = torch.from_numpy(held_out.pictures[rows].copy()).to(model.device)
            texts.append(model.text(*tokens))
            images.append(model.image.learn(pictures)[0].float())
    text, image = (
        functional.normalize(vectors - vectors.mean(0), dim=1)  # centred, as exported heads are
        for vectors in (model.text_head(torch.cat(texts)), model.image_head(torch.cat(images)))
    )
    return recall_of_pairs(text.cpu().numpy(), image.cpu().numpy(), held_out.title_groups)
