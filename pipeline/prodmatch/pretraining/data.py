"""The files that encoders are trained from, read and checked."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.catalogue.column_types import is_text
from prodmatch.errors import ModelError
from prodmatch.training.pairs import TextPair


def read_text_rows(
    path: Path | None, columns: list[str], optional: Sequence[str] = ()
) -> list[dict[str, str]]:
    """Rows of a Parquet file of texts, none where there is no file.

    Args:
        path: the file.
        columns: what a row must have; rows with an empty one are left out.
        optional: columns that are read where the file has them.

    Raises:
        ModelError: it cannot be read, lacks a column, or a needed one is not of texts.
    """
    if path is None:
        return []
    try:
        present = pq.read_schema(path).names
        chosen = [*columns, *(name for name in optional if name in present)]
        table = pq.read_table(path, columns=chosen)
    except (OSError, KeyError, pa.ArrowInvalid) as error:
        raise ModelError(
            f"{path}: is no Parquet file with {', '.join(columns)} ({error})."
        ) from error
    for name in columns:
        kind = table.schema.field(name).type
        if not (is_text(kind) or pa.types.is_null(kind)):
            raise ModelError(
                f"{path}: the column '{name}' holds {kind}, not texts. Write it as strings."
            )
    rows: list[dict[str, str]] = table.to_pylist()
    return [row for row in rows if all(row[name] for name in columns)]


def read_text_pairs(path: Path | None) -> list[TextPair]:
    """Pairs of texts of one product, none where there is no file.

    Raises:
        ModelError: it cannot be read, or lacks `left` or `right`.
    """
    return [
        TextPair(row["left"], row["right"], str(row.get("source") or ""))
        for row in read_text_rows(path, ["left", "right"], ["source"])
    ]


def check_splits(catalogue: Path) -> None:
    """Raise unless every row of a training catalogue is marked `train` or `val`.

    Raises:
        ModelError: names the splits found, so that no test row gets into any training stage.
    """
    try:
        splits = set(pq.read_table(catalogue, columns=["split"])["split"].unique().to_pylist())
    except (OSError, KeyError, pa.ArrowInvalid) as error:
        raise ModelError(f"{catalogue}: has no readable column 'split' ({error}).") from error
    if not splits <= {"train", "val"}:
        raise ModelError(
            f"{catalogue}: the column 'split' holds {sorted(map(str, splits))}; only 'train' and "
            "'val' may be there, so that nothing held out for testing is trained on."
        )
