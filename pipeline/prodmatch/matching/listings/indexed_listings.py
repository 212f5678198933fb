"""The listings of a published generation, with their vectors, as pairs are sought among them."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.errors import DamagedError
from prodmatch.lexical.folding import fold
from prodmatch.matching.listings.attributes import read_attributes
from prodmatch.matching.listings.numbered_listings import (
    Ints,
    Listings,
    ListingsBuilder,
    Vocabulary,
)
from prodmatch.matching.listings.parsed_text import parse_text
from prodmatch.products.prices import PriceColumn
from prodmatch.search.searcher import Searcher
from prodmatch.search.vector_index import AnnIndex
from prodmatch.storage.generations import advise_instead_of
from prodmatch.storage.vectors import Vectors, normalise, split_parts

BATCH_ROWS = 8192
BRANDS = ("brand", "manufacturer", "vendor", "maker")
UNCOMPARED = ("product_id", "split")  # columns that equal products may differ in


@dataclass(frozen=True)
class IndexedListings:
    """A catalogue's listings and vectors.

    Attributes:
        listings: row by row of the generation.
        ann: its vectors.
        first_equal: `(n,)` the first row that is equal in all but its id, vectors included.
    """

    listings: Listings
    ann: AnnIndex
    first_equal: Ints

    def __len__(self) -> int:
        return len(self.listings)

    @property
    def different(self) -> Ints:
        """The rows that are not equal to an earlier one, ascending."""
        return np.flatnonzero(self.first_equal == np.arange(len(self)))

    def parts(self, rows: Ints) -> tuple[Vectors, Vectors]:
        """The text and image parts `(n, dim)` of rows, of unit length or zeros."""
        text, image = split_parts(self.ann.vectors(rows))
        return normalise(text), normalise(image)


def read_listings(searcher: Searcher, vocabulary: Vocabulary) -> IndexedListings:
    """The listings of a generation.

    Raises:
        DamagedError: its products cannot be read.
    """
    builder = ListingsBuilder(vocabulary)
    prices = [each for each in searcher.products.price_columns if not each.sample]
    price = prices[0] if len(prices) == 1 else None
    keys: list[bytes] = []
    for batch in _read_batches(searcher):
        rows = np.arange(len(keys), len(keys) + len(batch))
        vectors = searcher.ann.vectors(rows)
        for record, vector in zip(batch.to_pylist(), vectors, strict=True):
            text = record.get("title") or record.get("text") or ""
            builder.add(
                str(record["product_id"]),
                parse_text(str(text)),
                read_attributes(record),
                _brand(record),
                _price(record, price),
            )
            keys.append(_key(record, vector))
    return IndexedListings(builder.build(), searcher.ann, _first_equal(keys))


def _read_batches(searcher: Searcher) -> Iterator[pa.RecordBatch]:
    path = searcher.generation.folder / "products.parquet"
    try:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(BATCH_ROWS)
    except (OSError, pa.ArrowException) as error:
        remedy = advise_instead_of(searcher.generation.folder)
        raise DamagedError(f"{path}: cannot be read ({error}). {remedy}") from error


def _brand(record: dict[str, object]) -> str | None:
    names = {name.lower(): name for name in record}
    for brand in BRANDS:
        value = record.get(names.get(brand, ""))
        if value:
            return "".join(filter(str.isalnum, fold(str(value))))
    return None


def _price(record: dict[str, object], column: PriceColumn | None) -> float | None:
    value = None if column is None else record.get(column.name)
    if column is None or value is None or isinstance(value, bool):
        return None
    try:
        price = float(str(value)) / column.units
    except ValueError:
        return None
    return price if price > 0 else None


def _key(record: dict[str, object], vector: npt.NDArray[np.float32]) -> bytes:
    """What equal products have alike."""
    digest = hashlib.blake2b(vector.tobytes(), digest_size=16)
    for name in sorted(record):
        if name not in UNCOMPARED and record[name] is not None:
            digest.update(f"{name}\0{record[name]}\0".encode("utf-8", "replace"))
    return digest.digest()


def _first_equal(keys: list[bytes]) -> Ints:
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(key, row) for row, key in enumerate(keys)], np.int64)
