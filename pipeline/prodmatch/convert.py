"""Job: a product file of a shop (CSV, JSON, XML feed) to a Parquet catalogue, streamed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from prodmatch.catalogue.naming import NAMED, name_some
from prodmatch.catalogue.pictures.image_files import read_image_file
from prodmatch.catalogue.pictures.images import UnusableImage
from prodmatch.columns.encodings import WrongEncodings
from prodmatch.columns.inferred_types import ColumnProfile, ColumnType
from prodmatch.columns.writer import make_batch, make_schema
from prodmatch.errors import CatalogueError, require_path, set_paths
from prodmatch.feeds.export_mappings import text_of
from prodmatch.feeds.picture_folder import FolderMatches, match_pictures
from prodmatch.feeds.recognise import open_feed
from prodmatch.feeds.rows import MOST_COLUMNS, Feed, Row, count_of
from prodmatch.feeds.shop import arrange_products, find_column
from prodmatch.names import is_title_name
from prodmatch.progress import bars_off
from prodmatch.storage.atomic import new_file

IMAGE = "image"  # the column of pictures
BATCH_ROWS = 4096
BATCH_BYTES = 32 << 20  # about, of long texts and pictures


@dataclass(frozen=True)
class ConvertSettings:
    """What the file does not say, and the folder of its pictures.

    A picture's bytes go into the catalogue, which then needs no other file; with `image_paths` its
    path below `images` does, and `image_root` says where that is.
    """

    encoding: str | None = None
    delimiter: str | None = None
    images: Path | None = None
    match: str = "product_id"  # the column whose values the files of `images` are named by
    image_paths: bool = False

    def __post_init__(self) -> None:
        set_paths(self, "images")


@dataclass(frozen=True)
class ConvertReport:
    """What a file was read as, and what became of it."""

    rows: int
    catalogue: str
    form: str  # csv, json, xml
    layout: str  # table, shop export, shopping feed
    read_as: str
    delimiter: str | None
    encoding: str | None
    compression: str | None
    columns: dict[str, str]  # types by name
    images: dict[str, int | str] | None  # counts of files and products, where a folder was given
    warnings: list[str] = field(default_factory=list)


def convert_catalogue(
    source: Path | str, target: Path | str, settings: ConvertSettings | None = None
) -> ConvertReport:
    """Writes the rows of `source` to the Parquet file `target`.

    The types of columns are inferred from all rows, in a pass of their own: an identifier is text,
    and what is not plainly of another type is text too. The target is complete or absent; memory
    does not grow with the rows of a plain table.

    Raises:
        CatalogueError: the source cannot be read; names the line where that is known.
        StoreError: the target cannot be written.
    """
    source, target = require_path(source, "source"), require_path(target, "target")
    settings = settings or ConvertSettings()
    if source.exists() and target.exists() and source.samefile(target):
        raise CatalogueError(f"{target}: is the source itself. Name another file.")
    before = _file_state(source)
    feed = open_feed(source, encoding=settings.encoding, delimiter=settings.delimiter)
    feed = arrange_products(feed)
    pictures = _Pictures.match(feed, settings, source) if settings.images else None
    if pictures is not None:
        feed = replace(feed, rows=partial(_set_images_aside, feed))
    columns, count = _find_types(feed, source)
    warnings = [*feed.warnings, *(f"{c.name}: {c.note}" for c in columns if c.note)]
    if pictures is None and any(c.name == IMAGE and c.is_blank for c in columns):
        columns = [column for column in columns if column.name != IMAGE]
        warnings.append(f"{IMAGE}: no row names a picture, so there is no such column")
    schema = make_schema(columns)
    wide = schema.append(pa.field(IMAGE, pictures.type)) if pictures else schema
    written, encodings, untitled = 0, WrongEncodings(), _Untitled(schema.names)
    with new_file(target) as file, pq.ParquetWriter(file, wide) as writer:
        for rows in _batches(feed, pictures):
            _check_at_rest(source, before)  # else a cell may not fit its column's type
            batch = make_batch(rows, columns, schema)
            encodings.add(_row_names(rows, written), batch)
            untitled.add(_row_names(rows, written), batch)
            if pictures is not None:
                batch = pa.RecordBatch.from_arrays([*batch, pictures.fetch(rows)], schema=wide)
            writer.write_batch(batch)
            written += len(rows)
        _check_at_rest(source, before)
        if written != count:
            raise CatalogueError(
                f"{source}: had {count} rows, and then {written}. Convert it when it is at rest."
            )
    warnings += [*encodings.warnings(), *untitled.warnings()]
    return ConvertReport(
        rows=count,
        catalogue=str(target),
        form=feed.form,
        layout=feed.layout,
        read_as=feed.read_as,
        delimiter=feed.delimiter,
        encoding=feed.encoding,
        compression=feed.compression,
        columns={column.name: str(column.type) for column in wide},
        images=pictures.counts() if pictures else None,
        warnings=[*warnings, *(pictures.warnings() if pictures else [])],
    )


class _Untitled:
    """The rows without a title, where others have one: often variants of the product above."""

    def __init__(self, names: Sequence[str]) -> None:
        self._column = next(filter(is_title_name, ["title"] * ("title" in names) + [*names]), None)
        self._first: list[str] = []
        self._count = self._total = 0

    def add(self, row_names: Sequence[str], batch: pa.RecordBatch) -> None:
        """Adds the rows of a batch."""
        if self._column is None or not pa.types.is_string(batch[self._column].type):
            return
        blank = pc.equal(pc.utf8_trim_whitespace(batch[self._column]).fill_null(""), "")
        rows = [row_names[at] for at in pc.indices_nonzero(blank).to_pylist()]
        self._first = [*self._first, *rows][:NAMED]
        self._count += len(rows)
        self._total += len(batch)

    def warnings(self) -> list[str]:
        """What to say of them."""
        if not 0 < self._count < self._total:
            return []
        return [
            f"{self._column}: {self._count} of {self._total} rows have none "
            f"({name_some(self._first, self._count)}); if they are variants of the row above, "
            "give them its cells"
        ]


def _row_names(rows: Sequence[Row], first: int) -> list[str]:
    """What messages call some rows: their ids, or their numbers."""
    return [str(row.get("product_id") or f"row {first + at}") for at, row in enumerate(rows, 1)]


def _file_state(source: Path) -> tuple[int, int, int] | None:
    """Which file it is, how large, and when it was last written."""
    try:
        state = source.stat()
    except OSError:  # what is wrong is said where it is read
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns


def _check_at_rest(source: Path, before: tuple[int, int, int] | None) -> None:
    if _file_state(source) != before:
        raise CatalogueError(
            f"{source}: was changed while it was read. Convert it when it is at rest."
        )


def _find_types(feed: Feed, source: Path) -> tuple[list[ColumnType], int]:
    """The type of every column, in the order in which they first appear, and the rows' count."""
    profiles: dict[str, ColumnProfile] = {}
    count = 0
    for rows in _batches(feed):
        for name in dict.fromkeys(name for row in rows for name in row):
            if name not in profiles:
                profiles[name] = ColumnProfile(
                    name,
                    typed=feed.form == "json",
                    delimiter=feed.delimiter,
                    rows=count,
                )
        if len(profiles) > MOST_COLUMNS:
            raise CatalogueError(
                f"{source}: has more than {MOST_COLUMNS} columns, so it is no table of products."
            )
        for name, profile in profiles.items():
            profile.add([row.get(name) for row in rows])
        count += len(rows)
    if not count:
        raise CatalogueError(f"{source}: has no rows. Export it again.")
    return [profile.decide() for profile in profiles.values()], count


class _Pictures:
    """The pictures of a folder for the rows of a feed."""

    def __init__(self, settings: ConvertSettings, column: str, matches: FolderMatches) -> None:
        self.folder = settings.images or Path()
        self.as_paths, self.column, self.matches = settings.image_paths, column, matches
        self.type = pa.list_(pa.string() if settings.image_paths else pa.binary())
        self.with_image = self.without_image = 0
        self.unreadable: list[str] = []

    @classmethod
    def match(cls, feed: Feed, settings: ConvertSettings, source: Path) -> "_Pictures":
        """The folder's pictures by the values of the column `match`.

        Raises:
            CatalogueError: there is no such folder or column.
        """
        column = find_column(feed, settings.match, source)
        values = {text_of(row.get(column)) for row in feed.rows()} - {""}
        return cls(settings, column, match_pictures(settings.images or Path(), sorted(values)))

    def weigh(self, row: Row) -> int:
        """The bytes of a row's pictures."""
        return 0 if self.as_paths else self.matches.sizes.get(text_of(row.get(self.column)), 0)

    def fetch(self, rows: Sequence[Row]) -> pa.Array:
        """The pictures of some rows, or their paths."""
        return pa.array([self._fetch(row) for row in rows], self.type)

    def _fetch(self, row: Row) -> list[str] | list[bytes] | None:
        paths = self.matches.files.get(text_of(row.get(self.column)), [])
        found: list[str] | list[bytes] = paths if self.as_paths else list(self._read(paths))
        self.with_image += bool(found)
        self.without_image += not found
        return found or None

    def _read(self, paths: Sequence[str]) -> Iterator[bytes]:
        for path in paths:
            try:
                yield read_image_file(path, self.folder)
            except UnusableImage as error:
                self.unreadable.append(f"{path} ({error.reason})")

    def counts(self) -> dict[str, int | str]:
        """What became of the files and the products."""
        return {
            "kept_as": "paths" if self.as_paths else "bytes",
            "matched_by": self.column,
            "files": self.matches.file_count,
            "files_unmatched": self.matches.unmatched_count,
            "files_unreadable": len(self.unreadable),
            "products_with_image": self.with_image,
            "products_without_image": self.without_image,
        }

    def warnings(self) -> list[str]:
        """What a user should know of the match."""
        kept = "image holds the pictures' bytes"
        if self.as_paths:
            kept = f"image holds paths; embed it with `image_root={self.folder}`"
        warnings = [kept]
        if self.matches.unmatched_count:
            warnings.append(
                f"{count_of(self.matches.unmatched_count, 'picture')} of no product's "
                f"{self.column}, such as {', '.join(self.matches.unmatched)}"
            )
        if self.without_image:
            warnings.append(f"{count_of(self.without_image, 'product')} without a picture")
        if self.unreadable:
            shown = ", ".join(self.unreadable[:5])
            warnings.append(f"{count_of(len(self.unreadable), 'picture')} not readable: {shown}")
        if self.matches.other_endings:
            shown = ", ".join(f"{n} x {name}" for name, n in self.matches.other_endings.items())
            warnings.append(f"files that are no pictures passed over: {shown}")
        return warnings


def _set_images_aside(feed: Feed) -> Iterator[Row]:
    """The rows with what they name as `image` under another name; the folder's come instead."""
    for row in feed.rows():
        yield {"image_source" if name == "image" else name: cell for name, cell in row.items()}


def _batches(feed: Feed, pictures: _Pictures | None = None) -> Iterator[Sequence[Row]]:
    """The rows, some thousands at a time; fewer where they are long."""
    batch: list[Row] = []
    size = 0
    for row in tqdm(feed.rows(), desc="rows", unit="row", disable=bars_off()):
        batch.append(row)
        size += sum(len(cell) for cell in row.values() if isinstance(cell, str))
        size += pictures.weigh(row) if pictures else 0
        if len(batch) == BATCH_ROWS or size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
