"""A Parquet catalogue: its schema checked at once, its rows streamed and checked one by one."""

import contextlib
import hashlib
import html
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.catalogue.images import ImageFault, read_image_file
from prodmatch.catalogue.schema import Layout, map_schema
from prodmatch.errors import CatalogueError

__all__ = [
    "Batch",
    "Catalogue",
    "CatalogueOptions",
    "Reject",
    "clean_text",
    "open_catalogue",
]

BATCH_ROWS = 1024
PATH_ROWS = 64  # where pictures are files, whose sizes are not known
BATCH_BYTES = 64 << 20
READ_BYTES = 1 << 20  # of a column at a time; Arrow's default is a row group, often the whole file
MOST_CHARACTERS = 10_000  # cut before the tokenizer, which would read megabytes first
TAG = re.compile(r"</?[a-zA-Z][^<>]{0,500}>")
CONTROL = {code: " " for code in (*range(32), *range(127, 160))}


@dataclass(frozen=True)
class CatalogueOptions:
    """How a catalogue is read.

    `columns` maps our names to the file's: `{"title": "name", "image": "photo"}`. A catalogue
    without rows is more often a fault upstream than a closed shop, so it is refused by default.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    text_columns: tuple[str, ...] = ("title", "description")
    image_root: Path | None = None
    allow_empty: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """A row, or its picture, that cannot be used, and why."""

    row: int
    product_id: str | None
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Batch:
    """Some rows of a catalogue: the usable ones as parallel lists, and the rejects."""

    rows: npt.NDArray[np.int64]  # row numbers in the whole catalogue
    product_ids: list[str]
    texts: list[str]  # cleaned and joined; "" where there is none
    images: list[bytes | None]
    image_faults: list[Reject | None]  # why a picture named could not be fetched
    metadata: pa.RecordBatch  # the other columns, under our names
    rejects: list[Reject]


@dataclass(frozen=True)
class Catalogue:
    """An open catalogue; it can be read any number of times, and sent to another process."""

    path: Path
    options: CatalogueOptions
    files: tuple[Path, ...]
    row_counts: tuple[int, ...]  # of each file
    layout: Layout

    @property
    def row_count(self) -> int:
        """Rows of all files."""
        return sum(self.row_counts)

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the metadata."""
        return self.layout.metadata

    def batches(self) -> Iterator[Batch]:
        """All rows in order, about a thousand at a time; each pass gives the same.

        Raises:
            CatalogueError: a file cannot be read to its end.
        """
        seen: set[bytes] = set()
        start = 0
        for record in self._records(self.layout.needed):
            yield self._check(record, start, seen)
            start += len(record)

    def pictures(self, rows: npt.NDArray[np.int64]) -> Iterator[tuple[int, bytes | None]]:
        """(row, bytes) of these ascending rows; None where the row has no usable picture."""
        start = 0
        for record in self._records([self.layout.image] if self.layout.image else []):
            inside = rows[np.searchsorted(rows, start) : np.searchsorted(rows, start + len(record))]
            if len(inside):
                cells = record[self.layout.image].take(pa.array(inside - start)).to_pylist()
                for row, cell in zip(inside.tolist(), cells, strict=True):
                    yield row, self._fetch(cell, row, None)[0]
            start += len(record)

    def find_pictures(self, product_ids: Collection[str]) -> dict[str, bytes]:
        """The pictures of these products by id; of rows with the same id, the first.

        Only the ids, and the parts of the files that hold one of these, are read.
        """
        found: dict[str, bytes | None] = {}
        asked = set(product_ids)
        for path in self.files if self.layout.image else ():
            with self._opening(path) as reader:
                for group in range(reader.num_row_groups):
                    ids = reader.read_row_group(group, columns=[self.layout.product_id])[0]
                    names = _read_ids(ids)
                    places = [place for place, name in enumerate(names) if name in asked]
                    cells = self._cells(reader, group, np.array(places, np.int64))
                    for place, cell in zip(places, cells, strict=True):
                        name = str(names[place])
                        found.setdefault(name, self._fetch(cell, 0, name)[0])
        return {name: data for name, data in found.items() if data}

    def _cells(
        self, reader: pq.ParquetFile, group: int, places: npt.NDArray[np.int64]
    ) -> Iterator[object]:
        """The picture cells at ascending places of a row group."""
        start = 0
        if not len(places):
            return
        for record in reader.iter_batches(
            BATCH_ROWS, row_groups=[group], columns=[self.layout.image]
        ):
            inside = places[(places >= start) & (places < start + len(record))] - start
            yield from record[0].take(pa.array(inside)).to_pylist()
            start += len(record)

    @contextlib.contextmanager
    def _opening(self, path: Path) -> Iterator[pq.ParquetFile]:
        try:
            with pq.ParquetFile(path, buffer_size=READ_BYTES, pre_buffer=False) as reader:
                yield reader
        except (OSError, pa.ArrowException) as error:
            raise CatalogueError(
                f"{path}: is damaged and cannot be read to its end ({error}). Write it again."
            ) from error

    def _records(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for path in self.files:
            with self._opening(path) as reader:
                for group in range(reader.num_row_groups):
                    rows = self._batch_rows(reader.metadata.row_group(group))
                    yield from reader.iter_batches(rows, [group], list(columns))

    def _batch_rows(self, group: pq.RowGroupMetaData) -> int:
        """Rows to read at once, so that pictures of megabytes do not fill the memory."""
        if self.layout.image is None:
            return BATCH_ROWS
        if self.layout.image_is_path:
            return PATH_ROWS
        row_bytes = group.total_byte_size // max(1, group.num_rows)
        return int(max(1, min(BATCH_ROWS, BATCH_BYTES // max(1, row_bytes))))

    def _check(self, record: pa.RecordBatch, start: int, seen: set[bytes]) -> Batch:
        record = _mend_text(record)
        ids = _read_ids(record[self.layout.product_id])
        texts = self._join_texts(record)
        cells = record[self.layout.image].to_pylist() if self.layout.image else [None] * len(record)
        kept: list[int] = []
        images: list[bytes | None] = []
        faults: list[Reject | None] = []
        rejects: list[Reject] = []
        for place, (product_id, text, cell) in enumerate(zip(ids, texts, cells, strict=True)):
            row = start + place
            data, fault = self._fetch(cell, row, product_id)
            reject = _check_id(product_id, row, seen) or _check_content(
                text, data, fault, row, product_id
            )
            if reject is not None:
                rejects.append(reject)
                continue
            kept.append(place)
            images.append(data)
            faults.append(fault)
        chosen = record.take(pa.array(kept, pa.int64()))
        return Batch(
            rows=np.array(kept, dtype=np.int64) + start,
            product_ids=[ids[place] or "" for place in kept],
            texts=[texts[place] for place in kept],
            images=images,
            image_faults=faults,
            metadata=self.layout.select_metadata(chosen),
            rejects=rejects,
        )

    def _join_texts(self, record: pa.RecordBatch) -> list[str]:
        columns = [record[name].cast(pa.string()).to_pylist() for name in self.layout.texts]
        if not columns:
            return [""] * len(record)
        return [
            ". ".join(part for part in map(clean_text, parts) if part)[:MOST_CHARACTERS]
            for parts in zip(*columns, strict=True)
        ]

    def _fetch(
        self, cell: object, row: int, product_id: str | None
    ) -> tuple[bytes | None, Reject | None]:
        """A picture cell's bytes, or why there are none; (None, None) for an empty cell."""
        if isinstance(cell, dict):  # Hugging Face: the bytes, or else the path
            cell = cell.get("bytes") or cell.get("path")
        if cell is None or cell in (b"", ""):
            return None, None
        if isinstance(cell, bytes):
            return cell, None
        try:
            root = self.options.image_root
            if root is None:
                raise ImageFault("path_without_root", f"{cell!r}; give --image-root")
            return read_image_file(str(cell), root), None
        except ImageFault as fault:
            return None, Reject(row, product_id, f"image_{fault.reason}", fault.detail)


def open_catalogue(path: Path, options: CatalogueOptions | None = None) -> Catalogue:
    """A catalogue whose schema can be used: one Parquet file, or a directory of them.

    Raises:
        CatalogueError: names the file, what is wrong with it, what was found, what to do.
    """
    options = options or CatalogueOptions()
    files = _find_files(path)
    schemas, counts = [], []
    for file in files:
        schema, count = _read_schema(file)
        schemas.append(schema)
        counts.append(count)
    for file, schema in zip(files[1:], schemas[1:], strict=True):
        if schema.remove_metadata() != schemas[0].remove_metadata():
            raise CatalogueError(_describe_difference(files[0], schemas[0], file, schema))
    layout = map_schema(schemas[0], options.columns, options.text_columns, files[0])
    if layout.image_is_path and options.image_root is None:
        raise CatalogueError(
            f"{files[0]}: column {layout.image!r} holds paths of pictures. "
            "Give the directory that they are relative to with --image-root."
        )
    if options.image_root is not None and not options.image_root.is_dir():
        raise CatalogueError(f"--image-root {options.image_root}: is no directory.")
    if not sum(counts) and not options.allow_empty:
        raise CatalogueError(
            f"{path}: has no rows. Give a catalogue with at least one product, "
            "or embed it with --allow-empty."
        )
    return Catalogue(path, options, tuple(files), tuple(counts), layout)


def clean_text(text: str | None) -> str:
    """Text as it is embedded and searched: no markup, no control characters, one kind of space."""
    if not text:
        return ""
    text = text[: 2 * MOST_CHARACTERS]
    if "&" in text:
        text = html.unescape(text)
    if "<" in text:
        text = TAG.sub(" ", text)
    return " ".join(unicodedata.normalize("NFC", text.translate(CONTROL)).split())


def _find_files(path: Path) -> list[Path]:
    if path.is_dir():
        names = (file for file in path.glob("*.parquet") if file.name[0] not in "._")
        files = sorted(file for file in names if file.is_file())
        if not files:
            raise CatalogueError(f"{path}: holds no *.parquet file.")
        return files
    if not path.exists():
        raise CatalogueError(f"{path}: there is no such file or directory.")
    if not path.is_file():  # a pipe would be waited for
        raise CatalogueError(f"{path}: is no regular file. Write the catalogue to one.")
    return [path]


def _read_schema(path: Path) -> tuple[pa.Schema, int]:
    try:
        with pq.ParquetFile(path) as reader:
            return reader.schema_arrow, reader.metadata.num_rows
    except (OSError, pa.ArrowException) as error:
        hint = (
            "Turn it into Parquet with 'prodmatch convert'."
            if path.suffix in (".csv", ".tsv", ".json", ".jsonl")
            else "CSV and JSON lines go in through 'prodmatch convert'."
        )
        raise CatalogueError(f"{path}: is not a readable Parquet file ({error}). {hint}") from error


def _describe_difference(first: Path, one: pa.Schema, second: Path, other: pa.Schema) -> str:
    left = {f"{column.name} {column.type}" for column in one}
    right = {f"{column.name} {column.type}" for column in other}
    return (
        f"{second}: has other columns than {first}: "
        f"{', '.join(sorted(right - left)) or 'none'} against "
        f"{', '.join(sorted(left - right)) or 'none (another order)'}. Make them alike."
    )


def _mend_text(record: pa.RecordBatch) -> pa.RecordBatch:
    """The record with text that is not UTF-8 replaced: Parquet does not promise that it is."""
    try:
        record.validate(full=True)
    except pa.ArrowInvalid:
        columns = [
            _decode(column) if column.type in (pa.string(), pa.large_string()) else column
            for column in record.columns
        ]
        return pa.RecordBatch.from_arrays(columns, names=record.schema.names)
    return record


def _decode(column: pa.Array) -> pa.Array:
    cells = column.cast(pa.large_binary()).to_pylist()
    decoded = [None if cell is None else cell.decode("utf-8", "replace") for cell in cells]
    return pa.array(decoded, column.type)


def _read_ids(column: pa.Array) -> list[str | None]:
    return [None if value is None else str(value) for value in column.to_pylist()]


def _check_id(product_id: str | None, row: int, seen: set[bytes]) -> Reject | None:
    if product_id is None:
        return Reject(row, None, "id_null")
    if not product_id.strip():
        return Reject(row, product_id, "id_empty")
    if "\ufffd" in product_id:
        return Reject(row, product_id, "id_not_utf8")
    digest = hashlib.blake2b(product_id.encode(), digest_size=16).digest()
    if digest in seen:
        return Reject(row, product_id, "id_repeated", "the first row of this id is kept")
    seen.add(digest)
    return None


def _check_content(
    text: str, data: bytes | None, fault: Reject | None, row: int, product_id: str | None
) -> Reject | None:
    if text or data is not None:
        return None
    return fault or Reject(row, product_id, "no_content", "neither text nor picture")
