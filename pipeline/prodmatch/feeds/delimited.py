"""CSV and its kin: the delimiter and the quoting are recognised from the file."""

import csv
import io
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from prodmatch.errors import CatalogueError
from prodmatch.feeds.header import (
    count_lines_above,
    describe_header,
    describe_lines_above,
    plain_attribute,
    read_template,
)
from prodmatch.feeds.rows import MOST_COLUMNS, Feed, Row, count_of, name_columns
from prodmatch.feeds.source import Source

DELIMITERS = (",", ";", "\t", "|")
NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
TABBED = (".tsv", ".tab")
SAMPLE_ROWS = 200
MOST_CHARACTERS = 64 << 20  # of a line: a picture as a data URI fits
END_OF_FILE = "\x1a"  # as DOS wrote it behind the last line
JOINED_LINES = 100  # of a quoted field, in a file whose quotes are not in order


FORMULA = re.compile(r'="([^"]*)"')
IN_APOSTROPHES = re.compile(r"'[^'\"\r\n]+'([,;|\t])'[^'\"\r\n]+'(?:\1|\s*$)", re.MULTILINE)
RULE = re.compile(r"(?=.*(?:--|==))[\s|:+=-]*")  # a line that is drawn below the header
ORDER_MARK = "\ufeff"  # within a file where it was joined to another
Record = tuple[int, list[str], bool]  # line, fields, whether its quotes are in order


class _QuotesError(Exception):
    """The quotes of a file are not in order."""


@dataclass(frozen=True)
class _Structure:
    """What a whole pass over the records found."""

    names: list[str]
    width: int  # of the longest record that has a value there
    short: int
    long: int
    first_uneven: int | None  # line
    loose: int  # lines whose quotes are not in order
    formulas: int  # cells that are written as ="text"
    shifted: bool  # whether all records are one field longer than the header
    no_products: int  # records that are the header again, or a line that is drawn


def open_delimited(source: Source, delimiter: str | None = None) -> Feed:
    """A delimited file as rows; records that are shorter or longer than the header lose nothing.

    Raises:
        CatalogueError: there is no header or no row, or a line is too long to be one.
    """
    csv.field_size_limit(MOST_CHARACTERS)  # the module's own limit is 128 KiB
    template = read_template(source.head)
    examples = template.examples if template else 0
    declared, skip = _skip_separator_line(source.head)
    above = 0 if declared else count_lines_above(source.head, [*DELIMITERS, *(delimiter or "")])
    lines = source.head.splitlines(keepends=True)
    head = "".join(lines[above:])
    quote = "'" if IN_APOSTROPHES.match(head) else '"'
    delimiter = delimiter or declared or _find_delimiter(head, source.path, quote)
    for quoting in ("strict", "backslash", "loose"):
        if quoting == "backslash" and f"\\{quote}" not in source.head:
            continue
        reader = partial(_read_records, source, (delimiter, quote), quoting, skip + above)
        try:
            structure = _scan(reader, source.path, examples)
            break
        except _QuotesError:
            continue
    else:
        raise CatalogueError(f"{source.path}: its quotes cannot be made out. Export it again.")
    extra = [""] * (structure.width - len(structure.names))
    written = map(plain_attribute, structure.names) if template else structure.names
    names, changes = name_columns([*written, *extra])
    details = [NAMES.get(delimiter, repr(delimiter)) + "-separated"]
    if quote == "'":
        details.append("quoted by apostrophes")
    if quoting == "backslash":
        details.append("quotes escaped by backslashes")
    odd = [*describe_lines_above(lines[:above]), *describe_header(structure.names)]
    return Feed(
        form="csv",
        read_as=", ".join(details),
        rows=partial(_read_rows, reader, names, examples),
        delimiter=delimiter,
        warnings=[*odd, *changes, *_describe(structure)],
    )


def _skip_separator_line(head: str) -> tuple[str | None, int]:
    """The delimiter in a first line `sep=;`, as spreadsheets write it, and the lines to skip."""
    first = head.split("\n", 1)[0].rstrip("\r")
    if first.lower().startswith("sep=") and len(first) == 5:
        return first[4], 1
    return None, 0


def _find_delimiter(head: str, path: Path, quote: str) -> str:
    """The delimiter that splits the header, and most records like the header."""
    best, best_score = ",", (0.0, 0)
    order = sorted(DELIMITERS, key=lambda mark: mark != "\t") if _is_tabbed(path) else DELIMITERS
    for delimiter in order:
        reader = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter, quotechar=quote)
        records = [record for record in islice(reader, SAMPLE_ROWS) if any(record)]
        if len(head) >= 1000 and len(records) > 2:
            records.pop()  # it may be cut
        width = len(records[0]) if records else 0
        if width < 2:
            continue
        rows = records[1:] or records
        score = (sum(len(record) == width for record in rows) / len(rows), width)
        if score[0] > best_score[0] + 0.1 or (
            score[0] > best_score[0] - 0.1 and width > best_score[1]
        ):
            best, best_score = delimiter, score
    return best


def _is_tabbed(path: Path) -> bool:
    return any(suffix.lower() in TABBED for suffix in path.suffixes)


def _lines(source: Source) -> Iterator[str]:
    with source.open_text() as text:
        number = 0
        while line := text.readline(MOST_CHARACTERS):
            number += 1
            if len(line) == MOST_CHARACTERS and not line.endswith(("\n", "\r")):
                raise CatalogueError(
                    f"{source.path}: line {number} has more than {MOST_CHARACTERS >> 20} million "
                    "characters, so it is no table. Export it again."
                )
            if line.strip() != END_OF_FILE:
                yield source.repair(line.removeprefix(ORDER_MARK))


def _read_records(
    source: Source, marks: tuple[str, str], quoting: str, skip: int
) -> Iterator[Record]:
    """Every record that is not blank.

    Args:
        marks: the delimiter, and what stands around a field that is quoted.
    """
    delimiter, quote = marks
    mark = re.escape(delimiter)
    null = re.compile(rf"(?:^|(?<={mark}))\\N(?={mark}|[\r\n]|$)")  # as MySQL and Postgres write it
    lines = (null.sub("", line) if "\\N" in line else line for line in _lines(source))
    for _ in range(skip):
        next(lines)
    if quoting == "loose":
        yield from _read_loosely(lines, delimiter)
        return
    escape = "\\" if quoting == "backslash" else None
    spaced = re.search(rf"^[^{quote}\n]*{mark} +{quote}", source.head, re.MULTILINE)
    reader = csv.reader(
        lines,
        delimiter=delimiter,
        quotechar=quote,
        escapechar=escape,
        skipinitialspace=spaced is not None,
        strict=True,
    )
    before, width = 0, 0
    try:
        for record in reader:
            width = width or len(record)
            if reader.line_num > before + 1 and _holds_records(record, delimiter, width):
                raise _QuotesError(f"line {reader.line_num}")
            before = reader.line_num
            if any(map(str.strip, record)):
                yield reader.line_num, record, True
    except csv.Error as error:
        raise _QuotesError(str(error)) from error


def _holds_records(record: list[str], delimiter: str, width: int) -> bool:
    """Whether each line of a record is one itself, so that the quotes that join them are letters.

    Of files with tabs or pipes alone: texts of several lines have commas, but hardly these.
    """
    lines = delimiter.join(record).splitlines()
    return delimiter in "\t|" and all(line.count(delimiter) == width - 1 > 0 for line in lines)


def _read_loosely(lines: Iterator[str], delimiter: str) -> Iterator[Record]:
    """Records of a file in which some quotes are letters: inches, or words quoted in a field."""
    ahead: deque[str] = deque()
    mark = re.escape(delimiter)
    cell = re.compile(rf'(?:"((?:[^"]|"")*)"|([^{mark}]*))(?:{mark}|$)')
    number = width = 0
    while (line := ahead.popleft() if ahead else next(lines, None)) is not None:
        fields = _join_quoted(line, ahead, lines, delimiter, width)
        in_order = fields is not None
        if fields is None:
            bare = line.rstrip("\r\n")
            fields = [
                found[1].replace('""', '"') if found[1] is not None else found[2]
                for found in cell.finditer(bare)
            ]
            if not bare.endswith(delimiter):
                fields.pop()  # the empty match at the end
        number += 1
        width = width or len(fields)
        if any(map(str.strip, fields)):
            yield number, fields, in_order


def _join_quoted(
    line: str, ahead: deque[str], lines: Iterator[str], delimiter: str, width: int
) -> list[str] | None:
    """The record that begins with this line, lines that a quoted field goes on in joined to it.

    None where its quotes are not in order; the lines that were tried are then ahead again.
    """
    parts = [line]
    while True:
        try:
            fields = next(csv.reader(["".join(parts)], delimiter=delimiter, strict=True), [])
        except csv.Error as error:
            more = None
            if "unexpected end" in str(error) and len(parts) < JOINED_LINES:
                more = ahead.popleft() if ahead else next(lines, None)
            if more is not None:
                parts.append(more)
                continue
            fields = []
        if not line.strip() or (fields and len(parts) == 1):
            return fields
        if len(fields) == width and not _holds_records(fields, delimiter, width):
            return fields
        ahead.extendleft(reversed(parts[1:]))
        return None


def _scan(records: Callable[[], Iterator[Record]], path: Path, examples: int = 0) -> _Structure:
    """The structure of all records but a template's examples."""
    source = records()
    header, no_products = next(source, None), 0
    if header is None:
        raise CatalogueError(f"{path}: has no rows. Export it again.")
    names = header[1]
    while names and not names[-1].strip():  # delimiters at the ends of lines
        names = names[:-1]
    width, count, short, long, loose, formulas = len(names), 0, 0, 0, 0, 0
    first_uneven = None
    for line, record, in_order in islice(source, examples, None):
        if _is_no_product(record, header[1]):
            no_products += 1
            continue
        count += 1
        loose += not in_order
        formulas += sum(FORMULA.fullmatch(cell) is not None for cell in record if cell[:1] == "=")
        if len(record) == len(names):
            continue
        filled = len(record)
        while filled > len(names) and not record[filled - 1].strip():
            filled -= 1
        if filled != len(names):
            short += filled < len(names)
            long += filled > len(names)
            first_uneven = first_uneven or line
        width = max(width, filled)
    if not count:
        raise CatalogueError(f"{path}: has no rows below its header. Export it again.")
    if width > MOST_COLUMNS:
        raise CatalogueError(
            f"{path}: has {width} columns, at most {MOST_COLUMNS}. Give its `delimiter`."
        )
    shifted = long == count > 1 and width == len(names) + 1
    return _Structure(
        names, width, short, long, first_uneven, loose, formulas, shifted, no_products
    )


def _is_no_product(record: list[str], header: list[str]) -> bool:
    """Whether a record is the header again, or a line that is drawn with dashes."""
    return record == header or RULE.fullmatch("|".join(record)) is not None


def _read_rows(
    records: Callable[[], Iterator[Record]],
    names: Sequence[str],
    examples: int,
) -> Iterator[Row]:
    source = records()
    header = next(source)[1]
    is_padded = len(header) > 1 and all(name.startswith(" ") for name in header[1:])
    for _, record, _ in islice(source, examples, None):
        if _is_no_product(record, header):
            continue
        if is_padded:
            record = [cell.strip(" ") for cell in record]
        cells = (_unwrap(cell) if cell[:1] == "=" else cell for cell in record)
        yield dict(zip(names, cells, strict=False))


def _unwrap(cell: str) -> str:
    """The text in a cell that a spreadsheet wrote as a formula of it: ="007"."""
    found = FORMULA.fullmatch(cell)
    return cell if found is None else found[1]


def _describe(structure: _Structure) -> list[str]:
    warnings = []
    width = len(structure.names)
    where = f"first near line {structure.first_uneven}"
    if structure.short:
        warnings.append(
            f"{count_of(structure.short, 'row')} with fewer fields than the header's {width} "
            f"({where}); the missing ones are empty"
        )
    if structure.shifted:
        warnings.append(
            f"every row has one field more than the header's {width}: if the first is a row's "
            "name, write a name for it into the header; if a field holds the delimiter, quote it"
        )
    elif structure.long:
        warnings.append(
            f"{count_of(structure.long, 'row')} with more fields than the header's {width} "
            f"({where}), kept in further columns; is a delimiter inside a field without quotes?"
        )
    if structure.no_products:
        count = count_of(structure.no_products, "line")
        warnings.append(f"{count} passed over that repeat the header or draw a rule below it")
    if structure.formulas:
        count = count_of(structure.formulas, "cell")
        warnings.append(f'{count} written as ="text" by a spreadsheet, read as the text')
    if structure.loose:
        warnings.append(
            f"{count_of(structure.loose, 'line')} with quotes inside a field that are not doubled; "
            "they are kept"
        )
    return warnings
