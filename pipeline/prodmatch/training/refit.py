"""The heads of trained towers once more, over the finished encoders: larger batches, all views."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from prodmatch.heads import Heads
from prodmatch.training.contrast import TrainingSet
from prodmatch.training.linear import Examples, LinearSettings, Measure, train_linear
from prodmatch.training.pairs import group_keys
from prodmatch.training.progress import Hear, ignore
from prodmatch.training.views import TextViews
from prodmatch.vectors import Vectors

__all__ = ["RefitSettings", "Seen", "refit_heads"]

Encode = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True)
class RefitSettings:
    """How the heads are refitted; the defaults are those of the shipped model."""

    epochs: int = 6
    batch_rows: int = 512
    rate: float = 4e-4
    short_draws: int = 2  # short texts of each product
    text_shares: tuple[float, ...] = (0.0, 0.4)  # of the score of a short text; rest: the picture's
    most_times: int = 4  # that a small source is seen in an epoch


@dataclass(frozen=True)
class Seen:
    """What towers were trained on, as the finished encoders see it."""

    data: TrainingSet
    pictures: Vectors  # (n, image features)
    encode: Encode  # text features


def refit_heads(
    heads: Heads,
    seen: Seen,
    measure: Measure,
    settings: RefitSettings,
    hear: Hear = ignore,
) -> tuple[Heads, list[float]]:
    """The best heads on held-out products, `heads` where none are better, and all figures.

    Args:
        heads: where to start.
        seen: products; batches are of one of their sources each.
        measure: what the heads of an epoch are judged by.
        settings: sizes and rates.
        hear: is told the figure of every epoch.
    """
    views, data, pictures = TextViews(np.random.default_rng(5)), seen.data, seen.pictures
    long = seen.encode([views.long(product) for product in data.products])
    ones = np.ones(len(pictures), np.float32)
    titles, kinds = data.title_groups, _kinds(data)
    paired = Examples(long, long, pictures, ones, titles, data.picture_groups)
    sets = [paired]
    sources = [np.flatnonzero(data.sources == source) for source in np.unique(data.sources)]
    largest = max(len(rows) for rows in sources)
    for _ in range(settings.short_draws):
        short = seen.encode([views.short(product) for product in data.products])
        asked = Examples(short, long, pictures, ones, kinds, titles)
        for rows in sources:
            chosen = asked.take(rows)
            times = min(settings.most_times, round((largest / len(rows)) ** 0.5))
            sets += [replace(chosen, text_share=share) for share in settings.text_shares] * times
    sets += [paired.take(rows) for rows in sources]
    linear = LinearSettings(
        dim=heads.text.rotation.shape[1],
        inner_dim=heads.text.weight.shape[1],
        epochs=settings.epochs,
        batch_rows=settings.batch_rows,
        rate=settings.rate,
        weight_decay=0.0,
    )
    before = measure(heads)
    found, figures = train_linear(sets, measure, linear, hear, start=heads)
    return (found if max(figures) > before else heads), [before, *figures]


def _kinds(data: TrainingSet) -> npt.NDArray[np.int64]:
    """Equal where a query of colour and kind fits both products; else where titles are equal."""
    said = []
    for product in data.products:
        kind = [product.attributes.get(name, "") for name in ("colour", "type")]
        said.append(("\n".join(kind) if all(kind) else product.title.lower()).encode())
    return group_keys(said)
