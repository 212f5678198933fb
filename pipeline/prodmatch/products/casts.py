"""Conditions that take a column of text for numbers, of which SQLite reads "2,001.87" as 2."""

from collections.abc import Mapping

from prodmatch.products.conditions import Column, quote_plain, split_condition

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
        is_rounded = values[at - 2] in ("abs", "round", "max", "min") and values[at - 1] == "("
        calculates = (values[at + 1] in CALCULATES and kinds[at + 2] == "number") or (
            values[at - 1] in CALCULATES and kinds[at - 2] == "number"
        )
        if is_cast or is_rounded or calculates:
            found.append(columns[token.value.lower()])
    return found


def explain_amount(column: Column, value: str) -> str:
    """Why a column of text is not to be taken for numbers, by a value that SQLite reads in part."""
    return (
        f"{column.name} is text ({value!r}), of which a number is read only up to the first sign "
        f"that is no digit; convert the column, or write "
        f"CAST(REPLACE({quote_plain(column.name)}, ',', '') AS REAL) for it"
    )
