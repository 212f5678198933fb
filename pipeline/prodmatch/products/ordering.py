"""Comparisons by order that SQLite would take without a word: letter by letter, or of no use.

Pure: knows no file.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice

from prodmatch.lexical.quantities import UNITS
from prodmatch.products.column_storage import quote_plain, write_cast
from prodmatch.products.conditions import ORDERED, Column, Token, find_comparisons, split_condition

SIGNS = ORDERED - {"between"}
EQUALS = frozenset(["=", "==", "!=", "<>", "is", "in"])
NUMBER = re.compile(rf"(\d+(?:\.\d+)?)\s?(?:{'|'.join(map(re.escape, UNITS))})?", re.IGNORECASE)
DAY_FIRST = re.compile(r"\d{1,2}([-./ ])\d{1,2}\1\d{2,4}(?:\D.*)?")  # 31.12.2025
OTHER_DATE = re.compile(r"\d{1,4}[-./ ]\d{1,2}[-./ ]\d{1,4}\D?.*|\d{8}")  # 4.1.2026, 20260104
PART_OF_DATE = re.compile(r"\d{4}(?:-\d\d(?:-\d\d)?)?")
STORED = re.compile(
    r"\d{4}-\d\d-\d\d(?:(?P<mark>[T ])\d\d:\d\d(?P<seconds>:\d\d(?:\.\d+)?)?(?P<zone>Z|\+00:00)?)?"
)


class WrongDateError(Exception):
    """A date that cannot be compared with a column's; the text says how to write it."""


@dataclass(frozen=True)
class NumberComparison:
    """A column of text that a condition compares by order with a number in quotes."""

    column: Column
    operator: str
    number: str


def find_wrong_order(condition: str, columns: Mapping[str, Column]) -> str | None:
    """What is wrong with the limits of a condition: `3 < price < 5`, BETWEEN with the larger first.

    Args:
        columns: by their names in small letters.
    """
    tokens = split_condition(condition, columns)
    for index, token in enumerate(tokens):
        around = [tokens[at].value for at in (index - 1, index + 1) if 0 <= at < len(tokens)]
        if len(around) == 2 and SIGNS.issuperset(around):
            chain = tokens[index - 2 : index + 3]
            name = next((quote_plain(each.value) for each in chain if each.kind == "column"), "x")
            return f"a comparison has two sides; write {name} > 3 AND {name} < 5"
        if token.kind != "column":
            continue
        behind = (tokens[at] for at in range(index + 1, len(tokens)))
        rest = [*islice((each for each in behind if each.value != "not"), 4)]
        if rest and rest[0].value == "between" and (wrong := _reversed_limits(rest[1:])):
            return wrong
    for column, operator, literal in find_comparisons(tokens):
        sample = columns[column.value.lower()].sample
        if operator in ORDERED and all(map(DAY_FIRST.fullmatch, (sample, literal.value.strip()))):
            return (
                f"{column.value} is text ({sample!r}), which is compared letter by letter, the day "
                "first; convert the column to dates (2026-01-31)"
            )
    return None


def _reversed_limits(tokens: Sequence[Token]) -> str | None:
    """What is wrong with the limits that BETWEEN is followed by."""
    if len(tokens) < 3 or tokens[1].value != "and" or tokens[0].kind != tokens[2].kind:
        return None
    low, high = tokens[0], tokens[2]
    is_number = low.kind == "number"
    if not is_number and low.kind != "text":
        return None
    wrong = float(low.value) > float(high.value) if is_number else low.value > high.value
    if not wrong:
        return None
    return f"BETWEEN has the smaller first; write BETWEEN {high.shown} AND {low.shown}"


def find_number_texts(condition: str, columns: Mapping[str, Column]) -> list[NumberComparison]:
    """Where a condition compares text with a number in quotes by order: letter by letter."""
    return [
        NumberComparison(columns[column.value.lower()], operator, number[1])
        for column, operator, literal in find_comparisons(split_condition(condition, columns))
        if operator in ORDERED
        and literal.kind in ("text", "name")
        and columns[column.value.lower()].kind == "text"
        and (number := NUMBER.fullmatch(literal.value.strip()))
    ]


def explain_letters(comparison: NumberComparison, value: str) -> str:
    """Why text is not to be compared with a number, by a value of another length."""
    name = comparison.column.name
    sign = "<" if value < comparison.number else ">"
    number = write_cast(name, comparison.column.sample)
    return (
        f"{name} is text, which is compared letter by letter: {value!r} {sign} "
        f"{comparison.number!r}; convert the column, or compare {number} with {comparison.number}"
    )


def write_dates(condition: str, columns: Mapping[str, Column]) -> str:
    """The condition with its dates and times as they stand in the columns that it compares.

    Raises:
        WrongDateError: one that is compared by order cannot be written like those of the column.
    """
    written, end = [], 0
    compared = find_comparisons(split_condition(condition, columns))
    for column, operator, literal in sorted(compared, key=lambda each: each[2].start):
        known = columns[column.value.lower()]
        form = STORED.fullmatch(known.sample) if known.kind == "text" else None
        is_compared = operator in ORDERED or operator in EQUALS
        if form is None or literal.kind != "text" or not is_compared or literal.start < end:
            continue
        stored = _as_stored(literal.value.strip(), form)
        if stored is None and (operator in ORDERED or OTHER_DATE.fullmatch(literal.value.strip())):
            shown = known.sample
            raise WrongDateError(
                f"{known.name} is a date ({shown!r}); write dates like that, in quotes"
            )
        written += [
            condition[end : literal.start],
            literal.shown if stored is None else f"'{stored}'",
        ]
        end = literal.start + len(literal.shown)
    return "".join([*written, condition[end:]])


def _is_in_calendar(text: str) -> bool:
    """Whether a date, or the beginning of one, is in the calendar, as 2026-02-30 is not."""
    try:
        date.fromisoformat(text + "2026-01-01"[len(text) :])
    except ValueError:
        return False
    return True


def _as_stored(text: str, form: re.Match[str]) -> str | None:
    """A date in the form of another; None where it has no such form."""
    if PART_OF_DATE.fullmatch(text) and (form["mark"] is None or len(text) < len("2025-01-01")):
        return text if _is_in_calendar(text) else None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if form["mark"] is None:
        is_midnight = moment.tzinfo is None and moment.time() == datetime.min.time()
        return moment.date().isoformat() if is_midnight else None
    if form["zone"] is None and moment.tzinfo is not None:
        return None
    if form["zone"] is not None:
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    precision = "auto" if form["seconds"] else "minutes"
    written = moment.isoformat(form["mark"], precision)
    return written.replace("+00:00", "Z") if form["zone"] == "Z" else written
