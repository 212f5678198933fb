"""Bodies of requests that load Elasticsearch and Qdrant: JSON in files of some megabytes each."""

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from prodmatch.errors import StoreError
from prodmatch.exports.table import VectorTable, json_rows, vector_texts
from prodmatch.storage.atomic import digest_bytes, new_file, write_json

BODY_BYTES = 8 << 20  # of a file, about; Qdrant takes 32 MiB, Elasticsearch 100 MB
MOST_DIMENSIONS = 4096  # that Elasticsearch takes
MOST_ID_BYTES = 512  # likewise
SHORT_TEXT = 256  # characters that Elasticsearch filters by as one value
# Names of its own in every document.
RESERVED = frozenset(
    f"_{name}"
    for name in (
        *("doc_count", "feature", "field_names", "id", "ignored", "index", "index_mode"),
        *("nested_path", "primary_term", "routing", "seq_no", "size", "source", "tier", "type"),
        *("version", "data_stream_timestamp", "ignored_source", "inference_fields"),
    )
)
ZEROS = re.compile(r"[\[\]0,-]+")  # all that the text of a vector of zeros has
POINT_IDS = uuid.UUID("7d3f2f0e-94f1-5c6b-8f0a-5a1d8f6f2c11")  # that ids of points come from


def write_elasticsearch(table: VectorTable, folder: Path, body_bytes: int = BODY_BYTES) -> None:
    """Writes `mapping.json`, the body that makes an index, and bodies `bulk-00000.ndjson`, ….

    Raises:
        StoreError: the vectors are too long for it, or a column has no name or one that it keeps.
    """
    if table.index.dim > MOST_DIMENSIONS:
        raise StoreError(
            f"`form=elasticsearch`: a vector has {table.index.dim} dimensions; it takes "
            f"{MOST_DIMENSIONS}. Use a model with smaller heads."
        )
    if any(not name.strip() for name in table.columns.names):
        raise StoreError(
            "`form=elasticsearch`: a column has no name, which it does not take. Rename it in "
            "the catalogue, or leave it out."
        )
    if taken := sorted(RESERVED & set(table.columns.names)):
        raise StoreError(
            f"`form=elasticsearch`: it has fields of its own named {', '.join(taken)}. "
            "Rename these columns of the catalogue with `columns`, or leave them out."
        )
    write_json(folder / "mapping.json", {"mappings": _mapping(table)})
    files = _BodyFiles("bulk-{:05d}.ndjson", "", "", "", body_bytes)
    files.write(folder, _bulk_lines(table))


def write_qdrant(table: VectorTable, folder: Path, body_bytes: int = BODY_BYTES) -> None:
    """Writes `collection.json`, the body that makes a collection, and bodies of its points.

    Those are `points-00000.json`, …. The id of a point is a UUID that comes from its product's id,
    so that a later night's points take the place of these.
    """
    vectors = {"size": table.index.dim, "distance": "Dot"}
    write_json(folder / "collection.json", {"vectors": vectors})
    files = _BodyFiles("points-{:05d}.json", '{"points":[', ",\n", "]}\n", body_bytes)
    files.write(folder, _points(table))


def point_id(product_id: str) -> str:
    """The id of a product's point in Qdrant."""
    return str(uuid.uuid5(POINT_IDS, product_id))


@dataclass(frozen=True)
class _BodyFiles:
    """Files of entries, one or more each, of so many bytes or little more."""

    name: str  # with a place for their number
    start: str
    between: str
    end: str
    most_bytes: int

    def write(self, folder: Path, entries: Iterator[str]) -> None:
        """Writes entries to as many files as they need."""
        number, entry = 0, next(entries, None)
        while entry is not None:
            with new_file(folder / self.name.format(number)) as file:
                size = file.write((self.start + entry).encode())
                entry = next(entries, None)
                while entry is not None and size < self.most_bytes:
                    size += file.write((self.between + entry).encode())
                    entry = next(entries, None)
                file.write(self.end.encode())
            number += 1


def _bulk_lines(table: VectorTable) -> Iterator[str]:
    """An action and its document, two lines a product.

    A product that the model knows nothing of has no vector: zeros are not of unit length.
    """
    for row, vector in _rows(table):
        product_id = str(row["product_id"])
        is_long = len(product_id.encode()) > MOST_ID_BYTES
        action = {"index": {"_id": digest_bytes(product_id.encode()) if is_long else product_id}}
        known = f',"vector":{vector}' if ZEROS.sub("", vector) else ""
        yield f"{_json(action)}\n{_json(row)[:-1]}{known}}}\n"


def _points(table: VectorTable) -> Iterator[str]:
    for row, vector in _rows(table):
        name = _json(point_id(str(row["product_id"])))
        yield f'{{"id":{name},"vector":{vector},"payload":{_json(row)}}}'


def _rows(table: VectorTable) -> Iterator[tuple[dict[str, object], str]]:
    for batch, vectors in table.batches_and_vectors():
        yield from zip(json_rows(batch), vector_texts(vectors), strict=True)


def _json(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _mapping(table: VectorTable) -> dict[str, object]:
    """A field for each column. Names with dots stay names."""
    vector = {
        "type": "dense_vector",
        "dims": table.index.dim,
        "index": True,
        # vectors of a byte for each number are nearly of unit length
        "similarity": "max_inner_product" if table.index.is_coded else "dot_product",
    }
    fields = {field.name: _field(field.type) for field in table.columns}
    fields |= {"product_id": {"type": "keyword"}, "vector": vector}
    return {"subobjects": False, "properties": fields}


def _field(kind: pa.DataType) -> dict[str, object]:
    if pa.types.is_boolean(kind):
        return {"type": "boolean"}
    if pa.types.is_integer(kind):
        return {"type": "unsigned_long" if pa.types.is_uint64(kind) else "long"}
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return {"type": "double"}
    if pa.types.is_temporal(kind):
        return {"type": "date"}
    exact = {"type": "keyword", "ignore_above": SHORT_TEXT}
    return {"type": "text", "fields": {"keyword": exact}}
