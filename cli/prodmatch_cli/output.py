"""Answers on stdout: tables for people, JSON and CSV for programs."""

import csv
import io
import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import click

from prodmatch.search.scoring import SIGNALS

HIT_COLUMNS = ("rank", "product_id", "title", "score", "probability")


def print_json(content: object) -> None:
    """One line of JSON on stdout."""
    _say(_json(content))


def print_warnings(warnings: Iterable[str]) -> None:
    """What a report warns of, a line each on stderr."""
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)


def print_report(report: Mapping[str, object], form: str) -> None:
    """A report on stdout: as JSON, or a line for each figure, what is nested below it."""
    if form == "json":
        print_json(report)
        return
    width = max(map(len, report)) + 2
    for name, value in report.items():
        if isinstance(value, Mapping):
            _say(name if value else f"{name:{width}}none")
            for key, found in value.items():
                shown = "; ".join(map(str, found)) if isinstance(found, list) else found
                _say(f"  {key:{width - 2}}{shown}")
        elif isinstance(value, list):
            _say(f"{name:{width}}{'; '.join(map(str, value)) or 'none'}")
        else:
            _say(f"{name:{width}}{value}")


def print_rows(rows: Sequence[Mapping[str, object]], form: str, columns: Sequence[str]) -> None:
    """Rows on stdout as `table`, `json`, `jsonl` or `csv`; the columns matter to the table."""
    if form == "json":
        _say(_json(list(rows)))
    elif form == "jsonl":
        for row in rows:
            print_json(row)
    elif form == "csv":
        _say(_csv(rows), nl=False)
    else:
        print_table(rows, columns)


def print_table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    """An aligned table that fits the terminal, or 80 columns off a terminal."""
    cells = [[_cell(row.get(name)) for name in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    seen = sys.stdout is not None and sys.stdout.isatty()  # None: it was closed from the start
    room = shutil.get_terminal_size((80, 24)).columns if seen else 80
    while sum(widths) + 2 * (len(widths) - 1) > room and max(widths) > 8:
        widths[widths.index(max(widths))] -= 1
    numeric = [
        all(isinstance(row.get(name), int | float | Decimal) for row in rows) for name in columns
    ]
    for line in [list(columns), *cells]:
        parts = (
            _fit(text, width, right=right)
            for text, width, right in zip(line, widths, numeric, strict=True)
        )
        _say("  ".join(parts).rstrip())


def print_explanation(found: Mapping[str, object], form: str) -> None:
    """An explanation on stdout: as JSON, or its score and two tables of words."""
    if form == "json":
        print_json(found)
        return
    first = ("rank", "product_id", "title", "score", "probability", *SIGNALS)
    print_table([found], [name for name in first if found.get(name) is not None])
    cosines = [
        f"{signal} cosine {_cell(found[f'{signal}_cosine']) or 'none'}" for signal in SIGNALS[1:]
    ]
    _say(f"\n{cosines[0]}, {cosines[1]}, BM25 {_cell(found['bm25'])}")
    for title, name in (("query", "query_words"), ("product", "product_words")):
        words = found[name]
        if isinstance(words, list) and words:
            _say(f"\nwhat is lost without a word of the {title}")
            print_table(words, list(words[0]))


def _say(text: str, *, nl: bool = True) -> None:
    """Text on stdout; ends the program well where nobody reads on, as in `| head`.

    Raises:
        OSError: names stdout; the disk that it goes to is full.
    """
    try:
        click.echo(text, nl=nl)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at the end
        if isinstance(error, BrokenPipeError):
            sys.exit(0)
        raise OSError(error.errno, error.strerror, "standard output") from error


def _fit(text: str, width: int, *, right: bool) -> str:
    if len(text) > width:
        text = text[: width - 1] + "…"
    return text.rjust(width) if right else text.ljust(width)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    return " ".join(str(value).split())


def _json(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    """A value that JSON has no type for: a decimal as a number, if that keeps all its digits."""
    if isinstance(value, Decimal) and Decimal(repr(float(value))) == value:
        return float(value)
    return str(value)


def _csv(rows: Iterable[Mapping[str, object]]) -> str:
    rows = list(rows)
    names = list(dict.fromkeys(name for row in rows for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
