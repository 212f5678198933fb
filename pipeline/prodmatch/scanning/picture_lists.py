"""Products with a list of pictures: the first is kept as of any product, the others here."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from prodmatch.catalogue.naming import name_some
from prodmatch.catalogue.rows import Reject
from prodmatch.storage.features import KEY
from prodmatch.storage.vectors import Rows, Vectors

POSITION_BITS = 16  # of a list; its pictures after the 65,536th are not read
BLOCK_ROWS = 4096


@dataclass(frozen=True)
class OtherPictures:
    """The pictures after the first of all products; none for most catalogues.

    The arrays run over these pictures, by the rows of their products.
    """

    indices: Rows  # (n,) of the product among the usable rows
    numbers: Rows  # (n,) the row in the catalogue and the position in the list, ascending
    keys: pa.FixedSizeBinaryArray  # (n,)

    @classmethod
    def gather(cls, indices: Rows, rows: Rows, positions: Rows, keys: pa.Array) -> "OtherPictures":
        """All of them, but for those too far back in their lists.

        Args:
            indices: `(n,)` of the product of each, ascending.
            rows: `(products,)` of the catalogue.
            positions: `(n,)` in their lists, ascending for each product.
            keys: `(n,)` of their contents.
        """
        kept = positions < 1 << POSITION_BITS
        numbers = rows[indices[kept]] << POSITION_BITS | positions[kept]
        chosen = keys.filter(pa.array(kept)).cast(KEY)
        return cls(indices[kept].astype(np.int64), numbers.astype(np.int64), chosen)


def describe_unusable(unusable: Sequence[Reject]) -> list[str]:
    """What to say of the pictures of lists that their products do without."""
    if not unusable:
        return []
    counts = Counter(reject.reason for reject in unusable)
    reasons = ", ".join(f"{reason} {count}" for reason, count in counts.most_common())
    ids = dict.fromkeys(str(reject.product_id) for reject in unusable)
    return [
        f"{len(unusable)} pictures of lists cannot be used ({reasons}); their products have "
        f"others ({name_some(ids, len(ids))})"
    ]


class AllPictures(Protocol):
    """A catalogue, which gives all pictures of a row."""

    @property
    def name(self) -> str:
        """Where they come from, for messages."""

    def all_pictures(self, rows: Rows) -> Iterator[tuple[int, list[bytes]]]:
        """(row, pictures) of these ascending rows."""


@dataclass(frozen=True)
class OtherPictureSource:
    """The other pictures of a catalogue by their numbers, as the workers read them."""

    catalogue: AllPictures

    @property
    def name(self) -> str:
        """Where they come from, for messages."""
        return self.catalogue.name

    def pictures(self, rows: Rows) -> Iterator[tuple[int, bytes | None]]:
        """(number, bytes) of these ascending numbers."""
        reading = self.catalogue.all_pictures(np.unique(rows >> POSITION_BITS))
        row, found = -1, list[bytes]()
        for number in rows.tolist():
            while row != number >> POSITION_BITS:
                row, found = next(reading)
            position = number & ((1 << POSITION_BITS) - 1)
            yield number, found[position] if position < len(found) else None


def average_pictures(first: Vectors, others: Vectors, owners: Rows) -> Vectors:
    """Unit means `(n, dim)` of the pictures of products; what is unusable is a zero vector.

    Args:
        first: `(n, dim)` unit vectors of the first pictures.
        others: `(m, dim)` unit vectors of the others.
        owners: `(m,)` the product of each of the others.
    """
    sums = np.array(first, np.float64)
    np.add.at(sums, owners, others)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    fine = lengths > 1e-6  # opposites leave nothing; then the first stands for all
    means = np.where(fine, sums / np.maximum(lengths, 1e-6), first)
    return np.asarray(means, np.float32)
