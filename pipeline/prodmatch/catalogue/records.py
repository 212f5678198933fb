"""Records in a file that a person or another program wrote: Parquet, CSV, TSV or JSON lines."""

import csv
import io
import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from prodmatch.errors import QueryError

STANDARD_INPUT = Path("-")
MOST_LINES_BYTES = 1 << 30  # of standard input, which may never end
MOST_CELL_CHARACTERS = 100 << 20  # of CSV; a picture may stand in one
PARQUET_SUFFIXES = (".parquet", ".pq")
TABLE_SUFFIXES = (".csv", ".tsv")
OTHER_SUFFIXES = (*TABLE_SUFFIXES, *PARQUET_SUFFIXES)
LINES_SUFFIXES = (".jsonl", ".json", ".ndjson")
DELIMITERS = ",;\t|"
Record = dict[str, object]
# Words in the names of columns that say what a row of a log is, and when it was.
EVENT_WORDS = {
    *("event", "events", "action", "interaction", "behavior", "behaviour"),
    *("click", "clicks", "clicked", "purchase", "purchases", "purchased", "bought", "cart"),
}
TIME_WORDS = {"time", "times", "timestamp", "timestamps", "ts", "date", "datetime", "day", "at"}


def read_records(path: Path, name: str, *, numbers: Sequence[str] = ()) -> list[Record]:
    """The records of a file; its suffix says how it is read, JSON lines if it is no other.

    Args:
        path: the file, or `-`, standard input, which has JSON lines.
        name: of the parameter that named the file, for messages.
        numbers: the columns that are numbers: of CSV and TSV all others are text as it stands, of
            Parquet decimals are read as such.

    Raises:
        QueryError: there is no such file, it cannot be read, or it has no records.
    """
    records = []
    for record in parse_records(path, name, numbers=numbers):
        if isinstance(record, QueryError):
            raise QueryError(f"{record} Correct the line, or remove it.") from record
        records.append(record)
    return records


def parse_records(
    path: Path, name: str, *, numbers: Sequence[str] = ()
) -> list[Record | QueryError]:
    """As `read_records`, with the error in the place of a line that is no record.

    Raises:
        QueryError: as `read_records`, or there are lines and none is a record.
    """
    if path == STANDARD_INPUT:
        records = _read_lines(_read_standard_input(name), path, name)
    elif not path.exists():
        raise QueryError(f"{name} {path}: there is no such file.")
    elif not path.is_file():
        raise QueryError(f"{name} {path}: is no regular file. Give one, or - and pipe it in.")
    elif path.suffix.lower() in PARQUET_SUFFIXES:
        records = _read_parquet(path, name, numbers)
    elif path.suffix.lower() in TABLE_SUFFIXES:
        records = _read_table(path, name, numbers)
    else:
        records = _read_lines(path.read_bytes(), path, name)
    if not records:
        raise QueryError(f"{name} {path}: has no rows.")
    errors = [record for record in records if isinstance(record, QueryError)]
    if len(errors) == len(records):
        raise errors[0]
    return records


def find_named(names: Iterable[str], wanted: str) -> str | None:
    """A column that seems to be the `event` or the `time` of a log under another name, if any."""
    for name in names:
        words = {word.lower() for word in re.findall("[A-Z]?[a-z]+|[A-Z]+", name)}
        is_time = bool(words & TIME_WORDS)
        is_event = bool(words & EVENT_WORDS) and not is_time and "id" not in words
        if is_time if wanted == "time" else is_event:
            return name
    return None


def _read_parquet(path: Path, name: str, numbers: Sequence[str]) -> list[Record | QueryError]:
    import pyarrow as pa  # here, as a query in a shell does not need it
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        for position, field in enumerate(table.schema):
            if field.name in numbers and pa.types.is_decimal(field.type):  # as warehouses export
                numeric = table[position].cast(pa.float64())
                table = table.set_column(position, field.name, numeric)
        records: list[Record | QueryError] = table.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise QueryError(f"{name} {path}: cannot be read as Parquet ({error}).") from error
    return records


def _read_table(path: Path, name: str, numbers: Sequence[str]) -> list[Record | QueryError]:
    """The rows of a CSV or TSV file, errors among them; an empty cell is None."""
    text = _decode(path.read_bytes())
    first = text.partition("\n")[0]
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(DELIMITERS, key=first.count)
    csv.field_size_limit(MOST_CELL_CHARACTERS)
    records: list[Record | QueryError] = []
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows, None)
        except csv.Error as error:
            records.append(QueryError(f"{name} {path}: line {line} is no CSV ({error})."))
            continue
        if row is None:
            return records
        if header is None:
            header = [cell.strip() for cell in row]
            if twice := next((key for key in header if key and header.count(key) > 1), ""):
                raise QueryError(f"{name} {path}: has two columns {twice!r}. Remove one.")
        elif len(row) != len(header) and any(row):
            shown = f"{len(header)}: {', '.join(header)[:200]}. Quote cells with {delimiter!r}."
            reason = f"line {line} has {len(row)} cells, the header has {shown}"
            records.append(QueryError(f"{name} {path}: {reason}"))
        elif any(cell for key, cell in zip(header, row, strict=True) if not key):
            records.append(QueryError(f"{name} {path}: line {line} has a cell without a name."))
        elif any(row):
            cells = ((key, cell) for key, cell in zip(header, row, strict=True) if key)
            records.append(
                {key: _number(cell) if key in numbers else cell or None for key, cell in cells}
            )


def _decode(content: bytes) -> str:
    """Text in UTF-8 or, by its mark, UTF-16; what is neither is read as Windows-1252."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _number(cell: str) -> object:
    """A cell as a number, None where it is empty; text that is no number stays text."""
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return {"true": True, "false": False, "": None}.get(cell.strip().lower(), cell)


def _read_standard_input(name: str) -> bytes:
    content = sys.stdin.buffer.read(MOST_LINES_BYTES + 1)
    if len(content) > MOST_LINES_BYTES:
        raise QueryError(
            f"{name} -: standard input is larger than {MOST_LINES_BYTES >> 20} MiB. "
            "Give it in parts, or as a file."
        )
    return content


def _to_record(pairs: list[tuple[str, object]]) -> Record:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands twice")
    return record


def _read_lines(content: bytes, path: Path, name: str) -> list[Record | QueryError]:
    records: list[Record | QueryError] = []
    is_other = path != STANDARD_INPUT and path.suffix.lower() not in LINES_SUFFIXES
    remedy = f" Name a file of another kind {', '.join(OTHER_SUFFIXES)}." if is_other else ""
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line, object_pairs_hook=_to_record)
        except (ValueError, RecursionError) as error:
            records.append(
                QueryError(f"{name} {path}: line {number} is no JSON ({error}).{remedy}")
            )
            continue
        if not isinstance(record, dict):
            record = QueryError(f"{name} {path}: line {number} is no JSON object. Give one a line.")
        records.append(record)
    return records
