"""Listings: products as pairs are compared by, in arrays; about 400 bytes each."""

import hashlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prodmatch.matching.listings.attributes import ATTRIBUTES, PARTS, AttributeValue
from prodmatch.matching.listings.parsed_text import KINDS, ParsedText

Ints = npt.NDArray[np.int64]
ATTRIBUTE_SETS = {f"{name} {part}": (name, part) for name in ATTRIBUTES for part in PARTS}
Floats = npt.NDArray[np.float32]


class Vocabulary:
    """Numbers for words, the same for all catalogues that are compared."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, word: str) -> int:
        """The number of a word, a new one if it is new."""
        return self._numbers.setdefault(word, len(self._numbers))


@dataclass(frozen=True)
class Sets:
    """A set of numbers for each listing; `starts` bounds those of each."""

    starts: Ints  # (n + 1,)
    numbers: npt.NDArray[np.int32]

    def take(self, rows: Ints) -> tuple[Ints, Ints]:
        """The numbers of these rows, and the position in `rows` that each belongs to."""
        counts = self.starts[rows + 1] - self.starts[rows]
        positions = np.repeat(np.arange(len(rows)), counts)
        offsets = np.arange(len(positions)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self.numbers[self.starts[rows][positions] + offsets].astype(np.int64), positions


@dataclass(frozen=True)
class Listings:
    """The products of a catalogue, row by row.

    Attributes:
        product_ids: of the rows.
        sets: by kind of `ParsedText`, `grams`: three neighbouring letters, and by attribute and
            part what its column says.
        first: the number of the first word, -1 where there is none.
        brand: the number of the brand, -1 where it is not known.
        price: NaN where it is not known.
        repeats: how many rows say the same, letter by letter, this one included.
    """

    product_ids: Sequence[str]
    sets: dict[str, Sets]
    first: Ints
    brand: Ints
    price: npt.NDArray[np.float64]
    repeats: Ints

    def __len__(self) -> int:
        return len(self.product_ids)


class ListingsBuilder:
    """Collects listings; of a text no more is kept than numbers."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._ids: list[str] = []
        self._numbers = {kind: array("i") for kind in (*KINDS, *ATTRIBUTE_SETS)}
        self._counts = {kind: array("i") for kind in (*KINDS, *ATTRIBUTE_SETS)}
        self._grams: list[npt.NDArray[np.int32]] = []
        self._first, self._brand, self._price = array("q"), array("q"), array("d")
        self._texts = array("q")

    def add(
        self,
        product_id: str,
        parsed: ParsedText,
        attributes: Mapping[str, AttributeValue],
        brand: str | None = None,
        price: float | None = None,
    ) -> None:
        """Adds the next row."""
        number = self._vocabulary.number
        self._ids.append(product_id)
        for kind in self._numbers:
            name, part = ATTRIBUTE_SETS.get(kind, ("", kind))
            values = getattr(attributes.get(name) if name else parsed, part, ())
            self._numbers[kind].extend([number(value) for value in values])
            self._counts[kind].append(len(values))
        self._grams.append(_grams(parsed.compact))
        digest = hashlib.blake2b(parsed.compact.encode(), digest_size=8).digest()
        self._texts.append(int.from_bytes(digest, "little", signed=True))
        self._first.append(number(parsed.words[0]) if parsed.words else -1)
        self._brand.append(number(brand) if brand else -1)
        self._price.append(float("nan") if price is None else price)

    def build(self) -> Listings:
        """All rows."""
        sets = {
            kind: Sets(_starts(self._counts[kind]), np.frombuffer(self._numbers[kind], np.int32))
            for kind in self._counts
        }
        lengths = array("i", map(len, self._grams))
        grams = np.concatenate([np.zeros(0, np.int32), *self._grams])
        sets["grams"] = Sets(_starts(lengths), grams)
        texts = np.frombuffer(self._texts, np.int64)
        _, position, counts = np.unique(texts, return_inverse=True, return_counts=True)
        return Listings(
            self._ids,
            sets,
            np.array(self._first, np.int64),
            np.array(self._brand, np.int64),
            np.array(self._price, np.float64),
            counts[position],
        )


def _starts(counts: "array[int]") -> Ints:
    return np.concatenate([[0], np.cumsum(np.frombuffer(counts, np.int32), dtype=np.int64)])


def _grams(compact: str) -> npt.NDArray[np.int32]:
    """The different runs of three bytes of a text, as numbers below 2 ** 24."""
    data = np.frombuffer(compact.encode(), np.uint8).astype(np.int32)
    if len(data) < 3:
        return np.unique(data)
    return np.unique((data[:-2] << 16) | (data[1:-1] << 8) | data[2:])


def term_weights(vocabulary: Vocabulary, catalogues: Sequence[Listings]) -> Floats:
    """The inverse document frequency of every word of the vocabulary, over all listings."""
    counts = np.zeros(len(vocabulary), np.int64)
    total = 0
    for listings in catalogues:
        counts += np.bincount(listings.sets["terms"].numbers, minlength=len(counts))
        total += len(listings)
    return np.log1p((total - counts + 0.5) / (counts + 0.5)).astype(np.float32)
