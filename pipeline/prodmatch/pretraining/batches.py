"""Batches of an encoder training: texts and pictures drawn anew at every step, false negatives."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from string import ascii_lowercase

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from transformers import PreTrainedTokenizerBase

from prodmatch.model.preprocessing import TextSpec
from prodmatch.pretraining.data import TrainingProduct, TrainingSet
from prodmatch.training.dataset import Numbers, shared_groups
from prodmatch.training.held_out import draw_words, words_of

PAIRS_EVERY = 2  # batches
TEMPLATES = (
    "{colour} {type}",
    "{colour} {type}",
    "{colour} {type} for {gender}",
    "{colour} {type} for {gender}",
    "{gender} {colour} {type}",
    "{type} {colour}",
    "{type} in {colour}",
    "{pattern} {type}",
    "{colour} {pattern} {type}",
    "{type} for {gender}",
    "{brand} {type}",
    "{type}",
)
NAME = re.compile(r"{(\w+)}")  # of an attribute, in a template
SMALLEST_CROP = 0.4  # of a picture's area
LARGEST_ASPECT = 1.25  # of a crop, in units of the picture's own


@dataclass(frozen=True)
class TextReader:
    """Texts to tokens, as training reads them: with their prefixes, and no more than the first."""

    tokenizer: PreTrainedTokenizerBase
    spec: TextSpec
    max_tokens: int

    def tokens(self, passages: Sequence[str], queries: Sequence[str] = ()) -> Tensor:
        """Ids and mask `(2, n, tokens)` of queries, then of passages."""
        texts = [self.spec.query(text) for text in queries]
        texts += [self.spec.passage(text) for text in passages]
        most = min(self.max_tokens, self.spec.max_tokens)
        found = self.tokenizer(
            texts, truncation=True, max_length=most, padding=True, return_tensors="pt"
        )
        return torch.stack([found["input_ids"], found["attention_mask"]])


@dataclass(frozen=True)
class PairBatch:
    """Pairs of texts that describe one product, of one source."""

    tokens: Tensor  # (2, 2 n, tokens): ids and mask of left, then of right texts
    ignored: Tensor  # (n, n), true for false negatives


@dataclass(frozen=True)
class Batch:
    """Products of one source with two texts of each, further texts, and now and then pairs."""

    rows: Numbers  # (n,)
    tokens: Tensor  # (2, 2 n + further, tokens): ids and mask of short, long, further texts
    same: Tensor  # (n, n), true for other products of equal title or picture
    fitting: Tensor  # (n, n), and for those whose words hold every word of a row's short text
    pairs: PairBatch | None


class Batches(Dataset[Batch]):
    """The batches of a whole training, by step; each follows from the seed and its number.

    A batch has `rows` products, and a quarter as many further texts and pairs.
    """

    def __init__(
        self, data: TrainingSet, reader: TextReader, rows: int, *, epochs: int, seed: int
    ) -> None:
        self.data = replace(data, pictures=np.zeros(0, np.uint8))  # not for other processes
        self.reader, self.seed, self.epochs = reader, seed, epochs
        self.rows, self.others = rows, -(-rows // 4)
        self.pair_sources = np.array([pair.source for pair in data.text_pairs])
        self.steps = len(draw_batches(data.sources, rows, np.random.default_rng(0)))
        self._epoch = -1
        self._plan: list[Numbers] = []

    def __len__(self) -> int:
        return self.epochs * self.steps

    def __getitem__(self, step: int) -> Batch:
        epoch, number = divmod(step, self.steps)
        if epoch != self._epoch:
            rng = np.random.default_rng([self.seed, epoch])
            self._epoch = epoch
            self._plan = draw_batches(self.data.sources, self.rows, rng)
        rng = np.random.default_rng([self.seed, epoch, number])
        data, rows, draw = self.data, self._plan[number], TextAugmentation(rng)
        products = [data.products[row] for row in rows]
        short = [draw.short(product) for product in products]
        long = [draw.long(product) for product in products]
        if data.texts:
            long += [data.texts[row] for row in rng.choice(len(data.texts), self.others)]
        same = shared_groups(data.title_groups[rows], data.picture_groups[rows])
        fitting = same | find_fitting(short, products)
        has_pairs = len(self.pair_sources) and number % PAIRS_EVERY == 1
        return Batch(
            rows,
            self.reader.tokens(long, short),
            torch.from_numpy(same),
            torch.from_numpy(fitting),
            self._draw_pairs(rng) if has_pairs else None,
        )

    def _draw_pairs(self, rng: np.random.Generator) -> PairBatch:
        of_source = np.flatnonzero(self.pair_sources == rng.choice(self.pair_sources))
        count = min(self.others, len(of_source))
        pairs = [self.data.text_pairs[row] for row in rng.choice(of_source, count, replace=False)]
        left, right = [pair.left for pair in pairs], [pair.right for pair in pairs]
        same = torch.from_numpy(find_same(left, right))
        return PairBatch(self.reader.tokens([*left, *right]), same)

    def load(self, first: int, workers: int) -> DataLoader[Batch]:
        """The batches from step `first` on, in order, made ahead by other processes if any."""
        return DataLoader(
            self,
            batch_size=None,
            sampler=range(first, len(self)),
            num_workers=workers,
            multiprocessing_context="forkserver" if workers else None,
            prefetch_factor=4 if workers else None,
        )


def draw_batches(sources: Numbers, rows: int, rng: np.random.Generator) -> list[Numbers]:
    """An epoch's batches of `rows` products of one source each, in random order.

    Products of one source are harder to tell from each other. The last batch of a source is
    filled up with others of it; where it would be less than half full, there is none.
    """
    batches: list[Numbers] = []
    for source in np.unique(sources):
        order = rng.permutation(np.flatnonzero(sources == source))
        count = max(1, round(len(order) / rows))
        added = rng.choice(order, max(0, count * rows - len(order)))
        batches += np.split(np.concatenate([order, added])[: count * rows], count)
    return [batches[position] for position in rng.permutation(len(batches))]


def find_same(left: Sequence[str], right: Sequence[str]) -> npt.NDArray[np.bool_]:
    """`(pair, pair)`: true where two pairs have a text in common, by its words: one product's."""
    numbers: dict[frozenset[str], int] = {}
    rows, columns = (
        np.array([numbers.setdefault(words_of(text), len(numbers)) for text in side], np.int64)
        for side in (left, right)
    )
    same = shared_groups(rows, columns)
    same |= (rows[:, None] == columns) | (columns[:, None] == rows)
    np.fill_diagonal(same, False)
    return same


def find_fitting(
    texts: Sequence[str], products: Sequence[TrainingProduct]
) -> npt.NDArray[np.bool_]:
    """`(text, product)`: true where another product's words hold every word of a text."""
    wanted = list(map(words_of, texts))
    numbers = {word: number for number, word in enumerate(frozenset().union(*wanted))}
    rows = [
        [[numbers[word] for word in words if word in numbers] for words in side]
        for side in (wanted, (product.words() for product in products))
    ]
    of_text, of_product = (np.zeros((len(side), len(numbers)), np.float32) for side in rows)
    for table, side in zip((of_text, of_product), rows, strict=True):
        for row, columns in zip(table, side, strict=True):
            row[columns] = 1.0
    found = of_text @ of_product.T == of_text.sum(axis=1, keepdims=True)  # exact: small integers
    np.fill_diagonal(found, False)
    return np.asarray(found)


@dataclass
class TextAugmentation:
    """Two texts of a product: a long one, as in a catalogue, and a short one, as in a query."""

    rng: np.random.Generator

    def long(self, product: TrainingProduct) -> str:
        """The title, sometimes with attributes or a description, sometimes a word short."""
        draw, title = self.rng.random(), product.title
        if draw < 0.25:
            values = [self._choose(value) for value in product.attributes.values()]
            return " ".join([title, *(value for value in values if self.rng.random() < 0.7)])
        if draw < 0.40 and product.description:
            return f"{title}. {product.description}"
        if draw < 0.55:
            kept = [word for word in title.split() if self.rng.random() > 0.2]
            return " ".join(kept or title.split())
        return title

    def short(self, product: TrainingProduct) -> str:
        """A template over attributes where there are any, or a few words, now and then mistyped."""
        draw = self.rng.random()
        if draw < 0.15:
            text = product.title
        elif draw < 0.60 and (filled := self._fill_template(product)):
            text = filled
        else:
            text = draw_words(product.title, self.rng, ordered=0.5)
        return self._mistype(text) if self.rng.random() < 0.08 else text

    def _fill_template(self, product: TrainingProduct) -> str:
        values = {name: self._choose(value) for name, value in product.attributes.items()}
        usable = [each for each in TEMPLATES if all(map(values.get, NAME.findall(each)))]
        return usable[self.rng.integers(len(usable))].format_map(values) if usable else ""

    def _choose(self, value: str) -> str:
        alternatives = value.split("|")
        return alternatives[self.rng.integers(len(alternatives))]

    def _mistype(self, text: str) -> str:
        if len(text) < 4:
            return text
        position = int(self.rng.integers(len(text) - 1))
        letter = ascii_lowercase[self.rng.integers(26)]
        before, at, after = text[:position], text[position], text[position + 1 :]
        kinds = (before + after, before + letter + after, before + at + letter + after)
        swapped = before + after[0] + at + after[1:]
        return (*kinds, swapped)[self.rng.integers(4)]


def augment_pictures(pixels: Tensor, side: int) -> Tensor:
    """Random crops of pictures, half of them mirrored, in another light, a quarter partly erased.

    The hue is never touched. Draws from torch's generator of the device.

    Args:
        pixels: `(n, height, width, 3)` in bytes.

    Returns:
        `(n, side, side, 3)` in 0..255.
    """
    count = len(pixels)
    images = pixels.permute(0, 3, 1, 2).float() / 255.0
    grid = functional.affine_grid(_crops(count, pixels.device), [count, 3, side, side], False)
    augmented = functional.grid_sample(images, grid, "bilinear", "border", align_corners=False)
    return _erase(_light(augmented)).permute(0, 2, 3, 1) * 255.0


def _crops(count: int, device: torch.device) -> Tensor:
    """`(n, 2, 3)`: the affine maps of random crops, mirrored or not."""
    across, down, area, shape, mirror = torch.rand(5, count, device=device)
    area, aspect = SMALLEST_CROP + (1 - SMALLEST_CROP) * area, LARGEST_ASPECT ** (2 * shape - 1)
    width = (area * aspect).sqrt().clamp(max=1.0)  # in units of the picture's width
    height = (area / aspect).sqrt().clamp(max=1.0)
    theta = torch.zeros(count, 2, 3, device=device)
    theta[:, 0, 0] = torch.where(mirror < 0.5, -width, width)
    theta[:, 1, 1] = height
    theta[:, 0, 2] = (2 * across - 1) * (1 - width)
    theta[:, 1, 2] = (2 * down - 1) * (1 - height)
    return theta


def _light(augmented: Tensor) -> Tensor:
    """Other brightness, contrast and saturation, each by a fifth at most."""
    shape = 3, len(augmented), 1, 1, 1
    brightness, contrast, saturation = 0.8 + 0.4 * torch.rand(shape, device=augmented.device)
    augmented = augmented * brightness
    mean = augmented.mean(dim=(1, 2, 3), keepdim=True)  # (n, 1, 1, 1)
    augmented = (augmented - mean) * contrast + mean
    grey = augmented.mean(dim=1, keepdim=True)  # (n, 1, side, side)
    changed: Tensor = (augmented - grey) * saturation + grey
    return changed.clamp_(0.0, 1.0)


def _erase(augmented: Tensor) -> Tensor:
    """A rectangle of some grey over a quarter of the pictures."""
    count, side, device = len(augmented), augmented.shape[-1], augmented.device
    sizes = torch.randint(side // 8, side // 3, (2, count, 1), device=device)
    starts = (torch.rand(2, count, 1, device=device) * (side - sizes)).long()
    positions = torch.arange(side, device=device)
    down, across = (positions >= starts) & (positions < starts + sizes)  # (n, side) each
    chosen = torch.rand(count, 1, 1, device=device) < 0.25
    erased = down[:, :, None] & across[:, None, :] & chosen
    return torch.where(erased[:, None], torch.rand(count, 1, 1, 1, device=device), augmented)
