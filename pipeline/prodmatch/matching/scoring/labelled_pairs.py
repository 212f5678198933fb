"""Labelled pairs in a file: left, right, match; to learn from, or decided by a person."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from prodmatch.catalogue.records import read_records
from prodmatch.errors import QueryError
from prodmatch.matching.listings.numbered_listings import Ints

YES = frozenset("1 true yes y t match same".split())  # noqa: SIM905
NO = frozenset("0 false no n f different variant".split())  # noqa: SIM905
FindRow = Callable[[str], int | None]


@dataclass(frozen=True)
class LabelledPairs:
    """Rows of pairs, and whether each is one product; each pair once.

    Rows of the file that are left out: `unknown` ones, such as of `unknown_id`, name products that
    are not in the index; `own` ones pair a product with itself; `repeated` ones are of a pair that
    an earlier one has; `contradicting` pairs have both labels.
    """

    rows: Ints
    others: Ints
    match: npt.NDArray[np.bool_]
    unknown: int = 0
    unknown_id: str = ""
    own: int = 0
    repeated: int = 0
    contradicting: int = 0


def read_labelled_pairs(
    path: Path, find_row: FindRow, find_other: FindRow, *, is_one: bool, option: str = "pairs"
) -> LabelledPairs:
    """The pairs of a CSV, Parquet or JSON-lines file, in order.

    It has `left`, `right` (ids of products) and `match` (true or false). Where `is_one`, a pair is
    the same the other way round.

    Args:
        option: what the file is given as; decisions may all be on products that are gone.

    Raises:
        QueryError: it cannot be read, an id or a label is none, or no pair to learn from is known.
    """
    labels: dict[tuple[int, int], set[bool]] = {}
    unknown, own, known, example = 0, 0, 0, ""
    records = read_records(path, f"`{option}`")
    place = f"`{option}` {path}"
    _check_columns(place, records[0])
    for number, record in enumerate(records, start=1):
        row_place = f"{place}: row {number}"
        left, right = (_read_id(row_place, record, side) for side in ("left", "right"))
        row, other = find_row(left), find_other(right)
        label = _read_label(row_place, record.get("match"))
        if row is None or other is None:
            unknown += 1
            example = example or (left if row is None else right)
        elif is_one and row == other:
            own += 1
        else:
            known += 1
            there = is_one and (other, row) in labels
            labels.setdefault((other, row) if there else (row, other), set()).add(label)
    if unknown == len(records) and option == "pairs":
        raise QueryError(
            f"{place}: none of {len(records)} pairs is known; {example!r} is the id of no "
            "product. Compare the ids with those of the index; left is of this store."
        )
    clear = {pair: next(iter(found)) for pair, found in labels.items() if len(found) == 1}
    rows, others = np.array(list(clear), np.int64).reshape(-1, 2).T
    match = np.array(list(clear.values()), np.bool_)
    contradicting = len(labels) - len(clear)
    repeated = known - len(labels)
    return LabelledPairs(rows, others, match, unknown, example, own, repeated, contradicting)


def _check_columns(place: str, record: dict[str, object]) -> None:
    missing = [name for name in ("left", "right", "match") if name not in record]
    if missing:
        raise QueryError(
            f"{place}: has no column {' and none '.join(map(repr, missing))}; found "
            f"{', '.join(map(str, record))[:200]}. Needed are left, right and match."
        )


def _read_id(place: str, record: dict[str, object], side: str) -> str:
    value = record.get(side)
    if value is None:
        raise QueryError(f"{place}: {side} is empty. Give a product's id.")
    if isinstance(value, float) and value.is_integer():  # with empty cells, numbers are these
        return str(int(value))
    return str(value)


def _read_label(place: str, value: object) -> bool:
    text = str(value).strip().lower()
    if text.removesuffix(".0") in YES:
        return True
    if text.removesuffix(".0") in NO:
        return False
    raise QueryError(f"{place}: match is {value!r}. Give true or false.")
