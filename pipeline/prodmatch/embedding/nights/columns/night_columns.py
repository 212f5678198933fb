"""What the products of a night have, read from their columns; amounts that are texts as numbers."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.catalogue.column_types import is_number, is_text
from prodmatch.columns.amounts import NO_VALUE, AmountStyle, is_measure, read_amount
from prodmatch.lexical.prices.currencies import read_currency
from prodmatch.storage.arrow import Numbers
from prodmatch.storage.features import KEY, content_key
from prodmatch.storage.vectors import Mask

NEARLY_ALL = 0.9  # of the texts must be amounts
ColumnReader = Callable[[str], Iterator[pa.RecordBatch]]
NO_TEXT = sorted(NO_VALUE | {"", "undefined", "[object object]"})  # what exporters write for none
NOT_METADATA = {
    *("product_id", "text", "text_key", "image_key", "row", "row_digest"),
    *("vector", "has_text", "has_image"),
}
MOST_LABELS = 1000  # different texts of a column that is compared
MOST_CHARACTERS = 200  # of a label


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


@dataclass
class LabelReader:
    """Reads a column of text, batch by batch, while its texts are short and few are different."""

    _known: set[str] = field(default_factory=set)
    _parts: list[pa.DictionaryArray] = field(default_factory=list)
    _is_dropped: bool = False

    def add(self, texts: pa.Array, filled: pa.BooleanArray) -> None:
        """Reads texts; those that are not filled are none."""
        if self._is_dropped:
            return
        coded = pc.if_else(filled, texts.cast(pa.string()), None).dictionary_encode()
        self._known.update(coded.dictionary.to_pylist())
        self._parts.append(coded)
        if (
            len(self._known) > MOST_LABELS
            or max(map(len, self._known), default=0) > MOST_CHARACTERS
        ):
            self._is_dropped = True
            self._known.clear()
            self._parts.clear()

    def finish(self) -> pa.DictionaryArray | None:
        """The column, null where it has no text; None where too many are different."""
        if self._is_dropped or not self._parts:
            return None
        return pa.chunked_array(self._parts).unify_dictionaries().combine_chunks()


@dataclass(frozen=True)
class CommonValue:
    """A value that many products have, and the share of those with any that have it."""

    value: object
    share: float


@dataclass(frozen=True)
class Night:
    """Products with what they have; the arrays run over them in the catalogue's order."""

    product_ids: pa.StringArray
    text_keys: pa.Array  # null where a product has no text
    image_keys: pa.Array  # null where a product has no picture that can be used
    types: Mapping[str, pa.DataType]  # of the metadata
    filled: Mapping[str, Mask]  # which products have a value, for each column of metadata
    numbers: Mapping[str, Numbers]  # columns of numbers, NaN where a product has none
    amounts: Mapping[str, AmountColumn]  # columns of text whose names are of prices and measures
    common: Mapping[str, CommonValue]  # a frequent value of each column
    labels: Mapping[str, pa.Array]  # columns of text with few different ones, or of flags as texts
    has_images: bool  # whether there is a column of pictures
    images_unusable: Mapping[str, int] = field(default_factory=dict)  # rows by reason
    addresses: int = 0  # rows that name their picture by an address, which nothing fetches
    left_out: Sequence[str] = ()  # columns that cannot be metadata
    row_digests: pa.Array | None = None  # None where only a generation is left of the night
    read_column: ColumnReader | None = None  # reads one again, a batch at a time

    def __len__(self) -> int:
        return len(self.product_ids)

    @property
    def empty_columns(self) -> list[str]:
        """Columns of metadata in which no product has a value."""
        return [name for name, filled in self.filled.items() if not filled.any()]


@dataclass(frozen=True)
class ContentKeys:
    """What tells the contents of a generation's products apart, each `(n,)`."""

    texts: pa.Array
    images: pa.Array
    rows: pa.Array


def published_night(products: pa.Table, keys: ContentKeys | None = None) -> Night:
    """What a generation tells of a night.

    Args:
        keys: of the contents; without them texts and pictures are there or not, and no more is
            known of them.
    """
    types = metadata_types(products.schema)
    ids = products["product_id"].combine_chunks()
    own = pa.array([content_key(name.encode()) for name in ids.to_pylist()], KEY)
    has_text, has_image = (products[name].combine_chunks() for name in ("has_text", "has_image"))
    values = read_values(products.select(list(types)).to_batches(), types)
    return Night(
        product_ids=ids,
        text_keys=null_unless(has_text, own if keys is None else keys.texts),
        image_keys=null_unless(has_image, own if keys is None else keys.images),
        types=types,
        **vars(values),
        has_images=bool(pc.any(has_image).as_py()),
        row_digests=None if keys is None else keys.rows,
    )


def metadata_types(schema: pa.Schema) -> dict[str, pa.DataType]:
    """The columns of the catalogue that are neither id nor made by us."""
    return {column.name: column.type for column in schema if column.name not in NOT_METADATA}


def null_unless(present: Mask | pa.Array, keys: pa.Array) -> pa.Array:
    """The keys of the rows that are present, null of the others."""
    return pc.if_else(pa.array(present), keys, None)


@dataclass(frozen=True)
class ColumnValues:
    """The fields of a night of the same names."""

    filled: dict[str, Mask]
    numbers: dict[str, Numbers]
    amounts: dict[str, AmountColumn]
    common: dict[str, CommonValue]
    labels: dict[str, pa.Array]


@dataclass
class _CommonCounter:
    """Counts the commonest value of the first batch that has values."""

    value: pa.Scalar | None = None
    count: int = 0
    filled: int = 0

    def add(self, values: pa.Array, filled: pa.BooleanArray) -> None:
        present = values.filter(filled)
        if not len(present):
            return
        if self.value is None:
            counts = pc.value_counts(present)
            self.value = counts.field(0)[pc.index(counts.field(1), pc.max(counts.field(1))).as_py()]
        self.count += pc.sum(pc.equal(present, self.value)).as_py() or 0
        self.filled += len(present)

    def finish(self) -> CommonValue:
        value = None if self.value is None else self.value.as_py()
        return CommonValue(value, self.count / max(1, self.filled))


def read_values(
    batches: Iterable[pa.RecordBatch], types: Mapping[str, pa.DataType]
) -> ColumnValues:
    """What the columns of metadata hold; a text such as "null" is no value, nor is NaN."""
    masks: dict[str, list[Mask]] = {name: [np.zeros(0, np.bool_)] for name in types}
    numbers: dict[str, list[Numbers]] = {
        name: [np.zeros(0)] for name, kind in types.items() if is_number(kind)
    }
    texts = [name for name, kind in types.items() if is_text(kind)]
    amounts = {name: AmountReader() for name in texts if is_measure(name)}
    common = {name: _CommonCounter() for name in types}
    flags = [name for name, kind in types.items() if pa.types.is_boolean(kind)]
    labels = {name: LabelReader() for name in (*texts, *flags)}
    for batch in batches if types else ():
        for name, kind in types.items():
            filled = batch[name].is_valid()
            if is_text(kind):
                plain = pc.utf8_lower(pc.utf8_trim_whitespace(batch[name]))
                empty = pc.is_in(plain, pa.array([*NO_TEXT], plain.type))
                filled = pc.and_(filled, pc.invert(empty))
            if name in numbers:
                values = batch[name].cast(pa.float64(), safe=False)
                numbers[name].append(values.to_numpy(zero_copy_only=False))
                filled = pc.and_(filled, pc.is_finite(pc.fill_null(values, np.nan)))
            if name in amounts:
                amounts[name].add(batch[name], filled)
            if name in labels:
                labels[name].add(batch[name], filled)
            if name in common:
                common[name].add(batch[name], filled)
            masks[name].append(filled.to_numpy(zero_copy_only=False))
    return ColumnValues(
        {name: np.concatenate(parts) for name, parts in masks.items()},
        {name: np.concatenate(parts) for name, parts in numbers.items()},
        {name: reader.finish() for name, reader in amounts.items()},
        {name: counter.finish() for name, counter in common.items()},
        {name: found for name, each in labels.items() if (found := each.finish()) is not None},
    )
