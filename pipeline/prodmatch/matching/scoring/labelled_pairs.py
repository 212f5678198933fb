"""Labelled pairs in a file: left, right, match."""

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
    """Rows of pairs, and whether each is one product.

    `unknown` rows of the file, such as `unknown_id`, name products that are not in the index;
    `contradicting` pairs have both labels, and both count.
    """

    rows: Ints
    others: Ints
    match: npt.NDArray[np.bool_]
    unknown: int = 0
    unknown_id: str = ""
    contradicting: int = 0


def read_labelled_pairs(path: Path, find_row: FindRow, find_other: FindRow) -> LabelledPairs:
    """The pairs of a CSV, Parquet or JSON-lines file, in order.

    Args:
        path: with `left`, `right` (ids of products) and `match` (true or false).
        find_row: gives the row of an id of the left side, None where there is none.
        find_other: of the right side.

    Raises:
        QueryError: it cannot be read, a label is none, or no pair is known.
    """
    labels: list[tuple[int, int, bool]] = []
    unknown, example = 0, ""
    records = read_records(path, "`pairs`")
    _check_columns(path, records[0])
    for number, record in enumerate(records, start=1):
        ids = [str(record.get(side)) for side in ("left", "right")]
        row, other = find_row(ids[0]), find_other(ids[1])
        label = _read_label(path, number, record.get("match"))
        if row is None or other is None:
            unknown += 1
            example = example or ids[0 if row is None else 1]
        else:
            labels.append((row, other, label))
    if not labels:
        raise QueryError(
            f"`pairs` {path}: none of {len(records)} pairs is known; {example!r} is the id of no "
            "product. Compare the ids with those of the index; left is of this store."
        )
    rows, others, match = (np.array(each) for each in zip(*labels, strict=True))
    contradicting = len(set(labels)) - len({each[:2] for each in labels})
    return LabelledPairs(rows, others, match, unknown, example, contradicting)


def _check_columns(path: Path, record: dict[str, object]) -> None:
    missing = [name for name in ("left", "right", "match") if name not in record]
    if missing:
        raise QueryError(
            f"`pairs` {path}: has no column {' and none '.join(map(repr, missing))}; found "
            f"{', '.join(map(str, record))[:200]}. Needed are left, right and match."
        )


def _read_label(path: Path, number: int, value: object) -> bool:
    text = str(value).strip().lower()
    if text.removesuffix(".0") in YES:
        return True
    if text.removesuffix(".0") in NO:
        return False
    raise QueryError(f"`pairs` {path}: row {number}: match is {value!r}. Give true or false.")
