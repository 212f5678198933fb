"""Operands that SQLite takes for others without a word: texts as numbers, values as conditions."""

from collections.abc import Mapping, Sequence

from prodmatch.products.column_storage import quote_plain, write_cast
from prodmatch.products.conditions import COMPARISONS, DATE, Column, Token, split_condition

CALCULATES = frozenset(["+", "-", "*", "/", "%"])
TEXTS = frozenset(["text", "char", "varchar", "nvarchar", "blob"])  # no numbers to cast to


def columns_as_numbers(condition: str, columns: Mapping[str, Column]) -> list[Column]:
    """The columns of text that a condition takes for numbers: CAST(price AS REAL), price + 0."""
    tokens = split_condition(condition, columns)
    values = ["", "", *(token.value for token in tokens), "", ""]
    kinds = ["", "", *(token.kind for token in tokens), "", ""]
    found = []
    for at, token in enumerate(tokens, start=2):
        if token.kind != "column" or columns[token.value.lower()].kind != "text":
            continue
        is_cast = (
            values[at - 2] == "cast" and values[at + 1] == "as" and values[at + 2] not in TEXTS
        )
        is_negative = values[at - 1] == "-" and kinds[at - 2] not in ("column", "number")
        others = [
            tokens[position - 2].value.lower() if kinds[position] == "column" else ""
            for position, sign in ((at + 2, values[at + 1]), (at - 2, values[at - 1]))
            if sign in COMPARISONS or sign in CALCULATES
        ]
        meets_number = any(name and columns[name].kind == "number" for name in others)
        is_rounded = values[at - 2] in ("abs", "round", "max", "min") and values[at - 1] == "("
        calculates = (values[at + 1] in CALCULATES and kinds[at + 2] == "number") or (
            values[at - 1] in CALCULATES and kinds[at - 2] == "number"
        )
        if is_cast or is_rounded or calculates or is_negative or meets_number:
            found.append(columns[token.value.lower()])
    return found


def explain_amount(column: Column, value: str) -> str:
    """Why a column of text is not to be taken for numbers, by a value that SQLite reads in part."""
    if DATE.fullmatch(value):
        name = quote_plain(column.name)
        return f"{column.name} is a date ({value!r}); write date({name}, '+7 days') to move it"
    return (
        f"{column.name} is text ({value!r}), of which a number is read only up to the first sign "
        f"that is no digit; convert the column, or write {write_cast(column.name, value)} for it"
    )


def find_null(condition: str, columns: Mapping[str, Column]) -> str | None:
    """What is wrong with a NULL behind a comparison, or in the list of IN; None if nothing is."""
    tokens = split_condition(condition, columns)
    values = ["", "", *(token.value if token.kind in ("word", "sign") else "" for token in tokens)]
    bracket = 0  # the last one
    for at, value in enumerate(values):
        bracket = at if value in ("(", ")") else bracket
        is_listed = values[bracket] == "(" and values[bracket - 1] == "in"
        if value == "null" and (is_listed or values[at - 1] in COMPARISONS - {"is"}):
            return "nothing is equal to NULL; write IS NULL or IS NOT NULL"
    return None


def find_lone(condition: str, columns: Mapping[str, Column]) -> list[Token]:
    """The texts, numbers and columns that are conditions by themselves.

    'blue' in `colour = 'red' OR 'blue'` is never true, `price` true of any that is not 0.
    """
    tokens = split_condition(condition, columns)
    words = (token.value if token.kind in ("word", "sign") else "" for token in tokens)
    padded = ["", "", "", *words, ""]
    return [
        token
        for at, token in enumerate(tokens, 3)
        if token.kind in ("text", "number", "column") and _is_lone(padded, at)
    ]


def _is_lone(padded: Sequence[str], at: int) -> bool:
    """Whether nothing is done with the operand at a position, which may stand in brackets."""
    left, right = at - 1, at + 1
    while padded[left] == "(" and padded[right] == ")":
        left, right = left - 1, right + 1
    starts = (
        left < 3
        or padded[left] == "or"
        or (padded[left] == "not" and padded[left - 1] != "is")
        or (padded[left] == "and" and "between" not in padded[left - 3 : left])
        or (padded[left] == "(" and padded[left - 1] in ("", "and", "or", "not", "("))
    )
    return starts and (right >= len(padded) - 1 or padded[right] in ("and", "or", ")"))


def explain_lone(token: Token, columns: Mapping[str, Column]) -> str:
    """What to write instead of a value or a column that is a condition by itself."""
    if token.kind != "column":
        name = "colour" if token.kind == "text" else "price"
        return f"{token.shown} stands alone; repeat the column: {name} = {token.shown}"
    column = columns[token.value.lower()]
    compared = f"= {column.sample!r}" if column.kind == "text" else "> 0"
    return f"{token.shown} stands alone; compare it: {token.shown} {compared}"
