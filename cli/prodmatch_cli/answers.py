"""Answers on stdout and what to know of them on stderr."""

import sys
from collections.abc import Sequence

import click

from prodmatch.errors import QueryError
from prodmatch.search.hits import Answer
from prodmatch.search.scoring import SIGNALS
from prodmatch_cli.output import HIT_COLUMNS, print_rows

MOST_CHARACTERS = 200  # of what was searched for


def report_answer(answer: Answer) -> None:
    """Tells what was searched for, where it is not what was typed.

    Raises:
        QueryError: the query cannot be answered.
    """
    if answer.error is not None:
        raise QueryError(answer.error)
    if answer.searched_for is not None:
        click.echo(f"Searched for: {answer.searched_for}"[:MOST_CHARACTERS], err=True)


def print_answers(
    answers: Sequence[Answer], form: str, *, explain: bool, many: bool = False
) -> None:
    """Hits on stdout, a query that cannot be answered as a line with its `error`.

    The first hit of a query says what was searched for, where it is not what was typed.

    Args:
        answers: of each query.
        form: `table`, `json`, `jsonl` or `csv`.
        explain: whether the table shows each signal's share of the score.
        many: whether the queries come from a file; then errors end the program with status 1.
    """
    rows = [row for answer in answers for row in answer.as_rows()]
    errors = [row for row in rows if "error" in row]
    if form == "table":
        _print_table([row for row in rows if "error" not in row], errors, explain, many)
    else:
        print_rows(rows, form, ())
    if errors:
        counts = f"{len(errors)} of {len(answers)} queries"
        click.echo(f"error: {counts} cannot be answered; their lines say why.", err=True)
        sys.exit(1)


def _print_table(
    rows: Sequence[dict[str, object]],
    errors: Sequence[dict[str, object]],
    explain: bool,
    many: bool,
) -> None:
    """Hits as a table, and errors below it, which are not cut to the width of a column."""
    columns = [*(["query_id"] if many else []), *HIT_COLUMNS, *(SIGNALS if explain else ())]
    if not any(row.get("title") for row in rows):
        columns.remove("title")
    if rows or not errors:
        print_rows(rows, "table", columns)
    for row in errors:
        click.echo(f"{row['query_id']}  error: {row['error']}")
    if not rows and not errors:
        click.echo("no product matches", err=True)
