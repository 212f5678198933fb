"""Answers on stdout: tables for people, JSON and CSV for programs.

Files and pipes get data byte for byte, in UTF-8; a terminal gets control characters as escapes.
"""

import csv
import io
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING

from prodmatch.catalogue.naming import show_column
from prodmatch.search.answers.json_text import to_json
from prodmatch.search.scoring import SIGNALS
from prodmatch_cli.terminal.logs import PULSE
from prodmatch_cli.terminal.messages import print_warnings
from prodmatch_cli.terminal.text import CONTROL, cut, harmless, unbroken, width

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

HIT_COLUMNS = ("rank", "product_id", "title", "score", "probability")
IDS = ("query_id", "product_id")  # never cut
NARROWEST = 8  # columns of a cell that is cut
Row = Mapping[str, object]


def print_json(content: object) -> None:
    """One line of JSON on stdout."""
    text = to_json(content)
    if on_terminal():  # what json leaves as it is
        text = CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    _write(text + "\n")


def print_outcome(report: "DataclassInstance") -> None:
    """What a job reports: its warnings on stderr, and all of it as a line of JSON on stdout."""
    content = asdict(report)
    print_warnings(content.get("warnings", ()))
    print_json(content)


def print_report(report: Row, form: str) -> None:
    """A report on stdout: as JSON, or a line for each figure, what is nested below it."""
    if form == "json":
        print_json(report)
        return
    print_lines(_report_lines(report))


def print_rows(rows: Sequence[Row], form: str, columns: Sequence[str]) -> None:
    """Rows on stdout as `table`, `json`, `jsonl` or `csv`.

    Args:
        columns: of the table; of the CSV those that it has also where no row has them.
    """
    if form == "json":
        print_json(list(rows))
    elif form == "jsonl":
        for row in rows:
            print_json(row)
    elif form == "csv":
        _write(_csv(rows, columns))
    else:
        print_table(rows, columns)


def print_table(rows: Sequence[Row], columns: Sequence[str]) -> None:
    """An aligned table. On a terminal texts are cut so that it fits; ids and numbers never are."""
    numeric = [
        all(isinstance(row.get(name), int | float | Decimal) for row in rows) for name in columns
    ]
    lines = [list(columns), *([_cell(row.get(name), name) for name in columns] for row in rows)]
    widths = [max(map(width, column)) for column in zip(*lines, strict=True)]
    if on_terminal():
        texts = [
            number
            for number, name in enumerate(columns)
            if not numeric[number] and name not in IDS and widths[number] > NARROWEST
        ]
        room = shutil.get_terminal_size((80, 24)).columns - 2 * (len(widths) - 1)
        _shrink(widths, texts, room)
    _write("".join(f"{_line(line, widths, numeric)}\n" for line in lines))


def print_explanation(found: Row, form: str) -> None:
    """An explanation on stdout: as JSON, or its score and two tables of words."""
    if form == "json":
        print_json(found)
        return
    first = (*HIT_COLUMNS, *SIGNALS, "boost")
    print_table([found], [name for name in first if found.get(name) is not None])
    cosines = [
        f"{signal} cosine {_cell(found[f'{signal}_cosine']) or 'none'}" for signal in SIGNALS[1:]
    ]
    _write(f"\n{cosines[0]}, {cosines[1]}, BM25 {_cell(found['bm25'])}\n")
    pictures = found["picture_cosines"]
    if isinstance(pictures, list) and len(pictures) > 1:
        each = ", ".join(_cell(cosine) or "unusable" for cosine in pictures)
        _write(f"best picture {found['best_picture']} of {len(pictures)} (cosines {each})\n")
    for title, name in (("query", "query_words"), ("product", "product_words")):
        words = found[name]
        if isinstance(words, list) and words:
            _write(f"\nwhat is lost without a word of the {title}\n")
            print_table(words, list(words[0]))


def print_lines(lines: Iterable[str]) -> None:
    """Lines on stdout."""
    _write("".join(f"{_shown(line)}\n" for line in lines))


def _write(text: str) -> None:
    """Text on stdout; ends the program well where nobody reads on, as in `| head`."""
    PULSE.begin("")
    try:
        sys.stdout.flush()
        # Half a character, which UTF-8 has no bytes for, becomes an escape, which JSON knows.
        sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at the end
        if isinstance(error, BrokenPipeError):
            sys.exit(0)
        raise OSError(error.errno, error.strerror, "standard output") from error


def on_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout.isatty()


def _report_lines(report: Row, indent: str = "") -> list[str]:
    """A line for each entry, its value in a column of its own; nested entries are indented."""
    names = {name: _shown(show_column(name)) for name in report}
    column = max((width(shown) for shown in names.values()), default=0) + 2
    lines = []
    for name, shown in names.items():
        value = report[name]
        start = f"{indent}{shown}{' ' * (column - width(shown))}"
        if isinstance(value, Mapping) and value:
            lines += [f"{indent}{shown}", *_report_lines(value, indent + "  ")]
        elif isinstance(value, list | tuple) and any(isinstance(one, Mapping) for one in value):
            lines.append(f"{indent}{shown}")
            for one in value:
                nested = _report_lines(one if isinstance(one, Mapping) else {"": one}, "")
                lines += [f"{indent}  {'- ' if not at else '  '}{x}" for at, x in enumerate(nested)]
        elif isinstance(value, list | tuple | Mapping):
            lines.append(start + ("; ".join(map(_shown, value)) or "none"))
        else:
            lines.append(start + _shown(value))
    return lines


def _shown(value: object) -> str:
    return harmless(str(value)) if on_terminal() else unbroken(str(value))


def _shrink(widths: list[int], texts: Sequence[int], room: int) -> None:
    """Takes columns of texts down, the widest first, until all fit or none can give more."""
    while sum(widths) > room and texts:
        widest = max(texts, key=lambda number: widths[number])
        if widths[widest] <= NARROWEST:
            return
        widths[widest] -= 1


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    parts = []
    for text, columns, right in zip(cells, widths, numeric, strict=True):
        text = cut(text, columns)
        space = " " * (columns - width(text))
        parts.append(space + text if right else text + space)
    return "  ".join(parts).rstrip(" ")


def _cell(value: object, name: str = "") -> str:
    """A value in one line: white space of a text is joined, an id stays as it is."""
    if value is None or value is False:
        return ""
    if value is True:
        return "yes"
    if isinstance(value, float):
        return f"{value:.3f}"
    return _shown(value if name in IDS else " ".join(str(value).split()))


def _csv(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Rows under the names of all; a field with a line break of any kind in it is quoted."""
    names = list(dict.fromkeys([*(name for row in rows for name in row), *columns]))
    lines = []
    for row in ({name: name for name in names}, *rows):
        buffer = io.StringIO()
        cells = [row.get(name) for name in names]
        if on_terminal():
            cells = [harmless(cell) if isinstance(cell, str) else cell for cell in cells]
        csv.writer(buffer, lineterminator="\r\n").writerow(cells)  # quotes what holds either
        lines.append(buffer.getvalue().removesuffix("\r\n") + "\n")
    return "".join(lines)
