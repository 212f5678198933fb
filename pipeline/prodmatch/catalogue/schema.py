"""Which column of a catalogue is what: decided once, from the schema alone."""

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from prodmatch.errors import CatalogueError

__all__ = ["Layout", "is_text", "map_schema"]

OURS = ("product_id", "title", "description", "image")
# Names that embeddings, products and hits use themselves.
RESERVED = frozenset(
    [
        "generation",
        "has_image",
        "has_text",
        "image",
        "image_key",
        "lexical",
        "probability",
        "product_id",
        "query_id",
        "rank",
        "row",
        "row_digest",
        "score",
        "text",
        "text_key",
        "vector",
    ]
)
DEFAULT_TEXTS = ("title", "description")
MOST_COLUMNS = 1000  # of metadata; SQLite takes no more than 2,000
# What Python's dates can say, a day left for time zones; in seconds.
FIRST_SECOND, LAST_SECOND = -62135596800 + 86400, 253402300799 - 86400
PARTS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@dataclass(frozen=True)
class Layout:
    """The columns of a catalogue by their use; names are the file's, but for the metadata's."""

    product_id: str
    texts: tuple[str, ...]
    image: str | None
    image_is_path: bool
    sources: tuple[str, ...]  # the file's columns that become metadata
    metadata: pa.Schema  # our names and types of these
    left_out: tuple[str, ...]  # columns that cannot be metadata

    @property
    def needed(self) -> list[str]:
        """Every column that is read."""
        images = [self.image] if self.image else []
        return list(dict.fromkeys([self.product_id, *self.texts, *images, *self.sources]))

    def select_metadata(self, record: pa.RecordBatch) -> pa.RecordBatch:
        """The metadata columns of some rows, under our names."""
        columns = [
            _within_calendar(record[source]).cast(column.type, safe=False)
            for source, column in zip(self.sources, self.metadata, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.metadata)


def map_schema(
    schema: pa.Schema, columns: Mapping[str, str], text_columns: Sequence[str], path: Path
) -> Layout:
    """The layout of a file with this schema.

    Args:
        schema: the file's.
        columns: our names to the file's, where they differ.
        text_columns: our names of the columns that are embedded and searched.
        path: for messages.

    Raises:
        CatalogueError: a column is missing, stands twice, or is of a type that cannot be used.
    """
    _check_names(schema, columns, path)
    named = {theirs: ours for ours, theirs in columns.items()}
    ours = {named.get(name, name): name for name in schema.names if name in named}
    ours = {**{n: n for n in schema.names if n not in named and n not in ours}, **ours}
    product_id = _require(ours, "product_id", schema, path)
    _check_id_type(schema.field(product_id), path)
    texts = _find_texts(ours, text_columns, schema, path)
    image = ours.get("image")
    image_is_path = image is not None and _is_path(schema.field(image), path)
    if not texts and image is None:
        raise CatalogueError(
            f"{path}: has neither text nor picture; found {_list(schema.names)}. "
            "Name the columns with --columns title=...,image=..."
        )
    metadata: dict[str, tuple[str, pa.DataType]] = {}
    left_out, taken = [], set(RESERVED)  # names of SQL know no case
    for name, source in ours.items():
        if name in ("product_id", "image"):
            continue
        kind = _metadata_type(schema.field(source).type)
        usable = kind is not None and name.lower() not in taken and "\0" not in name
        if kind is None or not usable or len(metadata) == MOST_COLUMNS:
            left_out.append(source)
        else:
            metadata[name] = (source, kind)
            taken.add(name.lower())
    places = {name: place for place, name in enumerate(schema.names)}
    order = sorted(metadata, key=lambda name: places[metadata[name][0]])
    return Layout(
        product_id=product_id,
        texts=texts,
        image=image,
        image_is_path=image_is_path,
        sources=tuple(metadata[name][0] for name in order),
        metadata=pa.schema([(name, metadata[name][1]) for name in order]),
        left_out=tuple(left_out),
    )


def _check_names(schema: pa.Schema, columns: Mapping[str, str], path: Path) -> None:
    twice = sorted(name for name, count in Counter(schema.names).items() if count > 1)
    if twice:
        raise CatalogueError(f"{path}: column {twice[0]!r} stands twice. Rename one of them.")
    for ours, theirs in columns.items():
        if theirs not in schema.names:
            raise CatalogueError(
                f"{path}: --columns {ours}={theirs}: there is no column {theirs!r}; "
                f"found {_list(schema.names)}."
            )


def _require(ours: Mapping[str, str], name: str, schema: pa.Schema, path: Path) -> str:
    if name not in ours:
        near = difflib.get_close_matches(name, schema.names, 1, 0.4)
        example = near[0] if near else "NAME"
        raise CatalogueError(
            f"{path}: column {name!r} is missing; found {_list(schema.names)}. "
            f"Rename it, or say --columns {name}={example}."
        )
    return ours[name]


def _find_texts(
    ours: Mapping[str, str], text_columns: Sequence[str], schema: pa.Schema, path: Path
) -> tuple[str, ...]:
    found = []
    for name in text_columns:
        if name not in ours and tuple(text_columns) != DEFAULT_TEXTS:
            raise CatalogueError(
                f"{path}: --text-columns: there is no column {name!r}; found {_list(schema.names)}."
            )
        if name in ours:
            column = schema.field(ours[name])
            if not (is_text(column.type) or pa.types.is_null(column.type)):
                raise CatalogueError(
                    f"{path}: column {ours[name]!r} is of type {column.type}; text is needed. "
                    "Name another with --columns or --text-columns."
                )
            found.append(ours[name])
    return tuple(found)


def _check_id_type(column: pa.Field, path: Path) -> None:
    if not (is_text(column.type) or pa.types.is_integer(column.type)):
        raise CatalogueError(
            f"{path}: column {column.name!r} is of type {column.type}; "
            "product ids are strings or integers. Convert it."
        )


def _is_path(column: pa.Field, path: Path) -> bool:
    kind = column.type
    if pa.types.is_struct(kind):
        names = {kind.field(place).name for place in range(kind.num_fields)}
        if names & {"bytes", "path"}:
            return "bytes" not in names
    if is_text(kind):
        return True
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_null(kind):
        return False
    raise CatalogueError(
        f"{path}: column {column.name!r} is of type {kind}; pictures are bytes, "
        "a struct of bytes and path, or a path below --image-root."
    )


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds text, coded as a dictionary or not."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _metadata_type(kind: pa.DataType) -> pa.DataType | None:
    """The type that a column is kept in as metadata; None for what is not simple."""
    if is_text(kind) or pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_dictionary(kind):
        return _metadata_type(kind.value_type)
    if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
        return pa.float64()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    simple = (
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_date(kind)
    )
    return kind if simple else None


def _within_calendar(column: pa.Array) -> pa.Array:
    """Dates and times with null for those before the year 1 or after 9999."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        parts, numbers = PARTS[kind.unit], column.cast(pa.int64())
    elif pa.types.is_date64(kind):
        parts, numbers = PARTS["ms"], column.cast(pa.int64())
    elif pa.types.is_date32(kind):
        parts, numbers = 1, pc.multiply(column.cast(pa.int32()).cast(pa.int64()), 86400)
    else:
        return column
    first, last = max(FIRST_SECOND * parts, -(2**63)), min(LAST_SECOND * parts, 2**63 - 1)
    inside = pc.and_(pc.greater_equal(numbers, first), pc.less_equal(numbers, last))
    return pc.if_else(inside, column, pa.scalar(None, kind))


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:20])
    return f"{shown}, ... ({len(names)} columns)" if len(names) > 20 else shown
