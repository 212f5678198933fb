"""The listings of a published generation, with their vectors, as pairs are sought among them."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import log

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prodmatch.lexical.folding import fold
from prodmatch.matching.listings.attributes import read_attributes
from prodmatch.matching.listings.numbered_listings import (
    Ints,
    Listings,
    ListingsBuilder,
    Vocabulary,
)
from prodmatch.matching.listings.parsed_text import parse_text
from prodmatch.matching.listings.variant_columns import list_columns, read_columns
from prodmatch.products.prices import PriceColumn, choose_price
from prodmatch.search.searcher import Searcher
from prodmatch.search.vectors.vector_index import AnnIndex
from prodmatch.storage.product_file import GROUP_COLUMN, open_products
from prodmatch.storage.vectors import Vectors, normalise, split_parts

BATCH_ROWS = 8192
DIGEST_BYTES = 16
PRICE_STEP = 4.0  # from one order of prices to the next
BRANDS = "brand brand_name manufacturer vendor maker marke marque marca hersteller".split()  # noqa: SIM905
UNCOMPARED = ("product_id", "split", GROUP_COLUMN)  # columns that equal products may differ in


@dataclass(frozen=True)
class IndexedListings:
    """A catalogue's listings and vectors.

    Attributes:
        listings: row by row of the generation.
        ann: its vectors.
        first_equal: `(n,)` the first row that is equal in all that pairs are compared by, besides
            the price.
        keys: `(n, 16)` digests of all but the id, vectors included.
    """

    listings: Listings
    ann: AnnIndex
    first_equal: Ints
    keys: npt.NDArray[np.uint8]

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


def read_listings(
    searcher: Searcher, vocabulary: Vocabulary, *, by_price: bool = False
) -> IndexedListings:
    """The listings of a generation; `by_price`: those of prices of another order are not equal.

    Raises:
        DamagedError: its products cannot be read.
    """
    builder = ListingsBuilder(vocabulary)
    price = choose_price(searcher.products.price_columns)
    keys, looks = bytearray(), dict[bytes, int]()
    first: list[int] = []
    for batch in _read_batches(searcher):
        rows = np.arange(len(first), len(first) + len(batch))
        vectors = searcher.vectors(rows)
        for record, vector in zip(batch.to_pylist(), vectors, strict=True):
            text = record.get("title") or record.get("text") or ""
            attributes, brand = read_attributes(record), _letters(find_brand(record))
            paid = _price(record, price)
            builder.add(str(record["product_id"]), parse_text(str(text)), attributes, brand, paid)
            keys += _digest(vector, sorted(each for each in record.items() if _is_compared(*each)))
            look = _digest(
                vector,
                [
                    *(("text", text), ("brand", brand), *sorted(attributes.items())),
                    *sorted(read_columns(list_columns(record)).items()),
                    ("price", _order_of(paid) if by_price else None),
                ],
            )
            first.append(looks.setdefault(look, len(first)))
    digests = np.frombuffer(keys, np.uint8).reshape(-1, DIGEST_BYTES)
    return IndexedListings(builder.build(), searcher.ann, np.array(first, np.int64), digests)


def _read_batches(searcher: Searcher) -> Iterator[pa.RecordBatch]:
    with open_products(searcher.generation.folder) as file:
        yield from file.iter_batches(BATCH_ROWS)


def find_brand(record: Mapping[str, object]) -> str:
    """Its brand as it stands there; empty where it has none."""
    names = {name.lower(): name for name in record}
    values = (record.get(names.get(brand, "")) for brand in BRANDS)
    return str(next(filter(None, values), ""))


def _letters(brand: str) -> str | None:
    return "".join(filter(str.isalnum, fold(brand))) if brand else None


def _price(record: dict[str, object], column: PriceColumn | None) -> float | None:
    value = None if column is None else record.get(column.reduced) or record.get(column.name)
    if column is None or value is None or isinstance(value, bool):
        return None
    try:
        price = float(str(value)) / column.units
    except ValueError:
        return None
    return price if price > 0 else None


def _order_of(price: float | None) -> int | None:
    """Those of one order of magnitude have one."""
    return None if price is None else round(log(price, PRICE_STEP))


def _is_compared(name: str, value: object) -> bool:
    return name not in UNCOMPARED and value is not None


def _digest(vector: npt.NDArray[np.float32], values: Iterable[tuple[str, object]]) -> bytes:
    """What listings of this vector and these values have alike."""
    digest = hashlib.blake2b(vector.tobytes(), digest_size=DIGEST_BYTES)
    for name, value in values:
        digest.update(f"{name}\0{value}\0".encode("utf-8", "replace"))
    return digest.digest()
