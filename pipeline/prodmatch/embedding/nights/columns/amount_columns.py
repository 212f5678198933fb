"""Prices and measures that are kept as text, read as numbers: '1,299.00', '$19.99', '19,99 €'."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prodmatch.columns.amounts import AmountStyle, read_amount
from prodmatch.lexical.prices.currencies import read_currency
from prodmatch.storage.arrow import Numbers

NEARLY_ALL = 0.9  # of the texts must be amounts


@dataclass(frozen=True)
class AmountColumn:
    """A column of text under every style that amounts are written in.

    Attributes:
        numbers: `(n,)` of each style, NaN where a text is no amount in it.
        share: of the texts that are amounts, for each style; 0 where there is no text.
        currencies: how many texts name each, as `read_currency` gives it.
    """

    numbers: Mapping[AmountStyle, Numbers]
    share: Mapping[AmountStyle, float]
    currencies: Mapping[str, int]

    @property
    def currency(self) -> str:
        """The currency of nearly all texts that name one; empty where there is none."""
        name, count = max(self.currencies.items(), key=lambda each: each[1], default=("", 0))
        return name if count >= NEARLY_ALL * sum(self.currencies.values()) else ""

    @property
    def styles(self) -> list[AmountStyle]:
        """The styles that nearly all texts can be read in."""
        return [style for style in AmountStyle if self.share[style] >= NEARLY_ALL]

    @property
    def readable(self) -> npt.NDArray[np.bool_]:
        """`(n,)`: which texts are amounts in any style."""
        point, comma = (np.isfinite(self.numbers[style]) for style in AmountStyle)
        return point | comma

    def select(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "AmountColumn":
        """The column of some of the rows; the shares stay those of all."""
        chosen = {style: numbers[rows] for style, numbers in self.numbers.items()}
        return AmountColumn(chosen, self.share, self.currencies)


@dataclass
class AmountReader:
    """Reads a column of text, batch by batch."""

    _parts: dict[AmountStyle, list[Numbers]] = field(
        default_factory=lambda: {style: [np.zeros(0)] for style in AmountStyle}
    )
    _currencies: Counter[str] = field(default_factory=Counter)
    _filled: int = 0

    def add(self, texts: pa.Array, filled: pa.BooleanArray) -> None:
        """Reads texts.

        Args:
            filled: which of them are texts at all, neither null nor empty.
        """
        coded = texts.dictionary_encode()
        codes = coded.indices.fill_null(len(coded.dictionary)).to_numpy(zero_copy_only=False)
        amounts = [read_amount(text.strip()) for text in coded.dictionary.to_pylist()]
        for style, parts in self._parts.items():
            values = (amount.values.get(style) if amount else None for amount in amounts)
            numbers = [np.nan if value is None else float(value) for value in values]
            parts.append(np.array([*numbers, np.nan])[codes])
        counts = np.bincount(codes, minlength=len(amounts)).tolist()
        for amount, count in zip(amounts, counts, strict=False):  # the last are nulls
            if amount is not None and amount.currency:
                self._currencies[read_currency(amount.currency)] += count
        self._filled += filled.true_count

    def finish(self) -> AmountColumn:
        """The column of all that was read."""
        numbers = {style: np.concatenate(parts) for style, parts in self._parts.items()}
        counts = {style: int(np.isfinite(each).sum()) for style, each in numbers.items()}
        share = {style: count / max(1, self._filled) for style, count in counts.items()}
        return AmountColumn(numbers, share, self._currencies)
