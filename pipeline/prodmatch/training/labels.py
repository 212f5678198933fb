"""Labels: queries, the products they were judged by, and how well these fit."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prodmatch.catalogue.records import read_records
from prodmatch.errors import ModelError, QueryError

FEWEST_LABELS = 50


@dataclass(frozen=True, slots=True)
class Label:
    """One judgment: of bought or not bought, the label is 1 or 0."""

    query: str
    product_id: str
    label: float  # in 0..1; grades are divided by the highest


def read_labels(path: Path) -> list[Label]:
    """The labels in a Parquet, CSV or JSON lines file with `query`, `product_id` and `label`.

    A label is a truth value or a number from 0 up, higher for a better fit.

    Raises:
        ModelError: a field is missing or of another kind, there are fewer than fifty labels
            above 0, or all labels are equal and 0.
    """
    try:
        rows = read_records(path, "`labels`", numbers=["label"])
    except QueryError as error:
        raise ModelError(str(error)) from error
    found = [_read_row(row, number, path) for number, row in enumerate(rows, start=1)]
    highest = max(label.label for label in found)
    positive = sum(label.label > 0 for label in found)
    if positive < FEWEST_LABELS:
        raise ModelError(
            f"`labels` {path}: {positive} of {len(found)} labels are above 0; heads need at least "
            f"{FEWEST_LABELS} products that fit. Give more, or train without labels."
        )
    return [Label(label.query, label.product_id, label.label / highest) for label in found]


def _read_row(row: Mapping[str, object], number: int, path: Path) -> Label:
    query, product_id, label = (row.get(name) for name in ("query", "product_id", "label"))
    if not isinstance(query, str) or not query.strip() or product_id is None:
        raise ModelError(
            f"`labels` {path}: row {number} needs query, product_id and label; "
            f"found {', '.join(row)} with {query!r} and {product_id!r}."
        )
    if not isinstance(label, bool | int | float) or not 0 <= label < np.inf:
        raise ModelError(
            f"`labels` {path}: row {number}: the label is {label!r}; labels are true or false, "
            "or numbers from 0 up."
        )
    return Label(query, str(product_id), float(label))
