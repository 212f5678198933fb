"""Heads over frozen features: two linear maps, by gradients and losses; the best epoch is kept."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from prodmatch.model.heads import Heads, project_heads
from prodmatch.model.projection import HiddenUnits, Projection
from prodmatch.storage.vectors import Vectors, draw_rows
from prodmatch.training.dataset import Examples, shared_groups
from prodmatch.training.held_out import Measure
from prodmatch.training.trained_model import LogFigure, ignore

MARGIN = 0.2  # of the cosine loss: unlike pairs need be no further apart than this cosine
LOG = logging.getLogger(__name__)
RATE = 2e-3
WEIGHT_DECAY = 0.1
MOST_CENTRED = 20_000  # products that a centre and a rotation are taken from
PATIENCE = 5  # epochs without a better figure before a training ends
TEXT_DROPOUT, IMAGE_DROPOUT = 0.1, 0.4  # of features: see docs/experiments.md
UNIT_DROPOUT = 0.3  # of hidden units


@dataclass(frozen=True)
class Similarities:
    """A batch of `n` queries, each with the product of its own row; all tensors on one device."""

    cosines: Tensor  # (n, n), query by product
    ignored: Tensor  # (n, n), pairs that say nothing because they belong together too
    labels: Tensor  # (n,) in 0..1, for the pairs of the diagonal
    scale: Tensor  # the inverse temperature
    bias: Tensor


def info_nce(batch: Similarities) -> Tensor:
    """Symmetric cross entropy of finding the own product among all, weighted by the label."""
    logits = (batch.scale * batch.cosines).masked_fill(batch.ignored, float("-inf"))
    target = torch.arange(len(logits), device=logits.device)
    rows = functional.cross_entropy(logits, target, reduction="none")
    columns = functional.cross_entropy(logits.T, target, reduction="none")
    return ((rows + columns) / 2 * batch.labels).sum() / batch.labels.sum().clamp_min(1e-6)


def info_nce_of(cosines: Tensor, ignored: Tensor, scale: Tensor) -> Tensor:
    """As `info_nce`, all labels 1."""
    labels = torch.ones(len(cosines), device=cosines.device)
    return info_nce(Similarities(cosines, ignored, labels, scale, scale))


def siglip(batch: Similarities) -> Tensor:
    """Every pair of the batch on its own: a sigmoid, the pairs of the diagonal match."""
    logits = batch.scale * batch.cosines + batch.bias
    target = torch.diag(batch.labels)
    each = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return each.masked_fill(batch.ignored, 0.0).sum() / len(logits)


def bce(batch: Similarities) -> Tensor:
    """Binary cross entropy of the labelled pairs, and of one in-batch negative for each."""
    cosines, labels = _with_negatives(batch)
    return functional.binary_cross_entropy_with_logits(batch.scale * cosines + batch.bias, labels)


def cosine(batch: Similarities) -> Tensor:
    """1 - cosine of pairs that match, and what unlike pairs have above the margin."""
    cosines, labels = _with_negatives(batch)
    far = (cosines - MARGIN).clamp_min(0.0)
    return (labels * (1 - cosines) + (1 - labels) * far).mean()


def mse(batch: Similarities) -> Tensor:
    """The squared difference of cosine and label."""
    cosines, labels = _with_negatives(batch)
    return (cosines - labels).square().mean()


def _with_negatives(batch: Similarities) -> tuple[Tensor, Tensor]:
    """Cosines and labels `(2n,)`: the diagonal, and every query with its neighbour's product."""
    count = len(batch.cosines)
    rows = torch.arange(count, device=batch.cosines.device)
    others = (rows + 1) % count
    known = batch.ignored[rows, others]
    cosines = torch.cat([batch.cosines.diagonal(), batch.cosines[rows, others][~known]])
    return cosines, torch.cat([batch.labels, torch.zeros(int((~known).sum()), device=rows.device)])


LOSSES = {"infonce": info_nce, "siglip": siglip, "bce": bce, "cosine": cosine, "mse": mse}
CONTRASTIVE = ("infonce", "siglip")  # all the others of a batch are negatives


@dataclass(frozen=True)
class LinearSettings:
    """How linear heads are trained."""

    dim: int = 256  # of a part: of the directions learnt those that agree most
    loss: str = "infonce"
    epochs: int = 30
    seed: int = 0
    inner_dim: int = 256  # directions that are learnt, at least
    batch_rows: int = 1024


class _LinearHeads(nn.Module):
    """Two linear maps over standardised features."""

    def __init__(self, examples: Examples, inner_dim: int) -> None:
        super().__init__()
        self.text = StandardisedHead(examples.text, inner_dim, TEXT_DROPOUT)
        self.image = StandardisedHead(examples.image, inner_dim, IMAGE_DROPOUT)
        self.log_scale = nn.Parameter(torch.tensor(float(np.log(1 / 0.07))))
        self.bias = nn.Parameter(torch.tensor(-10.0))

    def forward(self, batch: Examples, ignored: Tensor) -> Similarities:
        """The similarities of all queries with all products of a batch."""
        query = self.text(torch.from_numpy(batch.query))
        image = self.image(torch.from_numpy(batch.image))
        cosines = (1 - batch.text_share) * query @ image.T
        if batch.text_share:
            cosines = cosines + batch.text_share * query @ self.text(torch.from_numpy(batch.text)).T
        labels = torch.from_numpy(batch.labels)
        return Similarities(cosines, ignored, labels, self.log_scale.exp(), self.bias)

    def export_heads(self, examples: Examples, dim: int) -> Heads:
        """The heads centred and projected to their leading components."""
        text, image = self.text.fold(), self.image.fold()
        sample = draw_rows(len(examples), MOST_CENTRED)
        parts = text(examples.text[sample]), image(examples.image[sample])
        return project_heads(text, image, parts, min(dim, 1 + text.weight.shape[1]))


class StandardisedHead(nn.Module):
    """Features to unit vectors: to mean 0 and standard deviation 1, then a linear map.

    Args:
        features: `(n, features)`, which means and deviations are taken from.
        dim: of the unit vectors.
        dropout: share of the features that a training step leaves out.
        units: hidden ones that the map reads, too.
    """

    def __init__(self, features: Vectors, dim: int, dropout: float, units: int = 0) -> None:
        super().__init__()
        width = features.shape[1]
        self.dropout = nn.Dropout(dropout)
        self.mean = torch.from_numpy(features.mean(0))
        self.deviation = torch.from_numpy(features.std(0)).clamp_min(1e-4)
        self.linear = nn.Linear(width + units, dim)
        self.hidden = nn.Linear(width, units) if units else None
        with torch.no_grad():
            self.linear.weight[:, width:] = 0.0
        self.unit_dropout = nn.Dropout(UNIT_DROPOUT)

    def forward(self, features: Tensor) -> Tensor:
        """Unit rows `(n, dim)`."""
        read = self.dropout((features - self.mean) / self.deviation)
        if self.hidden is not None:
            units = self.unit_dropout(self.hidden(read).relu())
            read = torch.cat([read, units], dim=1)
        return functional.normalize(self.linear(read), dim=-1)

    def fold(self) -> Projection:
        """The same map as a projection of raw features, without centre and rotation."""
        mean, gain, units = self.mean.numpy(), 1 / self.deviation.numpy(), None
        if self.hidden is not None:
            weight, bias = (value.detach().numpy() for value in self.hidden.parameters())
            folded = weight.T * gain[:, None]
            shifted = np.asarray(bias - mean @ folded, np.float32)
            units = HiddenUnits(np.ascontiguousarray(folded, np.float32), shifted)
        weight, bias = (value.detach().numpy() for value in self.linear.parameters())
        return Projection.linear(weight.T, bias, mean=mean, gain=gain, hidden=units)


def train_linear(
    examples: Sequence[Examples],
    measure: Measure,
    settings: LinearSettings,
    log_figure: LogFigure = ignore,
) -> tuple[Heads, list[float]]:
    """The heads of the best epoch, and the figure of every epoch.

    Args:
        examples: sets that are trained on in turn; the first gives the standardisation.
        measure: what an epoch is judged by, on products that are in no set.
    """
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    sets = [_usable(chosen, settings.loss) for chosen in examples]
    model = _LinearHeads(examples[0], max(settings.inner_dim, settings.dim - 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs)
    figures: list[float] = []
    best = model.export_heads(examples[0], settings.dim)
    for epoch in range(settings.epochs):
        for batch in _batches(sets, settings.batch_rows, rng):
            shared = torch.from_numpy(shared_groups(batch.query_groups, batch.product_groups))
            loss = LOSSES[settings.loss](model(batch, shared))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                model.log_scale.clamp_(0.0, float(np.log(100.0)))
        schedule.step()
        heads = model.export_heads(examples[0], settings.dim)
        figures.append(measure(heads))
        LOG.info("epoch %d of heads: %.4f", epoch, figures[-1])
        log_figure("heads", figures[-1], epoch)
        if figures[-1] > max(figures[:-1], default=-1.0):
            best = heads
        if epoch - int(np.argmax(figures)) >= PATIENCE:
            break
    return best, figures


def _usable(examples: Examples, loss: str) -> Examples:
    """For a contrastive loss the pairs that match: what was not bought is not known not to fit."""
    matching = examples.labels > 0
    if loss not in CONTRASTIVE or matching.all():
        return examples
    others = sorted(set(LOSSES) - set(CONTRASTIVE))
    LOG.warning(
        "%d of %d labels are 0, which the loss %s does not use; %s do",
        int((~matching).sum()),
        len(matching),
        loss,
        f"{', '.join(others[:-1])} and {others[-1]}",
    )
    return examples.take(matching)


def _batches(sets: Sequence[Examples], rows: int, rng: np.random.Generator) -> Iterator[Examples]:
    """An epoch: every set in batches of about equal size, all batches in random order."""
    batches = []
    for examples in sets:
        order = rng.permutation(len(examples))
        parts = np.array_split(order, max(1, round(len(order) / rows)))
        batches += [(examples, part) for part in parts]
    for position in rng.permutation(len(batches)):
        examples, part = batches[position]
        yield examples.take(part)
