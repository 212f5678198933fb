"""Two snapshots, product by product, and the rows that a check of them finds."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.catalogue.column_types import is_text
from prodmatch.embedding.nights.findings import NightPair
from prodmatch.morning.snapshot import Snapshot, blocks
from prodmatch.storage.arrow import Numbers, as_codes, as_mask, as_rows
from prodmatch.storage.vectors import Mask, Rows, draw_rows

SAME = 0.999  # cosine of vectors of one text, or of one picture
REFERENCES = 256  # pictures that a text is compared with
TEXT = "text"  # the column that is searched, of all text columns
EXCESS = 3.0  # standard deviations above what chance brings
FEWEST_REPEATED = 5  # products with one text, or one picture


@dataclass(frozen=True)
class Values:
    """A column of both snapshots as codes: equal for equal values, -1 where there is none."""

    name: str
    last: Rows  # (last,)
    tonight: Rows  # (tonight,)
    texts: list[str]  # of each code
    before: Rows  # (stayed,)
    after: Rows  # (stayed,)

    @property
    def changed(self) -> Mask:
        """`(stayed,)`: those that have another value."""
        found: Mask = (self.before >= 0) & (self.after >= 0) & (self.before != self.after)
        return found

    def texts_of(self, codes: Rows) -> list[str]:
        """The distinct texts of some codes."""
        return [self.texts[code] for code in np.unique(codes[codes >= 0]).tolist()]

    @property
    def lost(self) -> Mask:
        """`(stayed,)`: those that have no value any more."""
        lost: Mask = (self.before >= 0) & (self.after < 0)
        return lost


@dataclass(frozen=True)
class Shift:
    """What became of the vectors of the products that stay, each `(stayed,)`.

    A cosine is of the part before and the part after; NaN where one of them is missing.
    """

    text: Numbers
    image: Numbers


@dataclass(frozen=True)
class Pair:
    """Two snapshots; `before` and `after` are the rows of the products of both."""

    last: Snapshot
    tonight: Snapshot
    before: Rows
    after: Rows

    @property
    def same_model(self) -> bool:
        """Whether vectors of both may be compared."""
        return self.last.model == self.tonight.model

    @cached_property
    def added(self) -> Rows:
        """Rows of tonight."""
        return np.setdiff1d(np.arange(len(self.tonight)), self.after, assume_unique=True)

    @cached_property
    def removed(self) -> Rows:
        """Rows of the last one."""
        return np.setdiff1d(np.arange(len(self.last)), self.before, assume_unique=True)

    @cached_property
    def contents(self) -> tuple[Rows, Rows]:
        """Text and picture of each product of both as one code; -1 where one of them is missing."""
        nights = (self.last.night, self.tonight.night)
        found = [_contents(each.text_keys, each.image_keys) for each in nights]
        codes = as_codes(pa.concat_arrays(found))
        return codes[: len(self.last)], codes[len(self.last) :]

    @cached_property
    def renumbered(self) -> Rows:
        """Rows of the last one: products that are gone, and were added under another id."""
        last, tonight = self.contents
        found = np.isin(last[self.removed], tonight[self.added]) & (last[self.removed] >= 0)
        return self.removed[np.flatnonzero(found)]

    @cached_property
    def columns(self) -> list[str]:
        """Columns of metadata of both."""
        return [name for name in self.last.night.types if name in self.tonight.night.types]

    @cached_property
    def labels(self) -> list[str]:
        """Columns of few different texts."""
        old, new = self.last.night.labels, self.tonight.night.labels
        return [
            name for name in self.columns if name in new and name in old and is_label(old[name])
        ]

    @cached_property
    def texts(self) -> list[str]:
        """Columns of texts of their own, the searched one first."""
        kinds = self.last.night.types, self.tonight.night.types
        return [
            TEXT,
            *(
                name
                for name in self.columns
                if name not in self.labels and all(is_text(each[name]) for each in kinds)
            ),
        ]

    def values(self, name: str) -> Values:
        """A column of both as codes."""
        if name not in self._values:
            self._values[name] = self._code(name)
        return self._values[name]

    @cached_property
    def _values(self) -> dict[str, Values]:
        return {}

    def _code(self, name: str) -> Values:
        columns = [_filled_texts(snapshot, name) for snapshot in (self.last, self.tonight)]
        coded = pa.concat_arrays(columns).dictionary_encode()
        codes = as_rows(coded.indices)
        last, tonight = codes[: len(self.last)], codes[len(self.last) :]
        texts = coded.dictionary.to_pylist()
        return Values(name, last, tonight, texts, last[self.before], tonight[self.after])

    @cached_property
    def shift(self) -> Shift:
        """How far the vectors of the products that stay have moved."""
        text = np.full(len(self.after), np.nan)
        image = text.copy()
        for rows in blocks(len(self.after)):
            old = self.last.vectors.parts(self.before[rows])
            new = self.tonight.vectors.parts(self.after[rows])
            for found, one, other in zip((text, image), old, new, strict=True):
                cosines = np.einsum("nd,nd->n", one, other)
                found[rows] = np.where(one.any(axis=1) & other.any(axis=1), cosines, np.nan)
        return Shift(text, image)

    @cached_property
    def changed(self) -> Mask:
        """`(stayed,)`: those of which anything changed."""
        if self.last.night.row_digests is None or self.tonight.night.row_digests is None:
            return self.new_texts | self.new_pictures
        nights = NightPair(self.last.night, self.tonight.night, self.before, self.after)
        return nights.changed | self.new_pictures if self.same_model else nights.changed

    @cached_property
    def new_pictures(self) -> Mask:
        """`(stayed,)`: those whose picture is another one."""
        return np.asarray(self.shift.image < SAME, np.bool_)

    @cached_property
    def new_texts(self) -> Mask:
        """`(stayed,)`: those whose searched text is another one."""
        return self.values(TEXT).changed

    @cached_property
    def references(self) -> npt.NDArray[np.float32]:
        """Pictures of the last night that a text is compared with: `(m, dim / 2)`."""
        image = self.last.vectors.parts(draw_rows(len(self.last), REFERENCES))[1]
        return image[image.any(axis=1)]


def pair_snapshots(last: Snapshot, tonight: Snapshot) -> Pair:
    """The products of both, found by their ids."""
    nights = NightPair.match(last.night, tonight.night)
    before, after = nights.before, nights.after
    pair = Pair(last, tonight, before, after)
    same = ~pair.new_pictures if pair.same_model else np.ones(len(after), np.bool_)
    keys = _unified(last.night.image_keys, tonight.night.image_keys, before[same], after[same])
    return replace(pair, tonight=replace(tonight, night=replace(tonight.night, image_keys=keys)))


def _unified(last: pa.Array, tonight: pa.Array, before: Rows, after: Rows) -> pa.Array:
    """Tonight's keys of pictures; the last ones where the picture is the same, or may be.

    Indexes that keep codes, and other models, have other vectors of the same picture.
    """
    sources = np.full(len(tonight), -1, np.int64)
    sources[after] = before
    old = last.take(pa.array(np.maximum(sources, 0))) if len(last) else tonight
    is_same = pa.array((sources >= 0) & as_mask(old.is_valid()))
    return pc.if_else(pc.and_(is_same, tonight.is_valid()), old, tonight)


def _contents(texts: pa.Array, images: pa.Array) -> pa.Array:
    both = [
        None if t is None or i is None else t + i
        for t, i in zip(texts.to_pylist(), images.to_pylist(), strict=True)
    ]
    return pa.array(both, pa.binary())


def is_label(column: pa.DictionaryArray) -> bool:
    """Whether a column of texts has each, on average, for two products or more."""
    filled = len(column) - column.null_count
    return bool(pc.count_distinct(column.indices).as_py() <= filled / 2)


def _filled_texts(snapshot: Snapshot, name: str) -> pa.Array:
    """A column as texts, null where a product has no value."""
    column = snapshot.products[name].combine_chunks()
    filled = pa.array(
        snapshot.night.filled[name] if name != TEXT else pc.is_valid(column).to_numpy(False)
    )
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
        return pa.nulls(len(column), pa.string())
    return pc.if_else(filled, column.cast(pa.string()), None)


@dataclass(frozen=True)
class Signal:
    """Rows that one check finds suspicious."""

    check: str  # such as `moved`
    column: str  # that it is about; empty where it is about none
    text: str  # what is wrong with them, behind their number: "prices are 0 or below"
    rows: Rows  # of tonight; of the last night where `gone`
    gone: bool = False
    shown: tuple[str, ...] = ()  # columns whose values tell what is wrong, where it is not `column`

    @property
    def name(self) -> str:
        """What thresholds are kept under."""
        return f"{self.check}:{self.column}" if self.column else self.check


def most_common(values: Rows) -> int:
    """The value that most of these have; -1 where there are none."""
    if not len(values):
        return -1
    found, counts = np.unique(values, return_counts=True)
    return int(found[counts.argmax()])


def most_in_excess(usual: Rows, new: Rows) -> int:
    """The value that far more of the new ones have than of the usual ones; -1 where none has.

    Args:
        usual: codes of what is usual; negative ones are none.
    """
    if not len(new):
        return -1
    size = 1 + max(int(usual.max(initial=0)), int(new.max()))
    counts = counts_of(usual, size)
    expected = len(new) * counts / max(1, counts.sum())
    excess = counts_of(new, size) - expected - EXCESS * np.sqrt(expected)
    best = int(excess.argmax())
    return best if excess[best] > 0 else -1


def counts_of(codes: Rows, size: int) -> Rows:
    """`(size,)`: how often each code stands there, negative ones left out."""
    return np.bincount(codes[codes >= 0], minlength=size).astype(np.int64)


def among(mask: npt.NDArray[np.bool_], rows: Rows) -> Rows:
    """The rows that a mask over them chooses."""
    return rows[np.flatnonzero(mask)]
