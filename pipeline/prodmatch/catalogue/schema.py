"""Which column of a catalogue is what: decided once, from the schema alone."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from os import PathLike
from typing import Protocol

import pyarrow as pa

from prodmatch.catalogue.column_types import convert_column, is_text, is_uuid, metadata_type
from prodmatch.catalogue.naming import name_columns
from prodmatch.catalogue.text import strip_invisible
from prodmatch.errors import CatalogueError, require_type
from prodmatch.names import (
    choose_description,
    choose_id,
    choose_picture,
    choose_title,
    name_words,
)

# Names that embeddings, products and hits use themselves.
RESERVED = frozenset(
    [
        "generation",
        "has_image",
        "has_text",
        "image",
        "image_key",
        "lexical",
        "other_image_keys",
        "other_image_positions",
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
PARENT = {"parent", "group", "parents"}  # in names of ids that several rows have
PICTURE_FIELDS = {"bytes", "path"}
MOST_SHOWN = 40  # characters of a type
MOST_COLUMNS = 1000  # of metadata; SQLite takes no more than 2,000
PANDAS_INDEX = re.compile(r"__index_level_\d+__")


class TypedPart(Protocol):
    """A file of a catalogue, with the types of its columns."""

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def types(self) -> dict[str, pa.DataType]:
        """By the file's own names."""


@dataclass(frozen=True)
class SchemaMapping:
    """The columns of a catalogue by their use; names are the file's, but for the metadata's."""

    product_id: str
    texts: tuple[str, ...]
    image: str | None
    sources: tuple[str, ...]  # the file's columns that become metadata
    metadata: pa.Schema  # our names and types of these
    left_out: Mapping[str, str]  # columns that cannot be metadata, and why
    excluded: tuple[str, ...] = ()  # our names of those that `leave_out` names; never read

    @property
    def needed(self) -> list[str]:
        """Every column that is read."""
        images = [self.image] if self.image else []
        return list(dict.fromkeys([self.product_id, *self.texts, *images, *self.sources]))

    def select_metadata(
        self, record: pa.RecordBatch, path: str, parts: Sequence[TypedPart]
    ) -> pa.RecordBatch:
        """The metadata columns of some rows of a file, under our names and of our types.

        Raises:
            CatalogueError: a value cannot be kept exactly in the type that unites the files.
        """
        columns = []
        for source, column in zip(self.sources, self.metadata, strict=True):
            try:
                columns.append(convert_column(record[source], column.type))
            except pa.ArrowException as error:
                kind = record[source].type
                others = ((part.types.get(source, kind), part.name) for part in parts)
                other = next((f", as it is {t} in {n}" for t, n in others if t != kind), "")
                raise CatalogueError(
                    f"{path}: column {source!r} is of type {kind} and becomes {column.type}"
                    f"{other}, but {error}. Write all with one type."
                ) from error
        return pa.RecordBatch.from_arrays(columns, schema=self.metadata)


def map_schema(
    schema: pa.Schema,
    columns: Mapping[str, str],
    text_columns: Sequence[str],
    path: str,
    *,
    leave_out: Sequence[str] = (),
    left_out_before: Sequence[str] = (),
) -> SchemaMapping:
    """The use of each column of a catalogue with this schema.

    Args:
        columns: our names to the file's, where they differ.
        text_columns: our names of the columns that are embedded and searched; if none, those of
            `DEFAULT_TEXTS` that there are.
        leave_out: columns that are never read, by our names or the file's.
        left_out_before: others that are not; they may be missing by now.

    Raises:
        CatalogueError: a column is missing, of a type that cannot be used, or used and left out.
    """
    text_columns = text_columns or DEFAULT_TEXTS
    for name, theirs in columns.items():
        if _resolve(theirs, schema.names) not in schema.names:
            raise CatalogueError(
                f"{path}: `columns` ({name}={theirs}): there is no column {theirs!r}; "
                f"found {name_columns(schema.names)}."
            )
    ours = our_names(schema, columns)
    leave_out = [_resolve(name, [*ours, *ours.values()]) for name in leave_out]
    if tuple(text_columns) != DEFAULT_TEXTS:
        text_columns = [_resolve(name, ours) for name in text_columns]
    product_id = _require(ours, "product_id", schema, path)
    _check_id_type(schema.field(product_id), path)
    texts = _find_texts(ours, text_columns, schema, path)
    image = ours.get("image")
    if image is not None and not is_picture(schema.field(image).type):
        raise CatalogueError(
            f"{path}: column {image!r} is of type {schema.field(image).type}; pictures are bytes, "
            "a struct of bytes and path, a path below `image_root`, or a list of these."
        )
    if not texts and image is None:
        raise CatalogueError(
            f"{path}: has neither text nor picture; found {name_columns(schema.names)}. "
            f"{_suggest_contents(schema, product_id)}"
        )
    _check_leave_out(ours, set(leave_out) - set(left_out_before), path)
    used = {product_id, *texts, image}
    excluded = _find_excluded(ours, {*leave_out, *left_out_before}, used, path)
    metadata, left_out = _find_metadata(ours, schema, excluded)
    return SchemaMapping(
        product_id=product_id,
        texts=texts,
        image=image,
        sources=tuple(source for source, _ in metadata.values()),
        metadata=pa.schema([(name, kind) for name, (_, kind) in metadata.items()]),
        left_out=left_out,
        excluded=excluded,
    )


def our_names(schema: pa.Schema, columns: Mapping[str, str]) -> dict[str, str]:
    """Our names of a schema's columns to the schema's own, in its order.

    A column whose name is given to another by `columns` is not used. A name that is no column's is
    the one that has spaces or a byte order mark around it, as lists of names are given without.
    """
    there = {ours: _resolve(theirs, schema.names) for ours, theirs in columns.items()}
    named = {theirs: ours for ours, theirs in there.items()}
    taken = {name for name, theirs in there.items() if theirs in schema.names}
    return {
        named.get(name, name): name for name in schema.names if name in named or name not in taken
    }


def _resolve(name: str, names: Iterable[str]) -> str:
    """The column that is meant: of this name, or the only one that looks like it."""
    names = dict.fromkeys(names)
    near = [other for other in names if strip_invisible(other) == strip_invisible(name)]
    return near[0] if name not in names and len(near) == 1 else name


def _check_leave_out(ours: Mapping[str, str], leave_out: Set[str], path: str) -> None:
    """Refuses a name that is no column's: with a slip in it, the column would be kept."""
    there = list(dict.fromkeys([*ours, *ours.values()]))
    for name in sorted(leave_out - set(there)):
        near = difflib.get_close_matches(name, there, 1, 0.5)
        raise CatalogueError(
            f"{path}: `leave_out={name}`: there is no such column; found {name_columns(there)}."
            + (f" Did you mean {near[0]!r}?" if near else "")
        )


def _find_excluded(
    ours: Mapping[str, str], leave_out: Set[str], used: Set[str | None], path: str
) -> tuple[str, ...]:
    """Our names of the columns to leave out; refuses one that ids, texts or pictures are in."""
    found = [name for name, source in ours.items() if {name, source} & leave_out]
    for name in found:
        if ours[name] in used:
            raise CatalogueError(
                f"{path}: column {ours[name]!r} is the products' id, text or picture, so it cannot "
                "be left out. Name other columns with `columns` or `text_columns`, or do not "
                "name it in `leave_out`."
            )
    return tuple(found)


def _find_metadata(
    ours: Mapping[str, str], schema: pa.Schema, excluded: Sequence[str]
) -> tuple[dict[str, tuple[str, pa.DataType]], dict[str, str]]:
    """The columns that become metadata, with their types, and those that cannot, and why."""
    metadata: dict[str, tuple[str, pa.DataType]] = {}
    left_out: dict[str, str] = {}
    taken = {name: "its name is one that results use" for name in RESERVED}
    for name, source in ours.items():
        if name in ("product_id", "image", *excluded):
            continue
        found = schema.field(source).type
        kind = metadata_type(found)
        if kind is None:
            left_out[source] = f"{_short_type(found)} is no text, number, date or flag"
        elif name.lower() in taken:  # names of SQL know no case
            left_out[source] = taken[name.lower()]
        elif PANDAS_INDEX.fullmatch(name):
            left_out[source] = "it numbers the rows, as pandas writes an index without a name"
        elif "\0" in name:
            left_out[source] = "its name holds a NUL"
        elif len(metadata) == MOST_COLUMNS:
            left_out[source] = f"there are {MOST_COLUMNS} before it"
        else:
            metadata[name] = (source, pa.string() if pa.types.is_null(kind) else kind)
            taken[name.lower()] = f"its name differs from {name!r} in case only"
    return metadata, left_out


def _short_type(kind: pa.DataType) -> str:
    if pa.types.is_map(kind) or pa.types.is_struct(kind):
        return "map" if pa.types.is_map(kind) else "struct"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"list of {_short_type(kind.value_type)}"
    return str(kind)[:MOST_SHOWN]


def _require(ours: Mapping[str, str], name: str, schema: pa.Schema, path: str) -> str:
    if name not in ours:
        names = [column.name for column in schema if not pa.types.is_nested(column.type)]
        others = [other for other in names if not PARENT & set(name_words(other))]
        near = choose_id(names) or next(
            iter(difflib.get_close_matches(name, others, 1, 0.6)), "NAME"
        )
        raise CatalogueError(
            f"{path}: column {name!r} is missing; found {name_columns(schema.names)}. "
            f"Rename it, or map it with `columns={name}={strip_invisible(near)}`."
        )
    return ours[name]


def _suggest_contents(schema: pa.Schema, used: str) -> str:
    """What to do where no column is text or picture: the columns to map, by names and types."""
    texts = [column.name for column in schema if is_text(column.type) and column.name != used]
    pictures = [c.name for c in schema if is_picture(c.type) and c.name != used]
    found = {
        "title": choose_title(texts),
        "description": choose_description(texts),
        "image": choose_picture(pictures),
    }
    pairs = ",".join(f"{ours}={strip_invisible(name)}" for ours, name in found.items() if name)
    if pairs:
        return f"Map them with `columns={pairs}`."
    return "Name the columns with `columns` (title=..., image=...), or texts with `text_columns`."


def _find_texts(
    ours: Mapping[str, str], text_columns: Sequence[str], schema: pa.Schema, path: str
) -> tuple[str, ...]:
    found: list[str] = []
    for name in text_columns:
        if name in ours and ours[name] in found:
            raise CatalogueError(f"{path}: `text_columns`: names {name!r} twice. Name it once.")
        if name in schema.names and name not in ours:
            taken = next((each for each, theirs in ours.items() if theirs == name), "another")
            raise CatalogueError(
                f"{path}: `text_columns`: column {name!r} is called {taken!r} by `columns`. Name "
                f"{taken!r}, or map it otherwise."
            )
        if name not in ours and tuple(text_columns) != DEFAULT_TEXTS:
            raise CatalogueError(
                f"{path}: `text_columns`: there is no column {name!r}; found "
                f"{name_columns(schema.names)}. Map it with `columns` ({name}=...), or name others "
                "with `text_columns`."
            )
        if name in ours:
            kind = schema.field(ours[name]).type
            if not (is_text(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
                raise CatalogueError(
                    f"{path}: column {ours[name]!r} is of type {kind}; text is needed. "
                    f"{_text_remedy(kind)}, or name another with `columns` or `text_columns`."
                )
            found.append(ours[name])
    return tuple(found)


def _text_remedy(kind: pa.DataType) -> str:
    """How a column that is no text becomes one."""
    if pa.types.is_struct(kind) and kind.num_fields:
        return f"Write one of its fields ({name_columns(kind.names)}) as a column"
    if pa.types.is_nested(kind):
        return "Join the values of each row into one text"
    return "Write its values as text"


def _check_id_type(column: pa.Field, path: str) -> None:
    if id_kind(column.type) is None:
        rounded = pa.types.is_floating(column.type)
        raise CatalogueError(
            f"{path}: column {column.name!r} is of type {column.type}; "
            "product ids are strings, integers or UUIDs. "
            + ("Write it as integers, before any are rounded." if rounded else "Write it as text.")
        )


def id_kind(kind: pa.DataType) -> str | None:
    """Of what kind a column of ids is; None for a type that ids are not of."""
    if pa.types.is_dictionary(kind):
        return id_kind(kind.value_type)
    if is_text(kind):
        return "text"
    if is_uuid(kind):
        return "UUID"
    whole = pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0)
    return "integer" if whole else None


def is_picture(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold pictures, or where they lie, or lists of these."""
    kind = picture_type(kind)
    if pa.types.is_struct(kind):
        return bool(
            {kind.field(position).name for position in range(kind.num_fields)} & PICTURE_FIELDS
        )
    return is_bytes(kind) or is_text(kind) or pa.types.is_null(kind)


def picture_type(kind: pa.DataType) -> pa.DataType:
    """The type of one picture, in a column of pictures or of lists of them."""
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return kind.value_type if listed or pa.types.is_fixed_size_list(kind) else kind


def is_bytes(kind: pa.DataType) -> bool:
    """Whether a column of this type holds bytes."""
    return bool(
        pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    )


def check_types(path: object, options: object, kind: type) -> None:
    """Raise unless a catalogue's path, and its options of that kind, are of types that can be used.

    Raises:
        CatalogueError: one is not.
    """
    remedy = "Give a path: a table becomes one with `DataFrame.to_parquet`."
    require_type(path, str | PathLike, "`catalogue`", remedy, CatalogueError)
    remedy = f"Give {kind.__name__}(...)."
    require_type(options, kind | None, "`options`", remedy, CatalogueError)
    if options is not None:
        _check_option_types(vars(options))


def _check_option_types(options: Mapping[str, object]) -> None:
    columns, root = options["columns"], options["image_root"]
    remedy = 'Give a dictionary of texts: {"title": "name"}.'
    require_type(columns, Mapping, "`columns`", remedy, CatalogueError)
    texts = [each for pair in dict(columns).items() for each in pair]  # type: ignore[call-overload]
    for each in texts:
        require_type(each, str, f"`columns`: {each!r:.40}", remedy, CatalogueError)
    require_type(root, str | PathLike | None, "`image_root`", "Give a path.", CatalogueError)
    remedy = "Give a tuple of names of columns."
    for name in ("text_columns", "leave_out", "left_out_before"):
        value = options[name]
        require_type(value, tuple | list, f"`{name}`", remedy, CatalogueError)
        for each in value if isinstance(value, tuple | list) else ():
            require_type(each, str, f"`{name}`: {each!r:.40}", remedy, CatalogueError)
