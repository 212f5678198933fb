"""The files that encoders are trained from, read and checked."""

import hashlib
import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.catalogue.column_types import is_text
from prodmatch.embedding.encoding.image_loader import preprocess_isolated
from prodmatch.errors import ModelError
from prodmatch.model.preprocessing import ImageSpec, Pixels
from prodmatch.storage.atomic import digest_bytes
from prodmatch.storage.temporary import new_array
from prodmatch.training.dataset import Numbers
from prodmatch.training.held_out import words_of

ATTRIBUTES = ("brand", "type", "colour", "pattern", "gender")
COLUMNS = ("title", "image", "source", "description", *ATTRIBUTES)
TEXTS = {"title", "description", *ATTRIBUTES}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingProduct:
    """One product as training sees it.

    An attribute may hold alternatives separated by `|` ("t-shirt|tee"): any of them may be used.
    """

    title: str
    description: str
    attributes: Mapping[str, str]

    def words(self) -> frozenset[str]:
        """Every word of the product: of title, description and attributes."""
        return words_of(" ".join([self.title, self.description, *self.attributes.values()]))


class TextPair(NamedTuple):
    """Two texts of one thing; those of one source are told from each other."""

    left: str
    right: str
    source: str = ""


@dataclass(frozen=True)
class TrainingSet:
    """Products with their pictures, and what else is learnt from.

    Equal numbers in `title_groups` or `picture_groups` mark products that must not be each other's
    negatives. Batches are of one of the `sources` each.
    """

    products: Sequence[TrainingProduct]
    pictures: Pixels  # (n, side, side, 3), as the encoder sees them; mapped from a file
    title_groups: Numbers  # (n,)
    picture_groups: Numbers  # (n,)
    sources: Numbers  # (n,)
    text_pairs: Sequence[TextPair] = ()
    texts: Sequence[str] = ()  # further ones, of any kind

    @property
    def titles(self) -> list[str]:
        """The title of each product."""
        return [product.title for product in self.products]


def read_training_set(
    path: Path, split: str, spec: ImageSpec, file: Path, workers: int = 1
) -> TrainingSet:
    """The rows of one split of a training catalogue; a row without a usable picture is left out.

    Args:
        split: `train` or `val`.
        file: where the pictures go, so that memory holds only those that are trained on.

    Raises:
        ModelError: no row of that split has both a title and a usable picture.
    """
    rows = pq.read_table(path, columns=["split"])["split"].to_pylist().count(split)
    shape = (max(1, rows), spec.crop_pixels, spec.crop_pixels, 3)
    pictures = new_array(file, shape, np.uint8)
    products: list[TrainingProduct] = []
    keys: list[tuple[str, str, str]] = []  # of equal titles, pictures and sources
    waiting: deque[dict[str, object]] = deque()  # rows whose pictures are being decoded
    images = _read_images(path, split, waiting)
    for found in preprocess_isolated(images, spec, workers=workers):
        title, image, source, description, *values = map(waiting.popleft().get, COLUMNS)
        if found.pixels is None:
            continue  # a training catalogue is only drawn from
        pictures[len(products)] = found.pixels
        named = zip(ATTRIBUTES, values, strict=True)
        attributes = {name: str(value) for name, value in named if value}
        products.append(TrainingProduct(str(title), str(description or ""), attributes))
        keys.append((str(title).lower(), str(image), str(source or "")))
    if not products:
        raise ModelError(f"{path}: split {split!r} has no row with a title and a usable picture.")
    if lost := rows - len(products):
        logger.warning(
            "%s: %d of %d rows of the split '%s' are left out, without a title or a usable picture",
            path,
            lost,
            rows,
            split,
        )
    titles, copies, sources = (_group_keys(column) for column in zip(*keys, strict=True))
    return TrainingSet(products, pictures[: len(products)], titles, copies, sources)


def _group_keys(contents: Iterable[str]) -> Numbers:
    """One number per content, equal for equal contents."""
    digests = [hashlib.blake2b(each.encode(), digest_size=8).digest() for each in contents]
    return np.frombuffer(b"".join(digests), dtype=np.int64)


def _read_images(path: Path, split: str, rows: deque[dict[str, object]]) -> Iterator[bytes]:
    """The pictures of a split's rows; `rows` is given each row, with a digest for its picture."""
    for batch in pq.ParquetFile(path).iter_batches(1000):
        for row in batch.to_pylist():
            image = row["image"]
            has_title = bool(str(row["title"] or "").strip())
            if row["split"] == split and has_title and isinstance(image, bytes):
                rows.append({**row, "image": digest_bytes(image)})
                yield image


def read_text_rows(
    path: Path | None, columns: list[str], optional: Sequence[str] = ()
) -> list[dict[str, str]]:
    """Rows of a Parquet file of texts, none where there is no file.

    Args:
        columns: what a row must have; rows with an empty one are left out.
        optional: columns that are read where the file has them.

    Raises:
        ModelError: it cannot be read, lacks a column, or a needed one is not of texts.
    """
    if path is None:
        return []
    table = _read_columns(path, columns, optional)
    for name in columns:
        kind = table.schema.field(name).type
        if not (is_text(kind) or pa.types.is_null(kind)):
            raise ModelError(
                f"{path}: the column '{name}' holds {kind}, not texts. Write it as strings."
            )
    rows: list[dict[str, str]] = table.to_pylist()
    return [row for row in rows if all(row[name] for name in columns)]


def check_catalogue(catalogue: Path) -> None:
    """Raise unless a training catalogue has titles, pictures' bytes, and rows of known splits.

    Raises:
        ModelError: a column is missing or of another kind, or a row is not marked `train` or `val`.
    """
    splits = set(_read_columns(catalogue, ["split"])["split"].unique().to_pylist())
    if not splits <= {"train", "val"}:
        raise ModelError(
            f"{catalogue}: the column 'split' holds {sorted(map(str, splits))}; only 'train' and "
            "'val' may be there, so that nothing held out for testing is trained on."
        )
    schema = pq.read_schema(catalogue)
    for name in ("title", "image"):
        if name not in schema.names:
            raise ModelError(f"{catalogue}: has no column '{name}'. Give title, image and split.")
    for field in schema:
        if field.name == "image" and not _holds_bytes(field.type):
            wanted = "the bytes of one picture"
        elif field.name in TEXTS and pa.types.is_nested(field.type):
            wanted = "a text, alternatives separated by |"
        else:
            continue
        raise ModelError(
            f"{catalogue}: the column '{field.name}' holds {field.type}; write {wanted}."
        )


def _holds_bytes(kind: pa.DataType) -> bool:
    kinds = pa.types
    return bool(kinds.is_binary(kind) or kinds.is_large_binary(kind) or kinds.is_binary_view(kind))


def _read_columns(path: Path, columns: list[str], optional: Sequence[str] = ()) -> pa.Table:
    try:
        present = pq.read_schema(path).names
        if missing := [name for name in columns if name not in present]:
            raise ModelError(
                f"{path}: has no column {' and '.join(map(repr, missing))}; found "
                f"{', '.join(present) or 'none'}. Give {', '.join(columns)}."
            )
        chosen = [*columns, *(name for name in optional if name in present)]
        return pq.read_table(path, columns=chosen)
    except (OSError, pa.ArrowInvalid) as error:
        raise ModelError(
            f"{path}: is no Parquet file with {', '.join(columns)} ({error})."
        ) from error
