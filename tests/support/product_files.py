"""Product files as shops and programs write them, converted for tests."""

import csv
import io
import itertools
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from prodmatch.convert import ConvertReport, ConvertSettings, convert_catalogue

Rows = list[dict[str, object]]


def convert(
    folder: Path, name: str, content: str | bytes, settings: ConvertSettings | None = None
) -> tuple[Rows, ConvertReport]:
    """The rows of a file's catalogue, and the report; a text is written as UTF-8."""
    source = folder / name
    source.write_bytes(content.encode() if isinstance(content, str) else content)
    target = folder / "catalogue.parquet"
    report = convert_catalogue(source, target, settings)
    rows: Rows = pq.read_table(target).to_pylist()
    assert report.rows == len(rows)
    return rows, report


def write_csv(
    table: Sequence[Sequence[object]], *, delimiter: str = ",", newline: str = "\n"
) -> str:
    """A table as delimited text, quoted where it must be."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=newline).writerows(table)
    return out.getvalue()


def column(folder: Path, name: str, values: Sequence[str]) -> tuple[list[object], ConvertReport]:
    """What a CSV column of these values comes out as."""
    table = [["product_id", name], *zip(map(str, itertools.count(1)), values, strict=False)]
    rows, report = convert(folder, "column.csv", write_csv(table))
    return [row[name] for row in rows], report
