"""Columns of a catalogue's parts: which are lacking, which hold paths, and the ids as texts."""

import math
from collections.abc import Iterator, Sequence
from uuid import UUID

import numpy as np
import pyarrow as pa

from prodmatch.catalogue.column_types import is_text
from prodmatch.catalogue.parts import Part
from prodmatch.catalogue.pictures.image_files import flatten_cells, needs_root
from prodmatch.catalogue.schema import SchemaMapping, picture_type
from prodmatch.errors import CatalogueError

DELETED_ROWS = {"file_path", "pos"}  # columns of such a file of Iceberg's
PATH_ROWS = 64  # to read at once where pictures are files, whose sizes are not known


def name_whole_exports(parts: Sequence[Part], repeated: Sequence[int]) -> str:
    """That files repeat the products of earlier ones, and what to give; empty where none does.

    Args:
        repeated: the rows whose ids earlier rows have.
    """
    ends = np.cumsum([part.row_count for part in parts])
    counts = np.bincount(np.searchsorted(ends, repeated, side="right"), minlength=len(parts))
    pairs = list(zip(parts, counts.tolist(), strict=True))[1:]
    for part, count in pairs:
        if 2 * count > part.row_count:
            return (
                f"{count} of {part.row_count} rows of {part.name} have ids of earlier files, whose "
                "rows are kept. If each is a whole export, give the newest file or folder alone as "
                f"the catalogue, perhaps {parts[-1].name}."
            )
    return ""


def check_parts(parts: Sequence[Part], mapping: SchemaMapping) -> Iterator[str]:
    """Warnings of parts that lack a text or picture column; refuses one without ids."""
    for part in parts:
        if mapping.product_id not in part.types:
            if part.types.keys() >= DELETED_ROWS:
                raise CatalogueError(
                    f"{part.name}: lists rows that a table has deleted, which are products in the "
                    "other files. Give a plain copy of the table's newest version."
                )
            raise CatalogueError(
                f"{part.name}: column {mapping.product_id!r} is missing; the other files have it."
            )
    for name in (*mapping.texts, *([mapping.image] if mapping.image else [])):
        lacking = [part for part in parts if name not in part.types]
        if lacking:
            first = lacking[0]
            near = [other for other in first.types if _plain(other) == _plain(name)]
            yield (
                f"{first.path}: has no column {name!r}"
                + (f", but {near[0]!r}" if near else "")
                + (f"; so have {len(lacking) - 1} other files" if len(lacking) > 1 else "")
                + f": {sum(part.row_count for part in lacking)} rows are read without it."
            )


def name_split_columns(parts: Sequence[Part], mapping: SchemaMapping) -> Iterator[str]:
    """Warnings of columns that some parts have under a name of other case or spaces.

    Those of texts and pictures are named by `check_parts`.
    """
    firsts: dict[str, tuple[str, Part]] = {}
    named = {_plain(name) for name in (*mapping.texts, mapping.image or "")}
    for part in parts:
        for name in part.types:
            other, first = firsts.setdefault(_plain(name), (name, part))
            if other != name and name not in first.types and _plain(name) not in named:
                named.add(_plain(name))
                yield (
                    f"{part.name}: has a column {name!r}, and {first.name} {other!r}: they are "
                    "read as two. Rename one of them."
                )


def _plain(name: str) -> str:
    return " ".join(name.casefold().split())


def holds_paths(kind: pa.DataType) -> bool:
    """Whether a column of pictures holds paths of files, or texts at least."""
    kind = picture_type(kind)
    if pa.types.is_struct(kind):
        return bool(kind.get_field_index("bytes") < 0)
    return is_text(kind)


def may_hold_paths(kind: pa.DataType | None) -> bool:
    """Whether some cells of a column of pictures may be paths."""
    if kind is None:
        return False
    kind = picture_type(kind)
    return is_text(kind) or bool(pa.types.is_struct(kind) and kind.get_field_index("path") >= 0)


def check_paths(parts: Sequence[Part], mapping: SchemaMapping) -> None:
    """Refuses a catalogue whose first picture is a path, as there is no root for it."""
    name = mapping.image or ""
    for part in parts:
        kind = part.types.get(name)
        if kind is None or not holds_paths(kind) or name in part.keys:
            continue
        with part.open() as reader:
            cells = next(reader.iter_batches(PATH_ROWS, columns=[name]), pa.table({name: []}))
        for cell in flatten_cells(cells[name].to_pylist()):
            if needs_root(cell):
                raise CatalogueError(
                    f"{part.name}: column {name!r} holds paths of pictures. "
                    "Give the directory that they are below with `image_root`."
                )


def read_ids(column: pa.Array, part: Part) -> list[str | None]:
    """Ids as texts; integers that another file's missing one made doubles are integers again.

    Raises:
        CatalogueError: a double that is no integer, or so large that it may be rounded.
    """
    if not pa.types.is_floating(column.type):
        if column.type == pa.binary(16):
            return [None if cell is None else str(UUID(bytes=cell)) for cell in column.to_pylist()]
        return [None if cell is None else str(cell) for cell in column.to_pylist()]
    exact = 2**24 if pa.types.is_float32(column.type) else 2**53
    ids: list[str | None] = []
    for cell in column.to_pylist():
        if cell is None or math.isnan(cell):
            ids.append(None)
        elif cell.is_integer() and abs(cell) < exact:
            ids.append(str(int(cell)))
        else:
            raise CatalogueError(
                f"{part.name}: holds the product id {cell!r} of type {column.type}, which is no "
                "exact integer as in the other files. Write the ids as integers or as strings."
            )
    return ids
