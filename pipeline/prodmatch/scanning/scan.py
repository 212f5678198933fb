"""The one pass over a catalogue: its usable rows in files, what identifies them in memory."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from prodmatch.catalogue.reader import Batch, Catalogue
from prodmatch.catalogue.rows import Reject, repeated_id
from prodmatch.columns.encodings import WrongEncodings
from prodmatch.scanning.picture_lists import OtherPictures
from prodmatch.scanning.row_digests import digest_rows, find_repeated
from prodmatch.storage.embeddings import READ_ROWS
from prodmatch.storage.features import KEY, content_key
from prodmatch.storage.temporary import new_scratch_file
from prodmatch.storage.vectors import Mask, Rows

logger = logging.getLogger(__name__)


OTHERS = pa.schema(
    [("other_image_keys", pa.list_(KEY)), ("other_image_positions", pa.list_(pa.int64()))]
)
OWN = pa.schema(
    [
        ("product_id", pa.string()),
        ("text", pa.string()),
        ("text_key", KEY),
        ("image_key", KEY),
        ("row", pa.int64()),  # in its file
        ("row_digest", KEY),
        *OTHERS,
    ]
)
NOT_EMBEDDED = ("row", *OTHERS.names)
KEPT = ("product_id", "text_key", "image_key", "row", "row_digest", *OTHERS.names)  # in memory
NOTES = b"prodmatch.scan"  # of the metadata of a file of rows
MOST_NOTES = 10_000  # rejects that are kept with a file of rows
VALID_ID = ("no_content", "image_")  # how the reasons of rejects begin whose ids count


@dataclass
class PartNotes:
    """What there is to say of a file of the catalogue, its usable rows apart."""

    rejects: list[Reject] = field(default_factory=list)  # by the row in the file, as all of these
    image_rejects: list[Reject] = field(default_factory=list)
    listed_rejects: list[Reject] = field(default_factory=list)
    encodings: WrongEncodings = field(default_factory=WrongEncodings)

    def add(self, batch: Batch, first_row: int) -> None:
        """Adds those of a batch of a file that begins at that row of the catalogue."""
        images = [reject for reject in batch.image_rejects if reject is not None]
        self.rejects += _shift(batch.rejects, -first_row)
        self.image_rejects += _shift(images, -first_row)
        self.listed_rejects += _shift(batch.listed_rejects, -first_row)
        self.encodings.add(batch.product_ids, batch.metadata)

    @property
    def are_few(self) -> bool:
        """Whether they can be kept with the file's rows."""
        lists = (self.rejects, self.image_rejects, self.listed_rejects)
        return sum(map(len, lists)) <= MOST_NOTES

    def to_json(self) -> bytes:
        """All of them, for `from_json`."""
        lists = (self.rejects, self.image_rejects, self.listed_rejects)
        rejects = [[[r.row, r.product_id, r.reason, r.detail] for r in each] for each in lists]
        return json.dumps({"rejects": rejects, "encodings": self.encodings.to_list()}).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "PartNotes":
        """What `to_json` gave."""
        read = json.loads(content)
        rejects, images, listed = ([Reject(*row) for row in each] for each in read["rejects"])
        return cls(rejects, images, listed, WrongEncodings.from_list(read["encodings"]))


def _shift(rejects: Sequence[Reject], rows: int) -> list[Reject]:
    return [replace(reject, row=reject.row + rows) for reject in rejects]


@dataclass(frozen=True)
class ScannedPart:
    """A file of the catalogue after the pass: a file of its usable rows, and the notes."""

    path: Path  # the columns of OWN, then the catalogue's other columns; no pictures
    notes: PartNotes


@dataclass(frozen=True)
class RowsFile:
    """A file of usable rows, and which of them count; all if None."""

    path: Path
    kept: Mask | None = None


@dataclass(frozen=True)
class Scan:
    """A catalogue after one pass: its usable rows in files, their keys in memory.

    The arrays run over the usable rows: 16 bytes a key, so a million products take 80 MB.
    """

    files: Sequence[RowsFile]
    rows: Rows  # row numbers in the catalogue
    product_ids: pa.StringArray
    text_keys: pa.FixedSizeBinaryArray  # null where a product has no text
    image_keys: pa.FixedSizeBinaryArray  # null where a product has no picture
    row_digests: pa.FixedSizeBinaryArray  # of everything known about the product
    rejects: Sequence[Reject]
    image_rejects: Sequence[Reject]  # pictures that could not be fetched; the text serves
    listed_rejects: Sequence[Reject]  # pictures of lists that could not be; others of it serve
    others: OtherPictures  # of products with a list of pictures
    text_warnings: Sequence[str]  # of texts that were decoded with a wrong encoding

    @property
    def digest(self) -> str:
        """Of all rows in their order, as 64 hexadecimal digits."""
        keys = self.row_digests
        content = memoryview(keys.buffers()[1] or b"")
        return hashlib.sha256(content[16 * keys.offset :][: 16 * len(keys)]).hexdigest()

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the rows in the files."""
        return pq.read_schema(self.files[0].path).remove_metadata()


def scan_part(
    catalogue: Catalogue, position: int, path: Path, update: Callable[[int], object], *, keep: bool
) -> ScannedPart:
    """Reads a file of the catalogue once, by row groups, and writes its usable rows to `path`.

    Args:
        path: to make, in a scratch directory.
        update: is called with how many rows were read.
        keep: write the notes into the file too, for `read_part`.
    """
    schema = pa.schema([*OWN, *catalogue.schema])
    first_row = sum(part.row_count for part in catalogue.parts[:position])
    notes, waiting = PartNotes(), list[pa.RecordBatch]()
    with (
        new_scratch_file(path) as file,
        pq.ParquetWriter(
            file,
            schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=catalogue.schema.names or False,
            write_statistics=False,
            write_page_checksum=True,
        ) as writer,
    ):
        for batch in catalogue.part_batches(position):
            update(len(batch.rows) + len(batch.rejects))
            notes.add(batch, first_row)
            waiting.append(_describe(batch, first_row, schema))
            if sum(map(len, waiting)) >= READ_ROWS:
                writer.write_table(pa.Table.from_batches(waiting))
                waiting.clear()
        writer.write_table(pa.Table.from_batches(waiting, schema))
        if keep and notes.are_few:
            writer.add_key_value_metadata({NOTES: notes.to_json()})
    return ScannedPart(path, notes)


def _other_keys(batch: Batch) -> dict[int, dict[bytes, int]]:
    """The distinct pictures after the first, with their positions, by the index of the product."""
    found = {}
    for index, pictures in batch.more_images.items():
        first = content_key(batch.images[index] or b"")
        keys: dict[bytes, int] = {}
        for position, data in enumerate(pictures, 1):
            keys.setdefault(content_key(data), position)
        keys.pop(first, None)
        found[index] = keys
    return found


def _describe(batch: Batch, first_row: int, schema: pa.Schema) -> pa.RecordBatch:
    text_keys = [content_key(text.encode()) if text else None for text in batch.texts]
    image_keys = [content_key(data) if data is not None else None for data in batch.images]
    pictures = [key or b"" for key in image_keys]
    others: list[dict[bytes, int] | None] = [None] * len(pictures)
    for index, keys in _other_keys(batch).items():
        pictures[index] += b"".join(keys)
        others[index] = keys or None
    digests = digest_rows(batch.product_ids, batch.metadata, text_keys, pictures)
    columns = [
        pa.array(batch.product_ids, pa.string()),
        pa.array([text or None for text in batch.texts], pa.string()),
        pa.array(text_keys, KEY),
        pa.array(image_keys, KEY),
        pa.array(batch.rows - first_row, pa.int64()),
        pa.array(digests, KEY),
        pa.array([keys and list(keys) for keys in others], schema.field(OTHERS.names[0]).type),
        pa.array([keys and list(keys.values()) for keys in others], pa.list_(pa.int64())),
        *batch.metadata.columns,
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def gather_parts(catalogue: Catalogue, parts: Sequence[ScannedPart]) -> Scan:
    """One scan of the parts, without the rows whose ids earlier ones have."""
    starts = np.cumsum([0, *(part.row_count for part in catalogue.parts)])
    columns = [name for name in KEPT if catalogue.has_picture_lists or name not in OTHERS.names]
    tables = [_read_kept(part.path, columns, int(starts[n])) for n, part in enumerate(parts)]
    everything = pa.concat_tables(tables)
    notes = _gather_notes(parts, starts)
    rows = everything["row"].to_numpy()
    repeated = _repeated_rows(one_chunk(everything["product_id"]), rows, notes.rejects)
    files = [RowsFile(part.path) for part in parts]
    if len(repeated):
        kept = ~np.isin(rows, repeated)
        ends = np.cumsum([len(table) for table in tables])[:-1]
        files = [
            RowsFile(part.path, mask)
            for part, mask in zip(parts, np.split(kept, ends), strict=True)
        ]
        notes = _without_repeated(notes, repeated, everything.filter(pa.array(~kept)))
        everything, rows = everything.filter(pa.array(kept)), rows[kept]
    return Scan(
        files,
        rows,
        one_chunk(everything["product_id"]),
        one_chunk(everything["text_key"]),
        one_chunk(everything["image_key"]),
        one_chunk(everything["row_digest"]),
        notes.rejects,
        notes.image_rejects,
        notes.listed_rejects,
        _gather_others(everything, rows),
        notes.encodings.warnings(),
    )


def _read_kept(path: Path, columns: Sequence[str], start: int) -> pa.Table:
    with pq.ParquetFile(path, pre_buffer=False) as reader:
        batches = [batch for batch in reader.iter_batches(READ_ROWS, columns=columns)]
        schema = pa.schema([reader.schema_arrow.field(name) for name in columns])
    table = pa.Table.from_batches(batches, schema)
    position = table.schema.get_field_index("row")
    return table.set_column(position, "row", pc.add(table["row"], start))


def _gather_notes(parts: Sequence[ScannedPart], starts: Rows) -> PartNotes:
    notes = PartNotes()
    for part, start in zip(parts, starts.tolist(), strict=False):
        notes.rejects += _shift(part.notes.rejects, start)
        notes.image_rejects += _shift(part.notes.image_rejects, start)
        notes.listed_rejects += _shift(part.notes.listed_rejects, start)
        notes.encodings.join(part.notes.encodings)
    return notes


def _repeated_rows(ids: pa.StringArray, rows: Rows, rejects: Sequence[Reject]) -> Rows:
    """The rows whose id is that of an earlier row, whatever has become of that."""
    named = [reject for reject in rejects if reject.reason.startswith(VALID_ID)]
    others = pa.array([reject.product_id for reject in named], pa.string())
    numbers = np.concatenate([rows, np.array([reject.row for reject in named], np.int64)])
    return numbers[find_repeated(pa.concat_arrays([ids, others]), numbers)]


def _without_repeated(notes: PartNotes, repeated: Rows, dropped: pa.Table) -> PartNotes:
    """The notes with the rows of repeated ids as rejects for that reason, and no other."""
    gone = set(repeated.tolist())
    again = [
        repeated_id(reject.row, str(reject.product_id)) if reject.row in gone else reject
        for reject in notes.rejects
    ]
    named = zip(dropped["row"].to_pylist(), dropped["product_id"].to_pylist(), strict=True)
    again += [repeated_id(row, product_id) for row, product_id in named]
    return PartNotes(
        sorted(again, key=lambda reject: reject.row),
        [reject for reject in notes.image_rejects if reject.row not in gone],
        [reject for reject in notes.listed_rejects if reject.row not in gone],
        notes.encodings,
    )


def _gather_others(table: pa.Table, rows: Rows) -> OtherPictures:
    if OTHERS.names[0] not in table.column_names:
        nothing = np.zeros(0, np.int64)
        return OtherPictures.gather(nothing, rows, nothing, pa.array([], KEY))
    keys, positions = (one_chunk(table[name]) for name in OTHERS.names)
    indices = pc.list_parent_indices(keys).to_numpy()
    return OtherPictures.gather(indices, rows, positions.flatten().to_numpy(), keys.flatten())


def read_rows(scan: Scan, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The usable rows as they were read, in the catalogue's order; `row` is that in its file."""
    for file in scan.files:
        start = 0
        with pq.ParquetFile(file.path, pre_buffer=False) as reader:  # else it is read whole
            for batch in reader.iter_batches(READ_ROWS, columns=columns):
                kept = None if file.kept is None else file.kept[start : start + len(batch)]
                start += len(batch)
                yield batch if kept is None else batch.filter(pa.array(kept))


def one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """The column as one array."""
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
