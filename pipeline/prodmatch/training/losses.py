"""Losses over the similarities of a batch: who belongs to whom, and by how much."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

MARGIN = 0.2  # of the cosine loss: unlike pairs need be no further apart than this cosine


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
