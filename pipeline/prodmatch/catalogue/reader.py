"""A Parquet catalogue: its schema checked at once, its rows streamed and checked one by one."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress, islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.catalogue.column_types import is_text, replace_bad_utf8, without_views
from prodmatch.catalogue.files import find_files
from prodmatch.catalogue.mirror import Fetch, locate_catalogue
from prodmatch.catalogue.part_checks import (
    PATH_ROWS,
    check_parts,
    check_paths,
    holds_paths,
    may_hold_paths,
    name_split_columns,
    read_ids,
)
from prodmatch.catalogue.parts import Part, name_shadowed_keys, open_parts, unite_parts
from prodmatch.catalogue.pictures.image_files import (
    Pictures,
    list_paths,
    read_image_cells,
)
from prodmatch.catalogue.pictures.images import UnusableImage
from prodmatch.catalogue.pictures.mirror import locate_pictures
from prodmatch.catalogue.rows import Reject, check_content, check_id, special_rows
from prodmatch.catalogue.schema import SchemaMapping, check_types, map_schema, picture_type
from prodmatch.catalogue.text import join_texts
from prodmatch.errors import CatalogueError
from prodmatch.storage.places.addresses import describe_place, is_address
from prodmatch.storage.vectors import rows_in_batch

BATCH_ROWS = 1024
BATCH_BYTES = 64 << 20
FIRST_ROWS = 32  # that show what a column holds
GroupPlace = tuple[int, int]  # the number of a file, and of a row group in it


@dataclass(frozen=True)
class CatalogueOptions:
    """How a catalogue is read.

    `columns` maps our names to the file's: `{"title": "name", "image": "photo"}`. A catalogue
    without rows is more often an error upstream than a closed shop, so it is refused by default.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    text_columns: tuple[str, ...] = ()  # those of DEFAULT_TEXTS that there are
    image_root: Path | str | None = None
    allow_empty: bool = False
    leave_out: tuple[str, ...] = ()  # columns that are never read; each must be there
    left_out_before: tuple[str, ...] = ()  # those of earlier runs; they may be missing by now


@dataclass(frozen=True)
class Batch:
    """Some rows of a catalogue: the usable ones as parallel lists, and the rejects."""

    rows: npt.NDArray[np.int64]  # row numbers in the whole catalogue
    product_ids: list[str]
    texts: list[str]  # cleaned and joined; "" where there is none
    images: list[bytes | None]  # of a list the first that can be fetched
    more_images: dict[int, list[bytes]]  # the others of a list, by the index of their product
    image_rejects: list[Reject | None]  # why a picture named could not be fetched
    listed_rejects: list[Reject]  # why others of a list could not be
    metadata: pa.RecordBatch  # the other columns, under our names
    rejects: list[Reject]


@dataclass(frozen=True)
class Catalogue:
    """An open catalogue; it can be read any number of times, and sent to another process."""

    path: Path | str  # as given: an address with its options
    options: CatalogueOptions
    parts: tuple[Part, ...]
    mapping: SchemaMapping
    warnings: tuple[str, ...] = ()  # what is passed over or missing, for the user
    image_root: Path | None = None  # the directory that paths of pictures are below
    # Why pictures of an address are not there, by the detail that they are missing with.
    unfetched: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """For messages: the path, or the address without its options."""
        return describe_place(self.path)

    @property
    def row_count(self) -> int:
        """Rows of all files, as their footers claim; `batches` checks it."""
        return sum(part.row_count for part in self.parts)

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the metadata."""
        return self.mapping.metadata

    @property
    def has_picture_lists(self) -> bool:
        """Whether a product can have several pictures: in a list, or named in one text."""
        kinds = [part.types.get(self.mapping.image or "") for part in self.parts]
        return any(
            kind is not None and (picture_type(kind) != kind or is_text(kind)) for kind in kinds
        )

    def batches(self) -> Iterator[Batch]:
        """All rows in order, about a thousand at a time; each pass gives the same.

        Raises:
            CatalogueError: a file cannot be read to its end, or has other rows than its footer
                claims.
        """
        earlier_ids: set[bytes] = set()
        for position in range(len(self.parts)):
            yield from self.part_batches(position, earlier_ids)

    def part_batches(self, position: int, earlier_ids: set[bytes] | None = None) -> Iterator[Batch]:
        """The rows of one part, as `batches` gives them.

        Args:
            earlier_ids: digests of the ids before, which the new ones are added to; if None, no
                row is rejected for its id being there already.
        """
        part = self.parts[position]
        first = start = sum(each.row_count for each in self.parts[:position])
        for record in self._records(part, self.mapping.needed):
            yield self._check(record, start, earlier_ids, part)
            start += len(record)
        part.check_count(start - first)

    def pictures(self, rows: npt.NDArray[np.int64]) -> Iterator[tuple[int, bytes | None]]:
        """(row, bytes) of these ascending rows; None where the row has no usable picture."""
        for row, found in self.all_pictures(rows):
            yield row, next(iter(found), None)

    def all_pictures(self, rows: npt.NDArray[np.int64]) -> Iterator[tuple[int, list[bytes]]]:
        """(row, pictures) of these ascending rows, in the order of their list."""
        start = 0
        columns = [self.mapping.image] if self.mapping.image else []
        for part in self.parts:
            for record in self._records(part, columns):
                end = start + len(record)
                inside = rows[np.searchsorted(rows, start) : np.searchsorted(rows, end)]
                if len(inside):
                    cells = record[self.mapping.image].take(pa.array(inside - start)).to_pylist()
                    for row, cell in zip(inside.tolist(), cells, strict=True):
                        yield row, self._fetch(cell).found
                start = end

    def picture_paths(self) -> Iterator[str]:
        """The paths of pictures that the catalogue names, in its order."""
        columns = [self.mapping.image] if self.mapping.image else []
        for part in self.parts:
            if columns and may_hold_paths(part.types.get(columns[0])):
                for record in self._records(part, columns):
                    yield from list_paths(record[0].to_pylist())

    def first_values(self, columns: Sequence[str]) -> dict[str, list[object]]:
        """Some of the first values of each column, of the first file whose first rows have any."""
        found: dict[str, list[object]] = {name: [] for name in columns}
        for part in self.parts:
            lacking = [name for name in part.schema.names if found.get(name) == []]
            if not lacking:
                continue
            with part.open() as reader:
                for record in islice(reader.iter_batches(FIRST_ROWS, columns=lacking), 1):
                    plain = replace_bad_utf8(without_views(record))
                    found |= {name: plain[name].drop_null().to_pylist() for name in lacking}
        return found

    def find_all_pictures(
        self, product_ids: Collection[str], groups: Collection[GroupPlace] | None = None
    ) -> dict[str, list[bytes]]:
        """The pictures of these products by id, in the order of their list.

        Of rows with the same id the first counts. Only the ids, and the parts of the files that
        hold one of these, are read; of certain `groups` alone, if there are any.
        """
        found: dict[str, list[bytes]] = {}
        wanted = set(product_ids)
        for place, names, reader in self._groups(groups):
            positions = [number for number, name in enumerate(names) if name in wanted]
            cells = self._cells(reader, place[1], np.array(positions, np.int64))
            for position, cell in zip(positions, cells, strict=True):
                found.setdefault(str(names[position]), self._fetch(cell).found)
        return {name: pictures for name, pictures in found.items() if pictures}

    def ids_by_group(self) -> Iterator[tuple[GroupPlace, list[str | None]]]:
        """The row groups that may hold pictures, and the ids of their rows."""
        for place, names, _ in self._groups(None):
            yield place, names

    def _groups(
        self, chosen: Collection[GroupPlace] | None
    ) -> Iterator[tuple[GroupPlace, list[str | None], pq.ParquetFile]]:
        """Row groups that may hold pictures: place, ids, and what reads their file."""
        for number, part in enumerate(self.parts):
            if self.mapping.image not in part.schema.names:
                continue
            if chosen is not None and number not in {part_number for part_number, _ in chosen}:
                continue
            with part.open() as reader:
                for group in range(reader.num_row_groups):
                    if chosen is None or (number, group) in chosen:
                        ids = reader.read_row_group(group, columns=[self.mapping.product_id])[0]
                        yield (number, group), read_ids(ids, part), reader

    def _cells(
        self, reader: pq.ParquetFile, group: int, positions: npt.NDArray[np.int64]
    ) -> Iterator[object]:
        """The picture cells at ascending positions of a row group."""
        start = 0
        if not len(positions):
            return
        for record in reader.iter_batches(
            BATCH_ROWS, row_groups=[group], columns=[self.mapping.image]
        ):
            inside = rows_in_batch(positions, start, len(record))
            yield from without_views(record)[0].take(pa.array(inside)).to_pylist()
            start += len(record)

    def _records(self, part: Part, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of a part with these columns, by row groups."""
        present = [name for name in columns if name in part.schema.names]
        with part.open() as reader:
            for group in range(reader.num_row_groups):
                rows = self._batch_rows(part, reader.metadata.row_group(group))
                for record in reader.iter_batches(rows, [group], present):
                    yield part.complete(without_views(record), columns)

    def _batch_rows(self, part: Part, group: pq.RowGroupMetaData) -> int:
        """Rows to read at once, so that pictures of megabytes do not fill the memory."""
        kind = part.types.get(self.mapping.image or "")
        if kind is None:
            return BATCH_ROWS
        if holds_paths(kind):
            return PATH_ROWS
        row_bytes = group.total_byte_size // max(1, group.num_rows)
        return int(max(1, min(BATCH_ROWS, BATCH_BYTES // max(1, row_bytes))))

    def _check(
        self, record: pa.RecordBatch, start: int, earlier_ids: set[bytes] | None, part: Part
    ) -> Batch:
        record = replace_bad_utf8(record)
        ids = read_ids(record[self.mapping.product_id], part)
        texts = join_texts([record[name] for name in self.mapping.texts], len(record))
        image = self.mapping.image
        cells = record[image].to_pylist() if image else [None] * len(record)
        images: list[bytes | None] = [cell if isinstance(cell, bytes) else None for cell in cells]
        image_rejects: list[Reject | None] = [None] * len(cells)
        more_images: dict[int, list[bytes]] = {}
        listed_rejects: list[Reject] = []
        rejects: dict[int, Reject] = {}
        for position in special_rows(ids, texts, cells, every=earlier_ids is not None):
            row, product_id = start + position, ids[position]
            pictures = self._fetch(cells[position])
            errors = [
                Reject(row, product_id, f"image_{error.reason}", error.detail)
                for error in pictures.errors
            ]
            data = images[position] = next(iter(pictures.found), None)
            image_rejects[position] = errors[0] if errors and data is None else None
            reject = check_id(product_id, row, earlier_ids) or check_content(
                texts[position], data, image_rejects[position], row, product_id
            )
            if reject is not None:
                rejects[position] = reject
                continue
            if len(pictures.found) > 1:
                more_images[position - len(rejects)] = pictures.found[1:]
            listed_rejects += [] if data is None else errors
        kept = np.delete(np.arange(len(record)), list(rejects))
        chosen = record.take(pa.array(kept)) if rejects else record
        keep = [position not in rejects for position in range(len(record))]
        return Batch(
            rows=kept + start,
            product_ids=[product_id or "" for product_id in compress(ids, keep)],
            texts=list(compress(texts, keep)),
            images=list(compress(images, keep)),
            more_images=more_images,
            image_rejects=list(compress(image_rejects, keep)),
            listed_rejects=listed_rejects,
            metadata=self.mapping.select_metadata(chosen, part.name, self.parts),
            rejects=list(rejects.values()),
        )

    def _fetch(self, cell: object) -> Pictures:
        found = read_image_cells(cell, self.image_root)
        if not (self.unfetched and found.errors):
            return found
        errors = [
            UnusableImage(*self.unfetched.get(error.detail, (error.reason, error.detail)))
            for error in found.errors
        ]
        return replace(found, errors=errors)


def open_catalogue(
    path: Path | str,
    options: CatalogueOptions | None = None,
    *,
    mirrors: Path | None = None,
    fetch: Fetch = "all",
) -> Catalogue:
    """A catalogue whose schema can be used: one Parquet file, or all below a directory.

    The files are united by the names of their columns; a column of several types becomes one that
    holds the values of all. What is passed over is in `warnings`. Of an address, `s3://` or
    `gs://`, what is new or changed is fetched first.

    Args:
        mirrors: where files of addresses are kept; a temporary directory if None.
        fetch: all, all but pictures, or nothing: then mirrors are read as they are.

    Raises:
        CatalogueError: names the file, what is wrong with it, what was found, what to do.
        RemoteError: an address cannot be reached or read.
    """
    check_types(path, options, CatalogueOptions)
    options = options or CatalogueOptions()
    place = path if is_address(str(path)) else Path(path)
    root = options.image_root
    if root is not None and not is_address(str(root)) and not Path(root).is_dir():
        raise CatalogueError(f"`image_root` ({root}): is no directory.")
    local = locate_catalogue(place, mirrors, fetch=fetch != "nothing")
    name = local.name if is_address(str(place)) else None
    found = find_files(local.path, name, image_root=root)
    parts = open_parts(found.files)
    united = unite_parts(parts, options.columns)
    named = parts[0].name if len(parts) == 1 else local.name
    mapping = map_schema(
        united.schema,
        options.columns,
        options.text_columns,
        named,
        leave_out=options.leave_out,
        left_out_before=options.left_out_before,
    )
    for name in mapping.needed:
        if name in united.conflicts:
            raise CatalogueError(united.conflicts[name])
    warnings = [
        *local.warnings,
        *found.warnings,
        *name_shadowed_keys(found.files, parts),
        *check_parts(parts, mapping),
        *name_split_columns(parts, mapping),
    ]
    if options.image_root is None:
        check_paths(parts, mapping)
    if not sum(part.row_count for part in parts) and not options.allow_empty:
        raise CatalogueError(
            f"{local.name}: has no rows. Give a catalogue with at least one product, "
            "or take an empty one with `allow_empty`."
        )
    opened = Catalogue(place, options, tuple(parts), mapping, tuple(warnings))
    pictures = locate_pictures(root, mirrors, opened.picture_paths, fetch=fetch == "all")
    return replace(opened, image_root=pictures.path, unfetched=pictures.unfetched)
