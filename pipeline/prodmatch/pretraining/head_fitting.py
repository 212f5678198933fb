"""Head fitting over finished encoders: a token embedding bag and both heads, from scratch.

Encoders overfit the products they were trained on, and so do heads over their features alone. A
token embedding bag and the spatial features of a picture overfit less: heads over all of these
concatenated generalise better.
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

from prodmatch.encoders.text import TextEncoder
from prodmatch.model.heads import Heads, Projection
from prodmatch.pretraining.augment import TextAugmentation
from prodmatch.pretraining.contrastive import TrainingSet
from prodmatch.pretraining.ensemble import HeadRun, Sample, ensemble_runs
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

LOG = logging.getLogger(__name__)
FLOOR = 1.0  # added to the standard deviation of an image feature
BLOCK_ROWS = 4096  # pictures that are projected
FEWEST_BATCHES = 3  # of a source, for some to be of products that resemble each other
MOST_CENTRED = 20_000  # products that the centre and the rotation are taken from


@dataclass(frozen=True)
class HeadFittingSettings:
    """How words and heads are fitted; the defaults are those of the shipped model."""

    dim: int = 256  # of the shared space
    inner_dim: int = 256  # of the token embeddings too
    runs: int = 6  # of seeds that follow each other, joined
    epochs: int = 10  # of each
    batch_rows: int = 1024
    rate: float = 2e-3
    weight_decay: float = 0.05  # of the heads
    dropped: float = 0.2  # share of the words, and of the features of a picture, left out
    augmented: float = 0.5  # share of augmented pictures in every other run
    states_kept: float = 0.5  # share of the texts whose pooled states are used
    states_scale: float = 0.02  # of pooled states, against 1 for words
    title_share: float = 0.8  # of the batches; the others show long texts
    short_weight: float = 0.5  # of short text -> picture, against 1 for long text -> picture
    search_weight: float = 0.5  # of short text -> picture and long text together
    text_share: float = 0.4  # of the score of the latter
    pair_weight: float = 0.3  # of text -> text of the same thing
    hard_negatives: float = 0.5  # share of the batches that are of similar products
    smallest: float = 0.25  # a source smaller than this share of the largest is repeated,
    most_times: int = 4  # so many times at most
    seed: int = 0


@dataclass(frozen=True)
class FrozenFeatures:
    """Products, and what the finished encoders make of their pictures: `(n, image features)`.

    Positions within a picture tell much in one shop and less in the next, so every other run is
    given half of the pictures augmented: mirrored and cropped (figures: docs/experiments.md).
    """

    data: TrainingSet
    pictures: Vectors
    augmented: Vectors | None = None  # of the same pictures, each in another view


@dataclass(frozen=True)
class EnsembledHeads:
    """A token embedding bag `(tokens, inner_dim)`, and heads over features with it."""

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
    def embed(self, titles: Texts, pictures: Tensor) -> Vectors:
        """Vectors of products by title and by picture: `(n, 2 * inner_dim)`."""
        states = (torch.from_numpy(titles.states) - self.state_mean) * self.state_gain
        words = torch.from_numpy(mean_rows(self.words.weight.numpy(), titles.tokens))
        text = words + self.states.bias + functional.linear(states, self.states.weight)
        image = torch.cat([self.pictures(part) for part in pictures.split(BLOCK_ROWS)])
        return torch.cat([functional.normalize(text, dim=-1), image], dim=1).numpy()

    @torch.no_grad()
    def export(self) -> HeadRun:
        """The token embeddings and the maps as they are now."""
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
        return HeadRun(words, text.weight, text.bias, image.weight, image.bias)


@dataclass(frozen=True)
class _Dataset:
    """What runs learn from."""

    data: TrainingSet
    pictures: Tensor
    augmented: Tensor
    vocabulary: int
    titles: Texts
    long: Texts
    short: list[Texts]  # drawn several times; an epoch shows one
    pairs: list[Pairs]
    kinds: npt.NDArray[np.int64]

    @classmethod
    def of(cls, encoder: TextEncoder, features: FrozenFeatures) -> Self:
        """Texts are drawn and encoded once for all runs."""
        data, views = features.data, TextAugmentation(np.random.default_rng(5))
        augmented = features.pictures if features.augmented is None else features.augmented
        return cls(
            data,
            torch.from_numpy(features.pictures),
            torch.from_numpy(augmented),
            encoder.vocabulary,
            Texts.of(encoder, [product.title for product in data.products]),
            Texts.of(encoder, [views.long(product) for product in data.products]),
            [Texts.of(encoder, [views.short(p) for p in data.products]) for _ in range(2)],
            Pairs.by_source(encoder, data.text_pairs),
            _kinds(data.products),
        )

    def images(self, rows: npt.NDArray[np.int64], share: float, rng: np.random.Generator) -> Tensor:
        """Features of the pictures of these products, a share of them augmented."""
        drawn = torch.from_numpy(rng.random((len(rows), 1)) < share)
        return torch.where(drawn, self.augmented[rows], self.pictures[rows])


def fit_ensemble(
    encoder: TextEncoder,
    train: FrozenFeatures,
    held_out: FrozenFeatures,
    settings: HeadFittingSettings,
    log_figure: LogFigure = ignore,
) -> EnsembledHeads:
    """An ensemble of several runs from scratch, as one token embedding bag and one pair of heads.

    Runs of other seeds make other errors; as all is linear, their concatenation is projected back
    to the size of one.

    Args:
        encoder: of texts, without a token embedding bag.
        train: training products; a batch is of one source.
        held_out: products that epochs are chosen by.
        settings: sizes and rates.
        log_figure: receives the figure of every epoch.
    """
    dataset = _Dataset.of(encoder, train)
    titles, step = dataset.titles, max(1, len(train.pictures) // MOST_CENTRED)
    pairs = some_pairs(dataset.pairs, MOST_CENTRED)
    groups = train.data.title_groups[::step]
    sample = Sample(titles.every(step), train.pictures[::step], groups, pairs)
    val_titles = Texts.of(encoder, [product.title for product in held_out.data.products])
    val = Sample(val_titles, held_out.pictures, held_out.data.title_groups)
    runs, figures = [], []
    for number in range(settings.runs):
        augmented = settings.augmented if number % 2 else 0.0
        own = replace(settings, seed=settings.seed + number, augmented=augmented)
        run, run_figures = _fit(dataset, sample, val, own, log_figure)
        runs.append(run)
        figures.append(run_figures)
    joined = ensemble_runs(runs, sample, settings.inner_dim)
    heads = joined.project(sample, settings.dim)
    heads = add_query_bank(heads, joined.features(titles), train.pictures)
    return EnsembledHeads(joined.words, heads, joined.recall(heads, val), figures)


def _fit(
    dataset: _Dataset,
    sample: Sample,
    val: Sample,
    settings: HeadFittingSettings,
    log_figure: LogFigure,
) -> tuple[HeadRun, list[float]]:
    """The last epoch within a standard error of the best held-out recall@10, and all figures.

    Recall is from titles to pictures. Of epochs that cannot be told apart the last generalises
    best (figures: docs/experiments.md).
    """
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    data, pictures = dataset.data, dataset.pictures
    model = _Heads(dataset.vocabulary, dataset.long, pictures.numpy(), settings)
    optimizer, schedule = _optimizer(model, settings, data.sources)
    noise = 0.5 / len(np.unique(val.groups)) ** 0.5
    best: HeadRun | None = None
    figures: list[float] = []
    positions: Vectors | None = None  # as the last epoch left them
    for epoch in range(settings.epochs):
        model.train()
        short = dataset.short[epoch % len(dataset.short)]
        for rows in draw_balanced(data.sources, settings, rng, positions):
            shown = dataset.titles if rng.random() < settings.title_share else dataset.long
            long, query = model.text(shown, rows, rng), model.text(short, rows, rng)
            image = model.pictures(dataset.images(rows, settings.augmented, rng))
            loss = _loss(model, (long, query, image), data, dataset.kinds, rows)
            if dataset.pairs:
                drawn = dataset.pairs[rng.integers(len(dataset.pairs))]
                loss = loss + settings.pair_weight * _pair_loss(model, drawn, rng)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                model.log_scales.clamp_(0.0, float(np.log(100.0)))
        run = model.eval().export()
        positions = model.embed(dataset.titles, pictures)
        figures.append(run.recall(run.project(sample, settings.dim), val))
        LOG.info("seed %d, epoch %d of words and heads: %.4f", settings.seed, epoch, figures[-1])
        log_figure(f"heads of seed {settings.seed}", figures[-1], epoch)
        if best is None or figures[-1] >= max(figures) - noise:
            best = run
    if best is None:
        raise ValueError("no epoch")
    return best, figures


def draw_balanced(
    sources: npt.NDArray[np.int64],
    settings: HeadFittingSettings,
    rng: np.random.Generator,
    positions: Vectors | None = None,
) -> list[npt.NDArray[np.int64]]:
    """An epoch's batches, each of one source, those of the smallest several times over.

    Hard negatives: with `positions`, vectors `(n, dim)`, some batches are of products near one
    drawn at random, where a source has products for several (topic-aware
    sampling, Hofstaetter et al. 2021).
    """
    _, counts = np.unique(sources, return_counts=True)
    batches = []
    for source in np.unique(sources):
        rows = np.flatnonzero(sources == source)
        times = round(settings.smallest * counts.max() / len(rows))
        for _ in range(min(settings.most_times, max(1, times))):
            drawn, parts = rng.permutation(rows), max(1, round(len(rows) / settings.batch_rows))
            mined = positions is not None and parts >= FEWEST_BATCHES
            near = round(settings.hard_negatives * parts) if mined else 0
            similar, others = np.split(drawn, [len(rows) * near // parts])
            if near and positions is not None:
                batches += [similar[part] for part in _neighbours(positions[similar], near, rng)]
            if near < parts:
                batches += np.array_split(others, parts - near)
    return [batches[place] for place in rng.permutation(len(batches))]


def _neighbours(
    positions: Vectors, count: int, rng: np.random.Generator
) -> list[npt.NDArray[np.int64]]:
    """The rows of `positions` in `count` parts of equal size, most of a part near one of them."""
    centred = positions - positions.mean(0)
    nearest = (centred @ centred[rng.choice(len(positions), count, replace=False)].T).argmax(1)
    order = np.lexsort([rng.random(len(positions)), nearest])
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
    keys = []
    for product in products:
        kind = [product.attributes.get(name, "") for name in ("colour", "type")]
        keys.append(("\n".join(kind) if all(kind) else product.title.lower()).encode())
    return group_keys(keys)
