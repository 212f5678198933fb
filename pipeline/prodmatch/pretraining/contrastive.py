"""Contrastive training of both dual_encoder: what belongs to one product is drawn together."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from prodmatch.encoders.device import autocast
from prodmatch.pretraining.augment import ImageAugmentation, TextAugmentation
from prodmatch.pretraining.dual_encoder import DualEncoder, tokenize
from prodmatch.storage.atomic import new_file
from prodmatch.training.losses import info_nce_of
from prodmatch.training.metrics import recall_of_pairs
from prodmatch.training.pairs import TextPair, TrainingProduct, shared_groups, words_of
from prodmatch.training.progress import LogFigure, ignore

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class ContrastSettings:
    """Settings of the contrastive stage; the defaults are those of the shipped model."""

    epochs: int = 10
    batch_rows: int = 256
    side_pixels: int = 80
    early_side_pixels: int = 64  # smaller pictures at first cost less and lose nothing
    early_share: float = 0.55  # of the epochs
    text_rate: float = 5e-4  # learning rates of AdamW
    image_rate: float = 2e-3
    weight_decay: float = 0.05
    warm_up: float = 0.05  # share of all steps
    average: float = 0.998  # decay of the moving average that is kept as the model
    text_pair_weight: float = 0.5  # of short text <-> long text, against 1 for text <-> picture
    frozen_norms: bool = False  # batch normalisation by the statistics that the model came with
    seed: int = 0

    def side_of(self, epoch: int) -> int:
        """The side of the pictures in this epoch."""
        return (
            self.early_side_pixels if epoch < self.early_share * self.epochs else self.side_pixels
        )


@dataclass(frozen=True)
class TrainingSet:
    """Products with their pictures, and pairs of texts said of one thing.

    `pictures` is `(n, side, side, 3)`; equal numbers in `title_groups` or `picture_groups` mark
    products that must not be each other's negatives. Batches are of one of the `sources` each.
    """

    products: Sequence[TrainingProduct]
    pictures: npt.NDArray[np.uint8]
    title_groups: npt.NDArray[np.int64]
    picture_groups: npt.NDArray[np.int64]
    sources: npt.NDArray[np.int64]
    text_pairs: Sequence[TextPair] = field(default_factory=list)


@dataclass(frozen=True)
class Work:
    """Where a training keeps what is finished, what logs of its figures, and where it began.

    A model that is trained further ends half-way between where it began (`start`) and where it
    got to: the mean of both sets of weights finds more than either (Wortsman et al. 2022,
    "Robust fine-tuning of zero-shot models").
    """

    folder: Path
    log_figure: LogFigure = ignore
    start: Mapping[str, Tensor] | None = None


def train_dual_encoder(
    model: DualEncoder,
    tokenizer: PreTrainedTokenizerBase,
    data: TrainingSet,
    held_out: TrainingSet,
    settings: ContrastSettings,
    work: Work,
) -> list[dict[str, float]]:
    """Trains `model` in place, ends with the best average of weights, and reports every epoch.

    The average is that of the steps, and of the work's `start` where there is one.
    After each epoch a checkpoint goes to the work's folder; a later call with the same folder
    goes on from there. The best epoch is the one with the highest title-to-picture recall@10 on
    `held_out`; without any epoch the dual_encoder stay as they are.
    """
    optimizer = _optimizer(model, settings)
    average = AveragedModel(model, avg_fn=_ramped_average(settings.average), use_buffers=True)
    report: list[dict[str, float]] = []
    best: dict[str, Tensor] = {}
    checkpoint = work.folder / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        average.module.load_state_dict(saved["average"])
        average.n_averaged.fill_(saved["steps"])
        report, best = saved["report"], saved["best"]
    for epoch in range(len(report), settings.epochs):
        figures = _train_epoch(model, tokenizer, data, settings, optimizer, average, epoch)
        current = {name: value.clone() for name, value in model.state_dict().items()}
        reached = average.module.state_dict()
        if work.start:
            reached = _mean_weights(work.start, reached)
        model.load_state_dict(reached)
        figures["val_recall_at_10"] = title_to_picture(model, tokenizer, held_out, settings)
        model.load_state_dict(current)
        report.append(figures)
        LOG.info("epoch %s", figures)
        for name in ("loss", "val_recall_at_10"):
            work.log_figure(name, figures[name], epoch)
        if figures["val_recall_at_10"] >= max(row["val_recall_at_10"] for row in report):
            best = {name: value.clone() for name, value in reached.items()}
        with new_file(checkpoint) as file:
            torch.save(
                {
                    "model": model.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "average": average.module.state_dict(),
                    "steps": int(average.n_averaged),
                    "report": report,
                    "best": best,
                },
                file,
            )
    if best:
        model.load_state_dict(best)
    return report


def _ramped_average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """An exponential moving average whose decay grows to `decay` over the first steps."""

    def average(averaged: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
        if not current.dtype.is_floating_point:
            return current
        share = 1 - min(decay, (1 + int(count)) / (10 + int(count)))
        return averaged.lerp(current, share)

    return average


def _mean_weights(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The mean of two sets of weights; counts are those of the second."""
    return {
        name: value.lerp(one[name], 0.5) if value.dtype.is_floating_point else value
        for name, value in other.items()
    }


def _optimizer(model: DualEncoder, settings: ContrastSettings) -> torch.optim.AdamW:
    groups = []
    for part, rate in (("text.", settings.text_rate), ("", settings.image_rate)):
        named = [
            (name, value)
            for name, value in model.named_parameters()
            if name.startswith("text.") == bool(part)
        ]
        for decays in (True, False):  # vectors (norms, biases) are not decayed
            chosen = [value for _, value in named if (value.ndim > 1) == decays]
            decay = settings.weight_decay if decays else 0.0
            groups.append({"params": chosen, "lr": rate, "peak": rate, "weight_decay": decay})
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)


def _train_epoch(  # noqa: PLR0913  # the state of a training is many things
    model: DualEncoder,
    tokenizer: PreTrainedTokenizerBase,
    data: TrainingSet,
    settings: ContrastSettings,
    optimizer: torch.optim.AdamW,
    average: AveragedModel,
    epoch: int,
) -> dict[str, float]:
    rng = np.random.default_rng([settings.seed, epoch])
    batches = draw_batches(data.sources, settings.batch_rows, rng)
    steps = len(batches)
    pairs = _pair_batches(data.text_pairs, settings.batch_rows, rng)
    batcher = _Batcher(
        tokenizer, data, TextAugmentation(rng), ImageAugmentation(rng, settings.side_of(epoch))
    )
    started, losses = time.monotonic(), []
    model.train()
    if settings.frozen_norms:
        freeze_norms(model)
    progress = tqdm(batches, desc=f"epoch {epoch}", unit="batch", disable=None)
    for step, rows in enumerate(progress):
        _set_rates(optimizer, settings, epoch * steps + step, settings.epochs * steps)
        loss = batcher.loss(model, rows, settings.text_pair_weight)
        if data.text_pairs and step % 4 == 3:
            loss = loss + settings.text_pair_weight * batcher.pair_loss(model, next(pairs))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        with torch.no_grad():
            model.log_scale.clamp_(0.0, float(np.log(100.0)))
        average.update_parameters(model)
        losses.append(loss.item())
        if step % 20 == 19:
            LOG.info(
                "epoch %d step %d/%d loss %.3f scale %.1f %.0f products/s",
                epoch,
                step + 1,
                steps,
                np.mean(losses[-20:]),
                model.log_scale.exp().item(),
                (step + 1) * len(data.products) / steps / (time.monotonic() - started),
            )
    return {
        "epoch": epoch,
        "loss": float(np.mean(losses)),
        "seconds": time.monotonic() - started,
    }


def freeze_norms(model: nn.Module) -> None:
    """Lets batch normalisation use its running statistics, and keep them.

    A batch is of one source, and its own statistics are not those of the whole: encoders that learn
    by them see something else when they are used.
    """
    for part in model.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):  # all of its kinds
            part.eval()


def draw_batches(
    sources: npt.NDArray[np.int64], rows: int, rng: np.random.Generator
) -> list[npt.NDArray[np.int64]]:
    """An epoch's batches, each of one source: its products are harder to tell from each other.

    Every product is in one batch; batches of a source are of about equal size.
    """
    batches: list[npt.NDArray[np.int64]] = []
    for source in np.unique(sources):
        order = rng.permutation(np.flatnonzero(sources == source))
        batches += np.array_split(order, max(1, round(len(order) / rows)))
    return [batches[place] for place in rng.permutation(len(batches))]


def _set_rates(
    optimizer: torch.optim.AdamW, settings: ContrastSettings, step: int, steps: int
) -> None:
    """A linear warm-up, then half a cosine down to zero."""
    progress = step / steps
    if progress < settings.warm_up:
        factor = (step + 1) / (settings.warm_up * steps)
    else:
        factor = 0.5 * (
            1 + math.cos(math.pi * (progress - settings.warm_up) / (1 - settings.warm_up))
        )
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor


def _pair_batches(
    pairs: Sequence[TextPair], rows: int, rng: np.random.Generator
) -> Iterator[list[TextPair]]:
    while True:
        order = rng.permutation(len(pairs))
        for start in range(0, len(order), rows):
            yield [pairs[row] for row in order[start : start + rows]]


@dataclass
class _Batcher:
    """Draws the views of a batch and weighs them against each other."""

    tokenizer: PreTrainedTokenizerBase
    data: TrainingSet
    texts: TextAugmentation
    pictures: ImageAugmentation

    def loss(self, model: DualEncoder, rows: npt.NDArray[np.int64], pair_weight: float) -> Tensor:
        products = [self.data.products[row] for row in rows]
        short = [self.texts.short(product) for product in products]
        long = [self.texts.long(product) for product in products]
        views = self.pictures.draw(self.data.pictures[rows])
        groups = self.data.title_groups[rows], self.data.picture_groups[rows]
        same = torch.from_numpy(shared_groups(*groups))
        device = model.log_scale.device
        matching = same | torch.from_numpy(_false_negatives(short, products))  # (short, product)
        matching = matching.to(device)
        same = same.to(device)
        with autocast(device):
            image = model.encode_pictures(views)
            text = model.encode_texts(tokenize(self.tokenizer, short + long), chunks=6)
        short_text, long_text = text[: len(rows)], text[len(rows) :]
        scale = model.log_scale.exp()
        return (
            info_nce_of(long_text @ image.T, same, scale)
            + info_nce_of(short_text @ image.T, matching, scale)
            + pair_weight * info_nce_of(short_text @ long_text.T, matching, scale)
        )

    def pair_loss(self, model: DualEncoder, pairs: Sequence[TextPair]) -> Tensor:
        texts = [pair.left for pair in pairs] + [pair.right for pair in pairs]
        with autocast(model.log_scale.device):
            vectors = model.encode_texts(tokenize(self.tokenizer, texts), chunks=6)
        left, right = vectors[: len(pairs)], vectors[len(pairs) :]
        sets = [frozenset(words_of(text)) for text in texts]
        equal = np.array([[a == b for b in sets[len(pairs) :]] for a in sets[: len(pairs)]])
        np.fill_diagonal(equal, False)
        ignored = torch.from_numpy(equal).to(vectors.device)
        return info_nce_of(left @ right.T, ignored, model.log_scale.exp())


def _false_negatives(
    texts: Sequence[str], products: Sequence[TrainingProduct]
) -> npt.NDArray[np.bool_]:
    """`(text, product)`: true where another product's words hold every word of a text."""
    words = [product.words() for product in products]
    found = np.array([[frozenset(words_of(text)) <= other for other in words] for text in texts])
    np.fill_diagonal(found, False)
    return found


def as_pixels(pictures: npt.NDArray[np.uint8], side: int) -> Tensor:
    """`(n, height, width, 3)` pictures as `(n, 3, side, side)` in 0..1."""
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255.0
    return functional.interpolate(pixels, [side, side], mode="bilinear", antialias=True)


@torch.no_grad()
def title_to_picture(
    model: DualEncoder,
    tokenizer: PreTrainedTokenizerBase,
    held_out: TrainingSet,
    settings: ContrastSettings,
) -> float:
    """`recall_of_pairs` of the held-out products' titles and pictures."""
    model.eval()
    device = model.log_scale.device
    texts, images = [], []
    with autocast(device):
        for start in range(0, len(held_out.products), 256):
            products = held_out.products[start : start + 256]
            tokens = tokenize(tokenizer, [product.title for product in products])
            texts.append(model.encode_texts(tokens))
            pictures = held_out.pictures[start : start + 256]
            images.append(model.encode_pictures(as_pixels(pictures, settings.side_pixels)))
    text, image = (  # centred, as the finished heads are
        functional.normalize(half - half.mean(0), dim=-1)
        for half in (torch.cat(texts), torch.cat(images))
    )
    return recall_of_pairs(text.cpu().numpy(), image.cpu().numpy(), held_out.title_groups)
