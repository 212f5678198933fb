"""The values that products have in a column, and those that a person decided on."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from prodmatch.catalogue.column_types import is_text
from prodmatch.columns.placeholders import is_placeholder
from prodmatch.errors import QueryError
from prodmatch.storage.product_file import open_products
from prodmatch.storage.vectors import Codes

MIN_SUPPORT = 5  # products of a value that can be learnt
MIN_LABELLED = 50  # products that have a value, for a precision to be measured
MOST_VALUES = 300
LEARNABLE = 0.5  # of the labelled products must have a value that can be learnt
RARE, MISSING = -1, -2  # codes
Decisions = Mapping[str, Mapping[str, str]]  # column -> product_id -> value, "" for none of them


class UnsuitableColumn(QueryError):
    """A column whose values cannot be predicted: of numbers, of one value, of too many."""


@dataclass(frozen=True)
class Labels:
    """A column's values."""

    column: str  # its name
    # Those of enough products in their commonest spelling, in alphabetical order.
    values: tuple[str, ...]
    codes: Codes  # `(products,)`, the number of each one's value, `RARE` or `MISSING`
    decided: npt.NDArray[np.bool_]  # `(products,)`, whether a person decided on it
    # `(products,)`, the value as the catalogue has it, None where there is none.
    given: npt.NDArray[np.object_]

    @property
    def labelled(self) -> Codes:
        """The rows that have a value, rare ones too."""
        return np.flatnonzero(self.codes != MISSING)

    @property
    def missing(self) -> Codes:
        """The rows that have none, and on which nobody decided."""
        return np.flatnonzero((self.codes == MISSING) & ~self.decided)


def read_labels(
    folder: Path, column: str, product_ids: pa.Array, decided: Mapping[str, str]
) -> Labels:
    """A column of a generation's products, with what a person decided in place of its values.

    Values that differ in case and spaces alone are one.

    Args:
        product_ids: of the generation, row by row.
        decided: values by product_id; "" for none.

    Raises:
        UnsuitableColumn: it is of numbers or times.
        DamagedError: the file cannot be read.
    """
    texts = _read_texts(folder, column)
    fixed = np.zeros(len(texts), np.bool_)
    if decided:
        rows = pa.compute.index_in(pa.array(list(decided)), value_set=product_ids).to_pylist()
        for row, value in zip(rows, decided.values(), strict=True):
            if row is not None:
                texts[row], fixed[row] = value or None, True
    spellings = Counter(text for text in texts.tolist() if text)
    commonest = unite_spellings(sorted(spellings, key=lambda text: (-spellings[text], text)))
    folded = {text: fold_value(text) for text in spellings}
    keys = [folded.get(text, "") for text in texts.tolist()]
    found, codes = np.unique(np.array(keys, np.str_), return_inverse=True)
    counts = np.bincount(codes, minlength=len(found))
    kept = np.flatnonzero((counts >= MIN_SUPPORT) & (found != ""))
    numbers = np.full(len(found), RARE, np.int64)
    numbers[kept] = np.arange(len(kept))
    numbers[found == ""] = MISSING
    values = tuple(commonest[str(value)] for value in found[kept])
    return Labels(column, values, numbers[codes], fixed, texts)


def fold_value(value: str) -> str:
    """What all spellings of a value, in capitals or with more spaces, have in common."""
    return " ".join(value.casefold().split())


def unite_spellings(values: Iterable[str]) -> dict[str, str]:
    """The first spelling of each value, by its folded form."""
    found: dict[str, str] = {}
    for value in values:
        found.setdefault(fold_value(value), value)
    return found


def check_labels(labels: Labels) -> None:
    """Checks that a classifier can learn a column, and be measured.

    Raises:
        UnsuitableColumn: says why not.
    """
    name, count = labels.column, len(labels.labelled)
    if not count:
        raise UnsuitableColumn(
            f"`column={name}`: no product has a value. Name the values with `values`, such as "
            f"`values={name}=red,blue`."
        )
    values = unite_spellings({value for value in labels.given.tolist() if value})
    distinct = len(values)
    if distinct == 1:
        (value,) = labels.values or values.values()
        raise UnsuitableColumn(
            f"`column={name}`: all {count} products that have a value have {value!r}; two values "
            "are needed."
        )
    learnable = int((labels.codes >= 0).sum())
    if len(labels.values) > MOST_VALUES or learnable < LEARNABLE * count:
        raise UnsuitableColumn(
            f"`column={name}`: has {distinct} values, of which {len(labels.values)} are of "
            f"{MIN_SUPPORT} products or more; at most {MOST_VALUES} can be learnt, and they must "
            "be those of half of the products. Predict a coarser column."
        )
    if count < MIN_LABELLED or len(labels.values) < 2:
        raise UnsuitableColumn(
            f"`column={name}`: {count} products have a value, and {len(labels.values)} values are "
            f"of {MIN_SUPPORT} products or more; {MIN_LABELLED} products and two such values are "
            "needed for a precision to be measured."
        )


def read_decisions(paths: Sequence[Path], columns: Sequence[str]) -> dict[str, dict[str, str]]:
    """What a person decided, by column and product; later files go before earlier ones.

    Args:
        paths: CSV, JSON lines or Parquet of `product_id`, `column` and `value`, as the page of
            `tag` saves them; an empty value stands for none.

    Raises:
        QueryError: a file cannot be read, has other columns, or names one that there is not.
    """
    found: dict[str, dict[str, str]] = {}
    for path in paths:
        for row in _read_table(path).to_pylist():
            name = str(row["column"])
            if name not in columns:
                raise QueryError(
                    f"`labels` {path}: there is no column {name!r} in the catalogue. There are "
                    f"{', '.join(columns)[:300]}."
                )
            found.setdefault(name, {})[str(row["product_id"])] = (row["value"] or "").strip()
    return found


def _read_table(path: Path) -> pa.Table:
    names = ["product_id", "column", "value"]
    if not path.exists():
        raise QueryError(f"`labels` {path}: there is no such file.")
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            table = pq.read_table(path)
        elif path.suffix.lower() in (".jsonl", ".ndjson", ".json"):
            table = pa.json.read_json(path)
        else:
            kinds = pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
            table = pa.csv.read_csv(path, convert_options=kinds)
        missing = [name for name in names if name not in table.column_names]
        if not missing:
            return table.select(names).cast(pa.schema([(name, pa.string()) for name in names]))
    except (OSError, pa.ArrowException) as error:
        raise QueryError(f"`labels` {path}: cannot be read ({error}).") from error
    raise QueryError(
        f"`labels` {path}: has no column {missing[0]!r}; found {', '.join(table.column_names)}. "
        "It needs product_id, column and value, as the page of `tag()` saves them."
    )


def _read_texts(folder: Path, column: str) -> npt.NDArray[np.object_]:
    """The values of a column as texts, None for what is none."""
    with open_products(folder) as file:
        kind = file.schema_arrow.field(column).type
        if not (pa.types.is_boolean(kind) or pa.types.is_null(kind) or is_text(kind)):
            raise UnsuitableColumn(
                f"`column={column}`: is of the type {kind}; values are predicted of columns of "
                "texts and of booleans. Write it as texts into the catalogue if it names kinds."
            )
        cells = file.read(columns=[column])[column].cast(pa.string()).to_pylist()
    cleaned: dict[str | None, str | None] = {None: None}
    for cell in set(cells) - {None}:
        cleaned[cell] = None if is_placeholder(cell) or not cell.strip() else cell.strip()
    return np.array([cleaned[cell] for cell in cells], np.object_)
