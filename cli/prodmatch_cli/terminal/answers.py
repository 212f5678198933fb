"""Answers on stdout and what to know of them on stderr."""

import re
import sys
from collections.abc import Mapping, Sequence

from prodmatch.errors import QueryError
from prodmatch.search.answers.hits import Answer, Hit, hit_fields
from prodmatch.search.scoring import SIGNALS
from prodmatch_cli.terminal.messages import print_error, print_hint, print_note, translate
from prodmatch_cli.terminal.output import HIT_COLUMNS, print_lines, print_rows
from prodmatch_cli.terminal.text import one_line

MOST_IDS = 3  # of the queries that a hint is for
MOST_OF_A_KIND = 3  # hints that say the same of other words
QUOTED = re.compile(r"'.*?'(?=[:,.;) ]|$)")  # what was typed
MOST_FACET_VALUES = 10  # of a column in a table
MOST_CHARACTERS = 200  # of what was searched for
WRITTEN = tuple(hit_fields(Hit("", 0, "", 0, 0, 0, 0, 0, 0)))  # names that every hit has


def report_answer(answer: Answer) -> None:
    """Tells what was searched for, where it is not what was typed.

    Raises:
        QueryError: the query cannot be answered.
    """
    if answer.error is not None:
        raise QueryError(answer.error)
    if answer.searched_for is not None:
        print_note(one_line(f"Searched for: {answer.searched_for}")[:MOST_CHARACTERS])
    if answer.understood is not None:
        print_note(f"Understood: {answer.understood}"[:MOST_CHARACTERS])


def print_answers(
    answers: Sequence[Answer],
    form: str,
    columns: Sequence[str],
    *,
    explain: bool,
    many: bool = False,
) -> None:
    """Hits on stdout, a query that cannot be answered as a line with its `error`.

    The first hit of a query says what was searched for, where it is not what was typed.

    Args:
        form: `table`, `json`, `jsonl` or `csv`.
        columns: of the products; a CSV has them also where there is no hit.
        explain: whether the table shows each signal's share of the score.
        many: whether the queries come from a file; then errors end the program with status 1.
    """
    _print_hints(answers)
    errors = {
        answer.query_id: one_line(translate(answer.error)) for answer in answers if answer.error
    }
    if form == "table":
        hits = [hit for answer in answers for hit in answer.hits]
        _print_table(hits, errors, explain=explain, many=many)
        _print_counts(answers, many=many)
    else:
        print_rows(
            [
                {**row, "error": errors[answer.query_id]} if answer.error else row
                for answer in answers
                for row in answer.as_rows()
            ],
            form,
            (*WRITTEN, *columns),
        )
        if not any(answer.hits or answer.error for answer in answers):
            print_note("no product matches")
    if errors:
        print_error(
            f"{len(errors)} of {len(answers)} queries cannot be answered; their lines say why."
        )
        sys.exit(1)


def _print_hints(answers: Sequence[Answer]) -> None:
    """Each hint once, with the queries that it is for, where it is not for all.

    Of several queries those that say the same of other words are counted but for the first.
    """
    ids: dict[str, list[str]] = {}
    for answer in answers:
        is_empty = len(answers) > 1 and not (answer.hits or answer.error)
        none = ["no product matches"] if is_empty else []
        for hint in dict.fromkeys([*answer.hints, *none]):
            ids.setdefault(hint, []).append(answer.query_id)
    kinds: dict[str, list[str]] = {}
    for hint in ids:
        kinds.setdefault(QUOTED.sub("", hint), []).append(hint)
    for hints in kinds.values():
        most = MOST_OF_A_KIND if len(answers) > 1 else len(hints)
        for hint in hints[:most]:
            place = f"{_name_queries(ids[hint])}: " if len(ids[hint]) < len(answers) else ""
            print_hint(place + translate(hint))
        if rest := [query_id for hint in hints[most:] for query_id in ids[hint]]:
            print_hint(f"{_name_queries(rest)}: the same of other words")


def _name_queries(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - MOST_IDS} more" if len(ids) > MOST_IDS else ""
    return f"query {', '.join(ids[:MOST_IDS])}{more}"


def _print_table(
    hits: Sequence[Hit], errors: Mapping[str, str], *, explain: bool, many: bool
) -> None:
    """Hits as a table, and below it a line for each query that has an error."""
    columns = [*(["query_id"] if many else []), *HIT_COLUMNS, *(SIGNALS if explain else ())]
    if not any(hit.metadata.get("title") for hit in hits):
        columns.remove("title")
    columns += ["boost"] if explain and any(hit.boost is not None for hit in hits) else []
    columns += ["group_size"] if any(hit.group_size is not None for hit in hits) else []
    if hits or not errors:
        print_rows([hit_fields(hit) for hit in hits], "table", columns)
    print_lines(f"{query_id}  error: {error}" for query_id, error in errors.items())
    if not hits and not errors:
        print_note("no product matches")


def _print_counts(answers: Sequence[Answer], *, many: bool) -> None:
    """Lines for each query: how many match, and of each column the values with their counts."""
    lines = []
    for answer in answers:
        place = f"{answer.query_id}  " if many else ""
        if answer.match_count is not None:
            lines.append(f"{place}{answer.match_count:,} products match")
        for name, found in answer.facets.items():
            shown = [f"{_value(each.value)} {each.count}" for each in found[:MOST_FACET_VALUES]]
            rest = ["and more"] if len(found) > len(shown) else []
            lines.append(one_line(f"{place}{name}: {', '.join([*shown, *rest]) or 'no values'}"))
    if lines:
        print_lines(["", *lines])


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
