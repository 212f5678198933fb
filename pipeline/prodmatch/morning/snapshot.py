"""A generation's products with their vectors, as two of them are compared."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.embedding.nights.columns.night_columns import ContentKeys, Night, published_night
from prodmatch.search.vectors.vector_index import AnnIndex
from prodmatch.storage.features import KEY, content_key
from prodmatch.storage.generations import Generation
from prodmatch.storage.product_file import read_catalogue_columns
from prodmatch.storage.vectors import Rows, Vectors, normalise, split_parts

BLOCK = 8192  # vectors in memory
STEPS = 100  # of a component of length 1: finer than pictures differ, coarser than rounding
EMPTY = np.zeros(0, np.int64)


@dataclass(frozen=True)
class ProductVectors:
    """The vectors of a snapshot's rows: rows of an index, some of them replaced."""

    ann: AnnIndex
    rows: Rows  # (n,) of the index
    replaced: Rows = field(default_factory=lambda: EMPTY)  # ascending, of the snapshot
    vectors: Vectors | None = None  # (len(replaced), dim)

    def take(self, rows: Rows) -> Vectors:
        """`(n, dim)` of some rows, `[text part ; image part]`."""
        found = np.array(self.ann.vectors(self.rows[rows]))
        if self.vectors is not None and len(self.replaced):
            at = np.searchsorted(self.replaced, rows).clip(max=len(self.replaced) - 1)
            inside = self.replaced[at] == rows
            found[inside] = self.vectors[at[inside]]
        return found

    def parts(self, rows: Rows) -> tuple[Vectors, Vectors]:
        """The text parts and the image parts, each `(n, dim / 2)` of unit length or zeros."""
        text, image = split_parts(self.take(rows))
        return normalise(text), normalise(image)

    def nearest(self, vectors: Vectors, count: int) -> list[tuple[Rows, Vectors]]:
        """For each of `(n, dim)` vectors the nearest rows of the snapshot, and their cosines.

        Rows of the index that the snapshot leaves out are no neighbours.
        """
        position = np.full(self.ann.row_count, -1, np.int64)
        position[self.rows] = np.arange(len(self.rows))
        found = []
        for near in self.ann.search(vectors, count) if len(vectors) else []:
            rows = position[near.rows]
            found.append((rows[rows >= 0], near.scores[rows >= 0]))
        return found


@dataclass(frozen=True)
class Snapshot:
    """Products with their columns and vectors; the arrays run over them in the index's order."""

    number: int  # of the generation
    model: str  # the fingerprint
    products: pa.Table
    vectors: ProductVectors
    night: Night

    def __len__(self) -> int:
        return int(self.products.num_rows)

    def select(self, rows: Rows) -> "Snapshot":
        """The same products as were not in other rows."""
        vectors = ProductVectors(self.vectors.ann, self.vectors.rows[rows])
        return make_snapshot(self.number, self.model, self.products.take(pa.array(rows)), vectors)

    def ids(self, rows: Rows) -> list[str]:
        """The ids of some rows."""
        return [str(name) for name in self.night.product_ids.take(pa.array(rows)).to_pylist()]


def blocks(count: int) -> Iterator[Rows]:
    """The numbers from 0 to `count`, some thousands at a time."""
    for start in range(0, count, BLOCK):
        yield np.arange(start, min(start + BLOCK, count))


def read_snapshot(generation: Generation) -> Snapshot:
    """A published generation.

    Raises:
        DamagedError: a file of it cannot be read.
    """
    products = read_catalogue_columns(generation)
    vectors = ProductVectors(AnnIndex.of(generation), np.arange(products.num_rows))
    model = str(generation.manifest["model_fingerprint"])
    return make_snapshot(generation.number, model, products, vectors)


def make_snapshot(number: int, model: str, products: pa.Table, vectors: ProductVectors) -> Snapshot:
    """A snapshot of products and their vectors.

    Args:
        model: the fingerprint.
        products: as `products.parquet` holds them.
    """
    texts = [content_key(text.encode()) if text else None for text in products["text"].to_pylist()]
    text_keys, image_keys = pa.array(texts, KEY), pa.array(_image_keys(vectors), KEY)
    keys = ContentKeys(text_keys, image_keys, _row_keys(products, text_keys))
    night = published_night(products, keys)
    return Snapshot(number, model, products, vectors, night)


def _image_keys(vectors: ProductVectors) -> list[bytes]:
    """Equal for pictures of equal vectors, up to rounding; generations keep no others."""
    keys = []
    for rows in blocks(len(vectors.rows)):
        image = vectors.parts(rows)[1]
        coarse = np.rint(image * STEPS).astype(np.int8)
        keys += [content_key(row.tobytes()) for row in coarse]
    return keys


def _row_keys(products: pa.Table, texts: pa.Array) -> pa.Array:
    """Equal where a product's text and its other columns are."""
    names = [name for name in products.column_names if _is_plain(products, name)]
    columns = [pc.fill_null(products[name].cast(pa.string()), "\0") for name in names]
    joined = pc.binary_join_element_wise(*columns, "\1").to_pylist()
    both = zip(texts.to_pylist(), joined, strict=True)
    return pa.array([content_key((text or b"") + rest.encode()) for text, rest in both], KEY)


def _is_plain(products: pa.Table, name: str) -> bool:
    kind = products.schema.field(name).type
    return not (pa.types.is_nested(kind) or pa.types.is_binary(kind))
