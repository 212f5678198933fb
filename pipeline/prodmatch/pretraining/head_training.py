"""Heads over encoders that are trained already: fitted on features, which are made once.

A step of heads costs a hundredth of one of the encoders, so they learn for many more epochs, and
find more than those that the encoders were trained with (figures: docs/experiments.md).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from prodmatch.encoders.device import Compute, torch_precision
from prodmatch.encoders.networks.efficientnet import read_class_names
from prodmatch.encoders.networks.image import ImageEncoder
from prodmatch.encoders.networks.text import TextEncoder
from prodmatch.model.description import EncoderPair
from prodmatch.model.heads import Heads, project_heads
from prodmatch.model.projection import Projection
from prodmatch.pretraining.batches import (
    PAIRS_EVERY,
    TextAugmentation,
    draw_batches,
    find_fitting,
    find_same,
)
from prodmatch.pretraining.contrastive import (
    LARGEST_SCALE,
    ContrastSettings,
    average_share,
    learning_rate,
    product_loss,
)
from prodmatch.pretraining.data import TrainingSet
from prodmatch.pretraining.dual_encoder import FIRST_SCALE
from prodmatch.progress import bars_off
from prodmatch.storage.vectors import Vectors, draw_rows
from prodmatch.training.dataset import Numbers, shared_groups
from prodmatch.training.heads import add_query_bank, block_heads
from prodmatch.training.held_out import MOST_QUERIES, HeldOut, draw_queries
from prodmatch.training.trainer import IMAGE_DROPOUT, TEXT_DROPOUT, StandardisedHead, info_nce_of

SHORT_TEXTS = 4  # drawn of each product
LONG_TEXTS = 3  # of which the first is the title
TITLE_SHARE = 0.4  # of a batch, whose long texts are titles in any case
BATCH_ROWS = 1024  # as a GPU takes for the encoders: more wrong answers to learn from
RATE = 3e-3
IMAGE_UNITS = 512  # hidden ones of the head of pictures
PAIRS = 256  # of a batch
BLOCK = 16_384  # texts that are encoded at once
MOST_STANDARDISED = 20_000  # rows that means and deviations are taken from

Encode = Callable[[Sequence[str]], Vectors]
Half = npt.NDArray[np.float16]
MOST_PRODUCTS = 100_000  # that a rotation, a query bank and familiar texts are taken from
MOST_TEXTS = 20_000
PICTURE_ROWS = 4096


@dataclass(frozen=True)
class EncodedTexts:
    """Distinct texts and their features; rows of texts drawn of products are given by number."""

    texts: list[str]
    features: Half  # (texts, features)
    rows: Numbers  # (n, drawn of each)

    @classmethod
    def read(cls, drawn: Sequence[Sequence[str]], encode: Encode) -> "EncodedTexts":
        """Encodes each distinct text of `(n, drawn of each)` once."""
        numbers: dict[str, int] = {}
        rows = [[numbers.setdefault(text, len(numbers)) for text in row] for row in drawn]
        texts = list(numbers)
        order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
        blocks = [order[first : first + BLOCK] for first in range(0, len(order), BLOCK)]
        found = [encode([texts[number] for number in block]).astype(np.float16) for block in blocks]
        features = (
            np.concatenate(found)[np.argsort(order)] if found else np.zeros((0, 0), np.float16)
        )
        return cls(texts, features, np.array(rows, np.int64))

    def take(self, rows: Numbers) -> Tensor:
        """Features `(len(rows), features)` of texts by number."""
        return torch.from_numpy(self.features[rows]).float()


@dataclass(frozen=True)
class ProductFeatures:
    """What heads are fitted on: products, and the features of their texts and pictures."""

    data: TrainingSet
    images: Half  # (n, image features)
    short: EncodedTexts  # as in queries
    long: EncodedTexts  # as in a catalogue; the first of each product is its title
    pairs: EncodedTexts  # the two texts of each pair
    pair_sources: npt.NDArray[np.str_]

    @classmethod
    def read(
        cls, data: TrainingSet, images: Half, query: Encode, passage: Encode, seed: int
    ) -> "ProductFeatures":
        """Draws texts of all products, and encodes them."""
        draw = TextAugmentation(np.random.default_rng(seed))
        short = [[draw.short(each) for _ in range(SHORT_TEXTS)] for each in data.products]
        long = [
            [each.title, *(draw.long(each) for _ in range(LONG_TEXTS - 1))]
            for each in data.products
        ]
        pairs = [(pair.left, pair.right) for pair in data.text_pairs]
        return cls(
            data,
            images,
            EncodedTexts.read(short, query),
            EncodedTexts.read(long, passage),
            EncodedTexts.read(pairs, passage),
            np.array([pair.source for pair in data.text_pairs]),
        )

    def titles(self, rows: Numbers) -> Vectors:
        """Features of the titles of products."""
        return self.long.take(self.long.rows[rows, 0]).numpy()


class _Heads(nn.Module):
    """Heads of texts and of pictures in training."""

    def __init__(self, features: ProductFeatures, learnable: int, dim: int) -> None:
        super().__init__()
        texts, images = (
            found[draw_rows(len(found), MOST_STANDARDISED)].astype(np.float32)
            for found in (features.long.features, features.images[:, :learnable])
        )
        self.text = StandardisedHead(texts, dim, TEXT_DROPOUT)
        self.image = StandardisedHead(images, dim, IMAGE_DROPOUT, IMAGE_UNITS)
        self.log_scale = nn.Parameter(torch.tensor(math.log(FIRST_SCALE)))


def train_heads(
    features: ProductFeatures, learnable: int, settings: ContrastSettings
) -> tuple[Projection, Projection]:
    """Heads of texts, linear, and of pictures: the moving average of their weights at the end.

    Args:
        learnable: how many features of a picture are read, from the first.
        settings: `head_epochs`, and the weights of the losses, as for the encoders.
    """
    torch.manual_seed(settings.seed)
    rng, sources = np.random.default_rng(settings.seed), features.data.sources
    size = min(BATCH_ROWS, int(np.unique(sources, return_counts=True)[1].max()))
    model = _Heads(features, learnable, settings.inner_dim)
    average = AveragedModel(model, avg_fn=_moving_average(settings.average))
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=settings.head_decay)
    epochs = (draw_batches(sources, size, rng) for _ in range(settings.head_epochs))
    batches = list(chain.from_iterable(epochs))
    for step, rows in enumerate(tqdm(batches, desc="heads", unit="batch", disable=bars_off())):
        for group in optimizer.param_groups:
            group["lr"] = RATE * learning_rate(step, len(batches), settings.warm_up)
        loss = _batch_loss(model, features, rows, settings, rng)
        if step % PAIRS_EVERY == 1 and len(features.pair_sources):
            loss = loss + settings.pair_weight * _pair_loss(model, features, rng)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            model.log_scale.clamp_(0.0, math.log(LARGEST_SCALE))
        average.update_parameters(model)
    model.load_state_dict(average.module.state_dict())
    return model.text.fold(), model.image.fold()


def _moving_average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    def average(averaged: Tensor, new: Tensor, step: Tensor | int) -> Tensor:
        return torch.lerp(averaged, new, average_share(int(step), decay))

    return average


def _batch_loss(
    model: _Heads,
    features: ProductFeatures,
    rows: Numbers,
    settings: ContrastSettings,
    rng: np.random.Generator,
) -> Tensor:
    """What products of one source cost, by a short and a long text of each."""
    data, count = features.data, len(rows)
    short = features.short.rows[rows, rng.integers(SHORT_TEXTS, size=count)]
    drawn = np.where(rng.random(count) < TITLE_SHARE, 0, rng.integers(LONG_TEXTS, size=count))
    long = features.long.rows[rows, drawn]
    same = shared_groups(data.title_groups[rows], data.picture_groups[rows])
    texts = [features.short.texts[number] for number in short]
    fitting = same | find_fitting(texts, [data.products[row] for row in rows])
    images = torch.from_numpy(features.images[rows, : model.image.mean.numel()]).float()
    return product_loss(
        model.text(features.short.take(short)),
        model.text(features.long.take(long)),
        model.image(images),
        (torch.from_numpy(same), torch.from_numpy(fitting)),
        model.log_scale.exp(),
        settings.short_weight,
    )


def _pair_loss(model: _Heads, features: ProductFeatures, rng: np.random.Generator) -> Tensor:
    """What pairs of texts of one source cost that must find each other."""
    of_source = np.flatnonzero(features.pair_sources == rng.choice(features.pair_sources))
    chosen = rng.choice(of_source, min(PAIRS, len(of_source)), replace=False)
    rows = features.pairs.rows[chosen]
    left, right = (model.text(features.pairs.take(side)) for side in rows.T)
    texts = ([features.pairs.texts[row] for row in side] for side in rows.T)
    same = torch.from_numpy(find_same(*texts))
    return info_nce_of(left @ right.T, same, model.log_scale.exp())


@dataclass(frozen=True)
class WrittenEncoders:
    """Encoders as their files give them, to make features."""

    pair: EncoderPair
    text: TextEncoder
    image: ImageEncoder

    @classmethod
    def open(cls, pair: EncoderPair, device: str) -> Self:
        """The encoders in two folders, on a device."""
        compute = Compute(device, torch_precision(device))
        text = TextEncoder(pair.text_folder, pair.text, compute)
        return cls(pair, text, ImageEncoder(pair.image_folder, pair.image, compute))

    def hold_out(self, data: TrainingSet) -> HeldOut:
        """Held-out products, as features, to judge heads over these encoders by."""
        titles = data.titles[:MOST_QUERIES]
        queries = self.text.encode(draw_queries(titles), query=True)
        text, image = self.text.encode(data.titles), self.image.encode(data.pictures)
        return HeldOut(text, image, data.title_groups, titles, queries)

    def read_features(self, data: TrainingSet, seed: int) -> ProductFeatures:
        """Features of the products' pictures, and of texts that are drawn of them."""
        pictures = [
            self.image.encode(data.pictures[first : first + PICTURE_ROWS]).astype(np.float16)
            for first in range(0, len(data.pictures), PICTURE_ROWS)
        ]
        return ProductFeatures.read(
            data,
            np.concatenate(pictures),
            lambda texts: self.text.encode(texts, query=True),
            self.text.encode,
            seed,
        )

    def general_texts(self, data: TrainingSet) -> Vectors:
        """Features of class names and of texts of all kinds; the centre of what texts say."""
        texts = data.texts or data.titles
        names = read_class_names(self.pair.image_folder)
        further = [texts[row] for row in draw_rows(len(texts), MOST_TEXTS)]
        return self.text.encode([*names, *further])


def fit_final_heads(
    features: ProductFeatures,
    learnable: int,
    general: Vectors,
    settings: ContrastSettings,
    dim: int,
) -> Heads:
    """Heads trained over encoders that stay as they are, centred and projected, with a query bank.

    Where pictures have class vectors, also heads of what the encoders knew before.

    Args:
        learnable: how many features of a picture come before its class vector.
        general: `(m, text features)`, as of `WrittenEncoders.general_texts`.
        dim: of a part.
    """
    text_head, image_head = (head.halved() for head in train_heads(features, learnable, settings))
    width = features.images.shape[1] - learnable
    rows = np.random.default_rng(settings.seed).permutation(len(features.images))[:MOST_PRODUCTS]
    text, image = features.titles(rows), features.images[rows].astype(np.float32)
    if width:
        wide = Projection.join([(slice(0, learnable), image_head)], [1.0], learnable + width)
        return block_heads((text_head, wide), text, image, general, width=width, dim=dim)
    parts = text_head(text), image_head(image)
    return add_query_bank(project_heads(text_head, image_head, parts, dim), text, image)
