"""The files of a catalogue as parts of one table: their footers read, their columns united."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.catalogue.column_types import metadata_type, type_texts, unite_types
from prodmatch.catalogue.files import PARQUET, FoundFile
from prodmatch.catalogue.pictures.images import NAMED_BYTES, OTHER
from prodmatch.catalogue.schema import id_kind, is_picture
from prodmatch.errors import CatalogueError, is_out_of_memory

READ_BYTES = 1 << 20  # of a column at a time; Arrow's default is a row group, often the whole file
INT96_UNIT = "us"  # of Spark's timestamps; in Arrow's default, ns, 9999-12-31 becomes a day of 1816
CONVERTED = (".csv", ".tsv", ".json", ".jsonl")
OTHER_REMEDIES = {
    "git_lfs_pointer": "a Git LFS pointer. Fetch the file itself with 'git lfs pull'.",
    "html_page": "an HTML page. It may be an answer in place of the file: download that again.",
    "zip": "a ZIP archive. Unpack it.",
    "gzip": "compressed with gzip. Decompress it; `convert(source, target)` reads CSV and JSON so.",
}
# How files of other programs begin, that hold tables too.
OTHER_TABLES = {
    b"ARROW1": "an Arrow",
    b"ORC": "an ORC",
    b"Obj\x01": "an Avro",
    b"SQLite": "an SQLite",
    b"PARE": "an encrypted Parquet",
}
# What pyarrow raises for damaged bytes.
UNREADABLE = (OSError, ValueError, LookupError, MemoryError, pa.ArrowException)
Unite = Callable[[pa.DataType, pa.DataType], pa.DataType | None]


@dataclass(frozen=True)
class Part:
    """One file of a catalogue, as it was when the catalogue was opened."""

    path: Path
    row_count: int
    schema: pa.Schema  # the file's
    name: str  # for messages
    keys: Mapping[str, pa.Scalar]  # of its `key=value` folders, where the file has no such column

    @property
    def types(self) -> dict[str, pa.DataType]:
        """The columns of the file and of its folders."""
        return {
            **{column.name: column.type for column in self.schema},
            **{name: value.type for name, value in self.keys.items()},
        }

    @contextlib.contextmanager
    def open(self) -> Iterator[pq.ParquetFile]:
        """The file for reading.

        Raises:
            CatalogueError: it is damaged, or not the file that it was.
        """
        try:
            with pq.ParquetFile(
                self.path,
                buffer_size=READ_BYTES,
                pre_buffer=False,
                coerce_int96_timestamp_unit=INT96_UNIT,
            ) as reader:
                same = reader.metadata.num_rows == self.row_count
                if not same or not reader.schema_arrow.equals(self.schema):
                    raise CatalogueError(
                        f"{self.name}: was replaced while the catalogue was read. Run again."
                    )
                yield reader
        except UNREADABLE as error:
            if is_out_of_memory(error):  # damaged bytes may claim to be as many
                raise CatalogueError(
                    f"{self.name}: memory ran out while it was read ({error}). Let this process "
                    "have more; if that does not help, it is damaged: write it again."
                ) from error
            raise CatalogueError(
                f"{self.name}: is damaged and cannot be read to its end ({error}). Write it again."
            ) from error

    def check_count(self, read: int) -> None:
        """Refuses a file whose footer claims other rows than were read."""
        if read != self.row_count:
            raise CatalogueError(
                f"{self.name}: is damaged: its footer claims {self.row_count} rows, {read} can be "
                "read. Write it again."
            )

    def complete(self, record: pa.RecordBatch, columns: Sequence[str]) -> pa.RecordBatch:
        """Rows of the file with all of these columns: the folders' values, null where absent."""
        if record.schema.names == list(columns):
            return record
        rows, found = len(record), set(record.schema.names)
        arrays = [
            record[name]
            if name in found
            else pa.repeat(self.keys[name], rows)
            if name in self.keys
            else pa.nulls(rows)
            for name in columns
        ]
        return pa.RecordBatch.from_arrays(arrays, names=list(columns))


@dataclass(frozen=True)
class UnitedSchema:
    """The columns of all parts, and why some cannot be united."""

    schema: pa.Schema
    conflicts: Mapping[str, str]  # messages by column


def open_parts(files: Sequence[FoundFile]) -> list[Part]:
    """The parts in the order of the files.

    Raises:
        CatalogueError: a file is no Parquet file, or its footer contradicts itself.
    """
    footers, schemas = [], []
    for file in files:
        footer, schema = _read_footer(file)
        footers.append(footer)
        schemas.append(schema)
    for file, schema in zip(files, schemas, strict=True):
        twice = sorted(name for name, count in Counter(schema.names).items() if count > 1)
        if twice:
            raise CatalogueError(
                f"{file.name}: column {twice[0]!r} stands twice. Rename one of them."
            )
    keys = _type_keys(files, schemas)
    return [
        Part(
            file.path,
            footer.num_rows,
            schema,
            file.name,
            {name: keys[name][position] for name in file.keys if name not in schema.names},
        )
        for position, (file, footer, schema) in enumerate(zip(files, footers, schemas, strict=True))
    ]


def name_shadowed_keys(files: Sequence[FoundFile], parts: Sequence[Part]) -> Iterator[str]:
    """Warnings of `key=value` folders whose files have a column of that name themselves."""
    firsts: dict[str, Part] = {}
    for file, part in zip(files, parts, strict=True):
        for name in set(file.keys) & set(part.schema.names):
            firsts.setdefault(name, part)
    for name, part in sorted(firsts.items()):
        yield f"{part.name}: has a column {name!r} itself; that of its folder's name is not read."


def _explain_unreadable(path: Path, error: Exception) -> str:
    """What a file is that is no Parquet, and what to do."""
    if isinstance(error, UnicodeEncodeError):
        return "has a name that is not in UTF-8. Rename it."
    try:
        with path.open("rb") as file:
            head = file.read(NAMED_BYTES)
    except OSError:
        head = b"unknown"
    if not head:
        return "is not a readable Parquet file, as it is empty. Write it again."
    for name, remedy in OTHER_REMEDIES.items():
        if OTHER[name].match(head):
            return f"is not a readable Parquet file, but {remedy}"
    for start, kind in OTHER_TABLES.items():
        if head.startswith(start):
            return f"is not a readable Parquet file, but {kind} file. Write it as plain Parquet."
    hint = (
        "Turn it into Parquet with `convert(source, target)`."
        if path.suffix.lower() in CONVERTED
        else "CSV and JSON lines go in through `convert(source, target)`."
    )
    if head.startswith(PARQUET):
        hint = "It is cut off or damaged: write it again."
    if isinstance(error, pa.ArrowNotImplementedError):
        hint = "Write the columns of that type as another, such as text."
    return f"is not a readable Parquet file ({error}). {hint}"


def _read_footer(file: FoundFile) -> tuple[pq.FileMetaData, pa.Schema]:
    try:
        with pq.ParquetFile(file.path, coerce_int96_timestamp_unit=INT96_UNIT) as reader:
            footer, schema = reader.metadata, reader.schema_arrow.remove_metadata()
        claimed = sum(footer.row_group(group).num_rows for group in range(footer.num_row_groups))
    except UNREADABLE as error:
        raise CatalogueError(f"{file.name}: {_explain_unreadable(file.path, error)}") from error
    if footer.num_rows != claimed:
        raise CatalogueError(
            f"{file.name}: is damaged: its footer claims {footer.num_rows} rows, its row groups "
            f"{claimed}. Write it again."
        )
    return footer, schema


def _type_keys(files: Sequence[FoundFile], schemas: Sequence[pa.Schema]) -> dict[str, pa.Array]:
    """The values of the `key=value` folders by key, one a file: numbers where all are."""
    found = {}
    for name in dict.fromkeys(name for file in files for name in file.keys):
        texts = [file.keys.get(name) for file in files]
        columns = [schema.field(name).type for schema in schemas if name in schema.names]
        as_text = any(metadata_type(kind) == pa.string() for kind in columns)
        found[name] = pa.array(texts, pa.string()) if as_text else pa.array(type_texts(texts))
    return found


def unite_parts(parts: Sequence[Part], columns: Mapping[str, str]) -> UnitedSchema:
    """One schema for all parts, each column in the position where it occurs first.

    Of a single part it is that part's. Where types differ, the column has the metadata type that
    holds the values of all; ids and pictures are read from every part as they are there.

    Raises:
        CatalogueError: ids or pictures cannot be united.
    """
    unite: dict[str, Unite] = {
        columns.get("product_id", "product_id"): _unite_ids,
        columns.get("image", "image"): _unite_pictures,
    }
    united: dict[str, pa.DataType] = {}
    conflicts = {}
    for name in dict.fromkeys(name for part in parts for name in part.types):
        kinds: dict[pa.DataType, str] = {}  # each with the first part that has it
        for part in parts:
            if name in part.types:
                kinds.setdefault(part.types[name], part.name)
        combine = unite.get(name, _unite_metadata)
        kind, *others = kinds
        for other in others:
            both = combine(kind, other)
            if both is None:
                apart = next((one for one in kinds if combine(one, other) is None), other)
                conflicts[name] = (
                    f"{kinds[other]}: column {name!r} is of type {other}, but of type {apart} in "
                    f"{kinds[apart]}. Write both with one type."
                )
                if name in unite:  # these are always used
                    raise CatalogueError(conflicts[name])
                kind = other if metadata_type(kind) is None else kind  # one that would be used
                break
            kind = both
        united[name] = kind
    return UnitedSchema(pa.schema(list(united.items())), conflicts)


def _unite_ids(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if pa.types.is_null(one) or pa.types.is_null(other):
        return other if pa.types.is_null(one) else one
    kinds = id_kind(one), id_kind(other)
    if "integer" in kinds and any(map(pa.types.is_floating, (one, other))):
        return pa.int64()  # as pandas writes integers among which one is missing
    return one if kinds[0] == kinds[1] else None


def _unite_pictures(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if not (is_picture(one) and is_picture(other)):
        return None
    return other if pa.types.is_null(one) else one


def _unite_metadata(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if pa.types.is_null(one) or pa.types.is_null(other):
        return other if pa.types.is_null(one) else one
    left, right = metadata_type(one), metadata_type(other)
    if left is None or right is None:
        return one if left is right else None  # neither is used, or only one could be
    return unite_types(left, right)
