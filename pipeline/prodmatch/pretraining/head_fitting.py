"""Trained encoders as their files give them, and the heads that a model gets over them."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from prodmatch.encoders.device import Compute, torch_precision
from prodmatch.encoders.networks.efficientnet import read_class_names
from prodmatch.encoders.networks.image import ImageEncoder
from prodmatch.encoders.networks.text import TextEncoder
from prodmatch.model.description import EncoderPair
from prodmatch.model.heads import Heads, project_heads
from prodmatch.model.projection import Projection
from prodmatch.pretraining.contrastive import ContrastSettings
from prodmatch.pretraining.data import TrainingSet
from prodmatch.pretraining.head_training import ProductFeatures, train_heads
from prodmatch.storage.vectors import Vectors, draw_rows
from prodmatch.training.heads import add_query_bank, block_heads
from prodmatch.training.held_out import MOST_QUERIES, HeldOut, draw_queries

MOST_PRODUCTS = 100_000  # that a rotation, a query bank and familiar texts are taken from
MOST_TEXTS = 20_000
PICTURE_ROWS = 4096


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
