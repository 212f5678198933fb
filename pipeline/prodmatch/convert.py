"""Job: a CSV, TSV or JSON lines file to a Parquet catalogue, streamed."""

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.json as pj
import pyarrow.parquet as pq

from prodmatch.errors import CatalogueError
from prodmatch.storage.atomic import new_file

__all__ = ["convert_catalogue"]

BLOCK_BYTES = 8 << 20
DELIMITERS = {".csv": ",", ".tsv": "\t"}
JSON_LINES = (".jsonl", ".ndjson")


def convert_catalogue(source: Path, target: Path) -> int:
    """Writes the rows of `source` to the Parquet file `target`; gives their count.

    The types of columns are told from the first rows, but an id is always text, so that "007"
    keeps its zeros. The target is whole or absent.

    Raises:
        CatalogueError: the source cannot be read; names the line where that is known.
        StoreError: the target cannot be written.
    """
    if not source.is_file():
        raise CatalogueError(f"{source}: there is no such file.")
    if source.resolve() == target.resolve():
        raise CatalogueError(f"{target}: is the source itself. Name another file.")
    batches = _read(source)
    count = 0
    first = next(batches, None)
    if first is None:
        raise CatalogueError(f"{source}: has no rows.")
    with new_file(target) as file, pq.ParquetWriter(file, first.schema) as writer:
        for batch in itertools.chain([first], batches):
            writer.write_batch(batch)
            count += len(batch)
    return count


def _read(source: Path) -> Iterator[pa.RecordBatch]:
    if source.suffix in DELIMITERS:
        return _read_csv(source, DELIMITERS[source.suffix])
    if source.suffix in JSON_LINES:
        return _read_json_lines(source)
    known = ", ".join([*DELIMITERS, *JSON_LINES])
    raise CatalogueError(f"{source}: ends in {source.suffix or 'nothing'}; known are {known}.")


def _read_csv(source: Path, delimiter: str) -> Iterator[pa.RecordBatch]:
    with _reading(source), source.open("rb") as file:
        header = file.readline().decode("utf-8-sig", "replace").strip("\r\n")
    ids = [name.strip('"') for name in header.split(delimiter) if name.strip('"').endswith("id")]
    with _reading(source):
        yield from pc.open_csv(
            source,
            read_options=pc.ReadOptions(block_size=BLOCK_BYTES),
            parse_options=pc.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pc.ConvertOptions(column_types=dict.fromkeys(ids, pa.string())),
        )


def _read_json_lines(source: Path) -> Iterator[pa.RecordBatch]:
    with _reading(source):
        yield from pj.open_json(source, read_options=pj.ReadOptions(block_size=BLOCK_BYTES))


@contextlib.contextmanager
def _reading(source: Path) -> Iterator[None]:
    """Turns what pyarrow says of a bad source into a message with its place."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise CatalogueError(
            f"{source}: cannot be read ({error}). Mend the file and convert it again."
        ) from error
