"""Batches of an encoder training: texts drawn anew at every step, and false negatives."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from transformers import PreTrainedTokenizerBase

from prodmatch.model.preprocessing import TextSpec
from prodmatch.pretraining.augment import TextAugmentation
from prodmatch.pretraining.data import TrainingProduct, TrainingSet
from prodmatch.training.dataset import Numbers, shared_groups
from prodmatch.training.held_out import words_of

PAIRS_EVERY = 2  # batches


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
        words = [words_of(text) for text in right]
        equal = np.array([[own == other for other in words] for own in map(words_of, left)])
        np.fill_diagonal(equal, False)
        return PairBatch(self.reader.tokens([*left, *right]), torch.from_numpy(equal))

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
    return [batches[place] for place in rng.permutation(len(batches))]


def find_fitting(
    texts: Sequence[str], products: Sequence[TrainingProduct]
) -> npt.NDArray[np.bool_]:
    """`(text, product)`: true where another product's words hold every word of a text."""
    words = [product.words() for product in products]
    found = np.array([[own <= other for other in words] for own in map(words_of, texts)])
    np.fill_diagonal(found, False)
    return found
