"""The last stage over finished encoders: a table of words, and both heads, from the beginning.

Encoders remember the products they were trained on, and heads over such features lean on what is
remembered. A table with a row for every token knows nothing of a product, and the layout of a
picture hardly anything; heads that learn from these beside the features find more among products
that were not trained on.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from prodmatch.encoders.encoders import TextEncoder
from prodmatch.model.heads import Heads, Projection
from prodmatch.pretraining.augment import TextAugmentation
from prodmatch.pretraining.contrastive import TrainingSet
from prodmatch.pretraining.ensemble import Fit, Sample, join_fits
from prodmatch.pretraining.token_bag import (
    Pairs,
    Texts,
    Tokens,
    draw_words,
    mean_rows,
    some_pairs,
    some_tokens,
)
from prodmatch.storage.vectors import Vectors
from prodmatch.training.losses import info_nce_of
from prodmatch.training.pairs import TrainingProduct, group_keys, shared_groups
from prodmatch.training.progress import LogFigure, ignore
from prodmatch.training.query_bank import add_query_bank

__all__ = [
    "FittedHeads",
    "FrozenFeatures",
    "HeadFittingSettings",
    "draw_balanced",
    "fit_ensemble",
]

LOG = logging.getLogger(__name__)
FLOOR = 1.0  # added to the spread of a picture's feature: what hardly varies says little
MOST_AT_ONCE = 4096  # pictures that are projected
FEWEST_BATCHES = 3  # of a source, for some to be of products that resemble each other
MOST_CENTRED = 20_000  # products that the centre and the rotation are taken from


@dataclass(frozen=True)
class HeadFittingSettings:
    """How words and heads are fitted; the defaults are those of the shipped model."""

    dim: int = 256  # of the shared space
    inner_dim: int = 256  # of the table too
    fits: int = 6  # of seeds that follow each other, joined
    epochs: int = 10  # of each
    batch_rows: int = 1024
    rate: float = 2e-3
    weight_decay: float = 0.05  # of the heads
    dropped: float = 0.2  # share of the words, and of the features of a picture, left out
    otherwise: float = 0.5  # share of the pictures that every other fit sees otherwise
    states_kept: float = 0.5  # share of the texts whose pooled states are seen
    states_scale: float = 0.02  # of pooled states, against 1 for words
    title_share: float = 0.8  # of the batches; the others show long texts
    short_weight: float = 0.5  # of short text -> picture, against 1 for long text -> picture
    search_weight: float = 0.5  # of short text -> picture and long text together
    text_share: float = 0.4  # of the score of the latter
    pair_weight: float = 0.3  # of text -> text of the same thing
    alike: float = 0.5  # share of the products whose batches are of products near each other
    smallest: float = 0.25  # a source smaller than this share of the largest is repeated,
    most_times: int = 4  # so many times at most
    seed: int = 0


@dataclass(frozen=True)
class FrozenFeatures:
    """Products, and what the finished encoders make of their pictures: `(n, image features)`.

    A shop shows its shoes from one side and as large as the frame, and what lies where in a
    picture tells much there and less in the next shop. So every other fit sees half of the pictures
    otherwise, mirrored and cropped. `val` titles find .705 of the pictures by six fits, every other
    one such, .696 by three without and .689 by three such; of mirrored pictures .636, .573 and
    .656, of larger ones .675, .641 and .677.
    """

    data: TrainingSet
    pictures: Vectors
    otherwise: Vectors | None = None  # of the same pictures, each in another view


@dataclass(frozen=True)
class FittedHeads:
    """A table of words `(tokens, inner_dim)`, and heads over features with it."""

    words: Vectors
    heads: Heads
    figure: float  # of these
    figures: list[list[float]]  # of every epoch of every fit


class _Heads(nn.Module):
    """The maps that are fitted."""

    def __init__(
        self, vocabulary: int, long: Texts, pictures: Vectors, settings: HeadFittingSettings
    ):
        super().__init__()
        inner = settings.inner_dim
        self.words = nn.EmbeddingBag(vocabulary, inner, mode="mean")
        nn.init.normal_(self.words.weight, std=0.05)
        self.states = nn.Linear(long.states.shape[1], inner)
        self.image = nn.Linear(pictures.shape[1], inner)
        self.log_scales = nn.Parameter(torch.full((3,), 3.0))
        self.state_mean = torch.from_numpy(long.states.mean(0))
        self.state_gain = settings.states_scale / (torch.from_numpy(long.states.std(0)) + 1e-4)
        self.image_mean = torch.from_numpy(pictures.mean(0))
        self.image_gain = 1 / (torch.from_numpy(pictures.std(0)) + FLOOR)
        self.settings = settings

    def text(self, texts: Texts, rows: npt.NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        """Unit rows `(n, inner_dim)`, words left out at random."""
        states = (torch.from_numpy(texts.states[rows]) - self.state_mean) * self.state_gain
        shown = torch.from_numpy(rng.random((len(rows), 1)) < self.settings.states_kept)
        found = self._words([texts.tokens[row] for row in rows], rng)
        found = found + functional.linear(states * shown, self.states.weight)
        return functional.normalize(found.float(), dim=-1)

    def some_words(
        self, texts: Texts, rows: npt.NDArray[np.int64], rng: np.random.Generator
    ) -> Tensor:
        """Unit rows `(n, inner_dim)` of a few tokens of each text, without its states."""
        tokens = [some_tokens(texts.tokens[row], rng) for row in rows]
        return functional.normalize(self._words(tokens, rng).float(), dim=-1)

    def _words(self, tokens: Tokens, rng: np.random.Generator) -> Tensor:
        found: Tensor = (
            self.words(*draw_words(tokens, self.settings.dropped, rng)) + self.states.bias
        )
        return found

    def pictures(self, pictures: Tensor) -> Tensor:
        """Unit rows `(n, inner_dim)`, features left out at random while it trains."""
        rows = (pictures - self.image_mean) * self.image_gain
        rows = functional.dropout(rows, self.settings.dropped, self.training)
        return functional.normalize(self.image(rows), dim=-1)

    @torch.no_grad()
    def places(self, titles: Texts, pictures: Tensor) -> Vectors:
        """Where products lie by title and by picture: `(n, 2 * inner_dim)`."""
        states = (torch.from_numpy(titles.states) - self.state_mean) * self.state_gain
        words = torch.from_numpy(mean_rows(self.words.weight.numpy(), titles.tokens))
        said = words + self.states.bias + functional.linear(states, self.states.weight)
        seen = torch.cat([self.pictures(part) for part in pictures.split(MOST_AT_ONCE)])
        return torch.cat([functional.normalize(said, dim=-1), seen], dim=1).numpy()

    @torch.no_grad()
    def finish(self) -> Fit:
        """The table and the maps as they are now."""
        text, image = (
            Projection.linear(
                linear.weight.numpy().T, linear.bias.numpy(), mean=mean.numpy(), gain=gain.numpy()
            )
            for linear, mean, gain in (
                (self.states, self.state_mean, self.state_gain),
                (self.image, self.image_mean, self.image_gain),
            )
        )
        words = self.words.weight.clone().numpy()
        return Fit(words, text.weight, text.bias, image.weight, image.bias)


@dataclass(frozen=True)
class _Material:
    """What fits learn from."""

    data: TrainingSet
    pictures: Tensor
    otherwise: Tensor
    vocabulary: int
    titles: Texts
    long: Texts
    short: list[Texts]  # drawn several times; an epoch shows one
    pairs: list[Pairs]
    kinds: npt.NDArray[np.int64]

    @classmethod
    def of(cls, encoder: TextEncoder, seen: FrozenFeatures) -> Self:
        """Texts are drawn and encoded once for all fits."""
        data, views = seen.data, TextAugmentation(np.random.default_rng(5))
        otherwise = seen.pictures if seen.otherwise is None else seen.otherwise
        return cls(
            data,
            torch.from_numpy(seen.pictures),
            torch.from_numpy(otherwise),
            encoder.vocabulary,
            Texts.of(encoder, [product.title for product in data.products]),
            Texts.of(encoder, [views.long(product) for product in data.products]),
            [Texts.of(encoder, [views.short(p) for p in data.products]) for _ in range(2)],
            Pairs.by_source(encoder, data.text_pairs),
            _kinds(data.products),
        )

    def look(self, rows: npt.NDArray[np.int64], share: float, rng: np.random.Generator) -> Tensor:
        """Features of the pictures of these products, a share of them in their other view."""
        drawn = torch.from_numpy(rng.random((len(rows), 1)) < share)
        return torch.where(drawn, self.otherwise[rows], self.pictures[rows])


def fit_ensemble(
    encoder: TextEncoder,
    seen: FrozenFeatures,
    held_out: FrozenFeatures,
    settings: HeadFittingSettings,
    log_figure: LogFigure = ignore,
) -> FittedHeads:
    """Words and heads of several fits from the beginning, side by side, as one.

    Fits of other seeds err elsewhere, so their mean finds more than any of them; as all of it is
    linear, the directions that matter of all together make a table and heads of the size of one.

    Args:
        encoder: of texts, without a table of words.
        seen: products to learn from; batches are of one of their sources each.
        held_out: products to judge by.
        settings: sizes and rates.
        log_figure: is told the figure of every epoch.
    """
    material = _Material.of(encoder, seen)
    titles, step = material.titles, max(1, len(seen.pictures) // MOST_CENTRED)
    pairs = some_pairs(material.pairs, MOST_CENTRED)
    groups = seen.data.title_groups[::step]
    sample = Sample(titles.every(step), seen.pictures[::step], groups, pairs)
    judged = Texts.of(encoder, [product.title for product in held_out.data.products])
    judge = Sample(judged, held_out.pictures, held_out.data.title_groups)
    fits, figures = [], []
    for number in range(settings.fits):
        otherwise = settings.otherwise if number % 2 else 0.0
        own = replace(settings, seed=settings.seed + number, otherwise=otherwise)
        fit, heard = _fit(material, sample, judge, own, log_figure)
        fits.append(fit)
        figures.append(heard)
    joined = join_fits(fits, sample, settings.inner_dim)
    heads = joined.compact(sample, settings.dim)
    heads = add_query_bank(heads, joined.features(titles), seen.pictures)
    return FittedHeads(joined.words, heads, joined.recall(heads, judge), figures)


def _fit(
    material: _Material,
    sample: Sample,
    judge: Sample,
    settings: HeadFittingSettings,
    log_figure: LogFigure,
) -> tuple[Fit, list[float]]:
    """The last epoch whose recall@10 on what is held out is about the best, and all figures.

    That is from titles to pictures, and about the best is within a standard error: between
    epochs that cannot be told apart the later has settled more. Of one such fit the sixth
    epoch of ten was .008 above the last among 3,427 pictures, and .02 below among 41,209.
    """
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    data, pictures = material.data, material.pictures
    model = _Heads(material.vocabulary, material.long, pictures.numpy(), settings)
    optimizer, schedule = _optimizer(model, settings, data.sources)
    noise = 0.5 / len(np.unique(judge.groups)) ** 0.5
    best: Fit | None = None
    figures: list[float] = []
    where: Vectors | None = None  # as the last epoch left it
    for epoch in range(settings.epochs):
        model.train()
        short = material.short[epoch % len(material.short)]
        for rows in draw_balanced(data.sources, settings, rng, where):
            shown = material.titles if rng.random() < settings.title_share else material.long
            said, asked = model.text(shown, rows, rng), model.text(short, rows, rng)
            seen = model.pictures(material.look(rows, settings.otherwise, rng))
            loss = _loss(model, (said, asked, seen), data, material.kinds, rows)
            if material.pairs:
                drawn = material.pairs[rng.integers(len(material.pairs))]
                loss = loss + settings.pair_weight * _pair_loss(model, drawn, rng)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                model.log_scales.clamp_(0.0, float(np.log(100.0)))
        fit = model.eval().finish()
        where = model.places(material.titles, pictures)
        figures.append(fit.recall(fit.compact(sample, settings.dim), judge))
        LOG.info("seed %d, epoch %d of words and heads: %.4f", settings.seed, epoch, figures[-1])
        log_figure(f"heads of seed {settings.seed}", figures[-1], epoch)
        if best is None or figures[-1] >= max(figures) - noise:
            best = fit
    if best is None:
        raise ValueError("no epoch")
    return best, figures


def draw_balanced(
    sources: npt.NDArray[np.int64],
    settings: HeadFittingSettings,
    rng: np.random.Generator,
    places: Vectors | None = None,
) -> list[npt.NDArray[np.int64]]:
    """An epoch's batches, each of one source, those of the smallest several times over.

    Products that resemble each other are harder to tell apart, as in a large catalogue: with
    `places`, vectors `(n, dim)`, some batches are of products near one drawn at random, where a
    source has products for several (after topic-aware sampling, Hofstaetter et al. 2021).
    """
    _, counts = np.unique(sources, return_counts=True)
    batches = []
    for source in np.unique(sources):
        rows = np.flatnonzero(sources == source)
        times = round(settings.smallest * counts.max() / len(rows))
        for _ in range(min(settings.most_times, max(1, times))):
            drawn, parts = rng.permutation(rows), max(1, round(len(rows) / settings.batch_rows))
            near = 0 if places is None or parts < FEWEST_BATCHES else round(settings.alike * parts)
            alike, others = np.split(drawn, [len(rows) * near // parts])
            if near and places is not None:
                batches += [alike[part] for part in _neighbours(places[alike], near, rng)]
            if near < parts:
                batches += np.array_split(others, parts - near)
    return [batches[place] for place in rng.permutation(len(batches))]


def _neighbours(
    places: Vectors, count: int, rng: np.random.Generator
) -> list[npt.NDArray[np.int64]]:
    """The rows of `places` in `count` parts of equal size, most of a part near one of them."""
    centred = places - places.mean(0)
    nearest = (centred @ centred[rng.choice(len(places), count, replace=False)].T).argmax(1)
    order = np.lexsort([rng.random(len(places)), nearest])
    return list(np.array_split(order, count))


def _optimizer(
    model: _Heads, settings: HeadFittingSettings, sources: npt.NDArray[np.int64]
) -> tuple[torch.optim.AdamW, torch.optim.lr_scheduler.LRScheduler]:
    decayed: list[Tensor] = [model.states.weight, model.image.weight]
    known = {id(weight) for weight in decayed}
    others = [weight for weight in model.parameters() if id(weight) not in known]
    optimizer = torch.optim.AdamW(decayed, settings.rate, weight_decay=settings.weight_decay)
    optimizer.add_param_group({"params": others, "weight_decay": 0.0})
    batches = len(draw_balanced(sources, settings, np.random.default_rng(0)))
    steps = max(2, settings.epochs * batches)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.rate, total_steps=steps + 1, pct_start=0.05, cycle_momentum=False
    )
    return optimizer, schedule


def _loss(
    model: _Heads,
    views: tuple[Tensor, Tensor, Tensor],
    data: TrainingSet,
    kinds: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
) -> Tensor:
    """Long text -> picture, short text -> picture, short text -> both."""
    settings = model.settings
    long, short, image = views
    groups = data.title_groups[rows], data.picture_groups[rows]
    same = shared_groups(*groups)
    fitting = shared_groups(*groups, kinds[rows])  # a short text may fit all of a colour and type
    by_picture, by_both, _ = model.log_scales.exp()
    share = settings.text_share
    both = share * short @ long.T + (1 - share) * short @ image.T
    return (
        info_nce_of(long @ image.T, torch.from_numpy(same), by_picture)
        + settings.short_weight
        * info_nce_of(short @ image.T, torch.from_numpy(fitting), by_picture)
        + settings.search_weight * info_nce_of(both, torch.from_numpy(fitting), by_both)
    )


def _pair_loss(model: _Heads, pairs: Pairs, rng: np.random.Generator) -> Tensor:
    """Text -> text of the same thing; half of the former say a few of their words."""
    count = min(len(pairs.groups), model.settings.batch_rows // 2)
    rows = rng.choice(len(pairs.groups), count, replace=False)
    full = model.text(pairs.left, rows[: count // 2], rng)
    left = torch.cat([full, model.some_words(pairs.left, rows[count // 2 :], rng)])
    right = model.text(pairs.right, rows, rng)
    same = torch.from_numpy(shared_groups(pairs.groups[rows]))
    return info_nce_of(left @ right.T, same, model.log_scales[2].exp())


def _kinds(products: Sequence[TrainingProduct]) -> npt.NDArray[np.int64]:
    """Equal where a query of colour and kind fits both products; else where titles are equal."""
    said = []
    for product in products:
        kind = [product.attributes.get(name, "") for name in ("colour", "type")]
        said.append(("\n".join(kind) if all(kind) else product.title.lower()).encode())
    return group_keys(said)
