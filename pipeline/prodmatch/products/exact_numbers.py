"""Comparisons of numbers that have more digits than a double, written so that they are exact."""

import operator
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from prodmatch.products.column_storage import DOUBLE_DIGITS, quote_name, quote_plain, restorer
from prodmatch.products.conditions import ARITHMETIC, Column, Token, split_condition

NEAR = 1e-14  # so much of a number may a double of another differ and still be meant
HOLDS: Mapping[str, Callable[[Decimal, Decimal], bool]] = {
    "=": operator.eq, "==": operator.eq, "!=": operator.ne, "<>": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
STARTS = frozenset(["", "and", "or", "not", "(", "where", "when", "then", "else"])
ENDS = frozenset(["", "and", "or", ")", "then", "else", "end"])


class InexactError(Exception):
    """A column is used in a way that is not exact; the text says what to write instead."""


@dataclass(frozen=True)
class _Use:
    """Where a condition compares a column with numbers, as comparisons of one each."""

    start: int
    end: int
    comparisons: tuple[tuple[str, str], ...]  # operator and number
    joined: str = " AND "
    denied: bool = False


def exact_condition(
    connection: sqlite3.Connection, condition: str, columns: Mapping[str, Column]
) -> str:
    """The condition, in which numbers of many digits are compared as they are written.

    Raises:
        InexactError: a column of such numbers is calculated with.
    """
    tokens = split_condition(condition, columns)
    written, end = [], 0
    for index, token in enumerate(tokens):
        column = columns.get(token.value.lower())
        if token.kind != "column" or column is None or restorer(column.declared) is None:
            continue
        use = _find_use(tokens, index)
        long = connection.execute(
            "SELECT value FROM exact WHERE name = ? LIMIT 1", (column.name,)
        ).fetchone()
        if use is None:
            if long and not _asks_for_null(tokens, index):
                name = quote_plain(column.name)
                raise InexactError(
                    f"{column.name} has numbers of more than {DOUBLE_DIGITS} digits ({long[0]}), "
                    f"which are exact only where it is compared with numbers: write {name} >= 1 "
                    f"AND {name} <= 2, or keep the column as text"
                )
        elif long or any(_is_long(number) for _, number in use.comparisons):
            parts = [_write(connection, column, *each) for each in use.comparisons]
            joined = f"({use.joined.join(parts)})"
            written += [condition[end : use.start], f"NOT {joined}" if use.denied else joined]
            end = use.end
    return "".join([*written, condition[end:]])


def _write(connection: sqlite3.Connection, column: Column, sign: str, number: str) -> str:
    """One comparison: by doubles, but row by row where these are about the same."""
    name = quote_name(column.name)
    limit, double = Decimal(number), float(number)
    near = sorted((double * (1 - NEAR), double * (1 + NEAR)))
    found = connection.execute(
        f"SELECT row, {name}, (SELECT value FROM exact WHERE exact.row = products.row "
        f"AND name = ?) FROM products WHERE CAST({name} AS REAL) BETWEEN ? AND ?",
        (column.name, *near),
    ).fetchall()
    restore = restorer(column.declared) or (lambda value, exact: value)
    rows = {row: Decimal(str(restore(value, exact))) for row, value, exact in found}
    holding = [row for row, value in rows.items() if HOLDS[sign](value, limit)]
    by_double = f"CAST({name} AS REAL) {sign} {double!r} AND NOT row IN ({_list(rows)})"
    return f"(({by_double}) OR row IN ({_list(holding)}))"


def _list(rows: Iterable[int]) -> str:
    return ",".join(map(str, rows))


def _is_long(number: str) -> bool:
    digits = Decimal(number).as_tuple().digits
    return len("".join(map(str, digits)).strip("0")) > DOUBLE_DIGITS


def _find_use(tokens: Sequence[Token], index: int) -> _Use | None:
    """How a column is compared with numbers; None where it is used in another way."""
    before, after = _value(tokens, index - 1), _value(tokens, index + 1)
    if before in HOLDS and after in ENDS:
        return _mirrored_use(tokens, index)
    if before not in STARTS:
        return None
    start, at = tokens[index].start, index + 1
    denied = after == "not"
    at += denied
    word = _value(tokens, at)
    if word in HOLDS and not denied:
        found = _number(tokens, at + 1)
        return _Use(start, found.end, ((word, found.text),)) if found else None
    if word == "between":
        low = _number(tokens, at + 1, within=True)
        if low is None or _value(tokens, low.next) != "and":
            return None
        high = _number(tokens, low.next + 1)
        limits = ((">=", low.text), ("<=", high.text)) if high else ()
        return _Use(start, high.end, limits, denied=denied) if high else None
    if word == "in":
        return _listed_use(tokens, index, at, denied=denied)
    return None


def _listed_use(tokens: Sequence[Token], index: int, at: int, *, denied: bool) -> _Use | None:
    """The use of a column in `IN (1, 2)`; `at` is the position of IN."""
    numbers, position = [], at + 1
    while _value(tokens, position) in ("(", ","):
        found = _number(tokens, position + 1, within=True)
        if found is None:
            return None
        numbers.append(("=", found.text))
        position = found.next
    if not numbers or _value(tokens, position) != ")":
        return None
    end = tokens[position].start + 1
    return _Use(tokens[index].start, end, tuple(numbers), " OR ", denied)


def _mirrored_use(tokens: Sequence[Token], index: int) -> _Use | None:
    """The use of a column behind a number: `5 < price`."""
    start = index - 2
    if start < 0 or tokens[start].kind != "number":
        return None
    number = tokens[start].value
    if _value(tokens, start - 1) in ("-", "+"):
        start -= 1
        number = tokens[start].value + number
    if _value(tokens, start - 1) not in STARTS:
        return None
    sign = _value(tokens, index - 1)
    end = tokens[index].start + len(tokens[index].shown)
    return _Use(tokens[start].start, end, ((MIRRORED.get(sign, sign), number),))


@dataclass(frozen=True)
class _Number:
    """A number in a condition: as it is written, its end, and the token behind it."""

    text: str
    end: int
    next: int


def _number(tokens: Sequence[Token], at: int, *, within: bool = False) -> _Number | None:
    """The number that begins at a token; None where it is no number alone."""
    sign = ""
    while _value(tokens, at) in ("-", "+"):
        sign = _value(tokens, at) if not sign else ("-" if sign != _value(tokens, at) else "+")
        at += 1
    if at >= len(tokens) or tokens[at].kind != "number":
        return None
    behind = _value(tokens, at + 1)
    if behind in ARITHMETIC or (not within and behind not in ENDS):
        return None
    text = sign + tokens[at].value
    return _Number(text, tokens[at].start + len(tokens[at].shown), at + 1)


def _asks_for_null(tokens: Sequence[Token], index: int) -> bool:
    words = [_value(tokens, index + position) for position in (1, 2, 3)]
    return words[0] in ("isnull", "notnull") or "null" in (
        words[1] if words[0] in ("is", "not") else "",
        words[2] if words[:2] == ["is", "not"] else "",
    )


def _value(tokens: Sequence[Token], at: int) -> str:
    """The value of a token, for a text a quote; empty where there is none."""
    if not 0 <= at < len(tokens):
        return ""
    return "'" if tokens[at].kind == "text" else tokens[at].value
