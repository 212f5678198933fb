"""Job: values of a catalogue's columns that products lack, and labels that look wrong."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.attributes.cases import (
    SCHEMA,
    ColumnResult,
    as_table,
    predict_column,
    suggest_column,
)
from prodmatch.attributes.labels import (
    MIN_LABELLED,
    Decisions,
    UnsuitableColumn,
    check_labels,
    read_decisions,
    read_labels,
    unite_spellings,
)
from prodmatch.attributes.learn import Source
from prodmatch.attributes.tagged import Tagged, TagReport
from prodmatch.errors import QueryError, require_path, require_type
from prodmatch.search.product_index import ProductIndex
from prodmatch.search.searcher import Searcher
from prodmatch.storage.atomic import new_file
from prodmatch.storage.product_file import read_column

logger = logging.getLogger(__name__)
NEVER = ("product_id", "title", "description")  # chosen where no column is named


@dataclass(frozen=True)
class TagSettings:
    """What is predicted, and how surely."""

    columns: Sequence[str] = ()  # which ones; all that are suited if none is named
    precision: float = 0.95  # share of the accepted predictions that are to be right
    # Of columns that no product has a value of, by column.
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    labels: Sequence[Path] = ()  # files of decisions, see `read_decisions`
    product_ids: Collection[str] | None = None  # the products that rows are written of; all if None

    def __post_init__(self) -> None:
        for name in ("columns", "labels"):
            value = getattr(self, name)
            require_type(value, list | tuple, f"`{name}`", "Give a list.", QueryError)
        labels = tuple(require_path(each, "labels") for each in self.labels)
        object.__setattr__(self, "labels", labels)


def tag_products(
    index: ProductIndex, out: Path | str, settings: TagSettings | None = None
) -> Tagged:
    """Predicts missing values and names doubtful ones, and writes both as a Parquet file.

    A column is learnt from the products that have a value: a linear classifier over their vectors
    and words, fitted five times without a fifth of them each, so that its precision is measured
    on products it was not fitted with. Where nobody has a value, it is learnt from the products
    whose text names one of the values given. What stays below the precision is abstained from, and
    so is a product that is like none of the labelled ones.

    Args:
        out: the file to write: a row for each product without a value, and each doubtful label.

    Raises:
        QueryError: a column or a file of decisions cannot be used; says why.
        StoreError: `out` cannot be written.
        DamagedError: the generation cannot be read.
    """
    out = require_path(out, "out")
    settings, searcher = settings or TagSettings(), index.searcher
    _check_names(searcher, settings)
    folder = searcher.generation.folder
    product_ids = read_column(folder, "product_id").combine_chunks()
    source = Source(searcher.ann, read_column(folder, "text"))
    decided = read_decisions(settings.labels, searcher.products.columns)
    warnings = _unknown(decided, product_ids)
    wanted = _wanted(settings.product_ids, product_ids, warnings)
    found = _predict(searcher, source, settings, decided, (product_ids, wanted), warnings)
    tables = {name: as_table(result, product_ids) for name, result in found.items()}
    _write(out, tables)
    report = TagReport(
        out=str(out),
        generation=searcher.generation.number,
        products=searcher.generation.product_count,
        precision=settings.precision,
        columns={name: result.figures for name, result in found.items()},
        decisions=sum(map(len, decided.values())),
        rows=sum(map(len, tables.values())),
        warnings=[*warnings, *(w for result in found.values() for w in result.warnings)],
    )
    return Tagged(report, tables, {name: result.values for name, result in found.items()})


def _predict(
    searcher: Searcher,
    source: Source,
    settings: TagSettings,
    decided: Decisions,
    products: tuple[pa.Array, npt.NDArray[np.bool_]],
    warnings: list[str],
) -> dict[str, ColumnResult]:
    """What is predicted of each column.

    Args:
        products: their ids, and which of them are wanted.
        warnings: that columns not named that are not suited, and values not used, are added to.
    """
    folder, (product_ids, wanted) = searcher.generation.folder, products
    chosen = [*dict.fromkeys([*settings.columns, *settings.values])]
    found: dict[str, ColumnResult] = {}
    for column in chosen or [name for name in searcher.products.columns if name not in NEVER]:
        logger.info("predicting %s", column, extra={"phase": f"predict {column}"})
        try:
            labels = read_labels(folder, column, product_ids, decided.get(column, {}))
            named = tuple(unite_spellings(settings.values.get(column, ())).values())
            if named and len(labels.labelled) < MIN_LABELLED:
                found[column] = suggest_column(
                    searcher, source, labels, named, settings.precision, wanted
                )
            else:
                check_labels(labels)
                if named:
                    warnings.append(
                        f"`values={column}`: {len(labels.labelled)} products have a value, enough "
                        "to learn from; the values named are not used."
                    )
                found[column] = predict_column(source, labels, settings.precision, wanted)
        except UnsuitableColumn as error:
            if chosen:
                raise
            warnings.append(f"not predicted: {error}")
    if not found:
        raise QueryError("no column can be predicted. " + " ".join(warnings))
    return found


def _check_names(searcher: Searcher, settings: TagSettings) -> None:
    """Checks columns and values before the time that learning takes."""
    for name in settings.columns:
        searcher.products.check_column(name, "column")
    for name, values in settings.values.items():
        searcher.products.check_column(name, "values")
        if (count := len(unite_spellings(values))) < 2:
            raise QueryError(f"`values={name}`: names {count} value; two are needed.")
    if "product_id" in settings.columns:
        raise QueryError("`column=product_id`: an id is no attribute.")
    if not 0.5 <= settings.precision < 1:
        raise QueryError(f"`precision={settings.precision:g}`: must be from 0.5 to below 1.")


def _unknown(decided: Mapping[str, Mapping[str, str]], product_ids: pa.Array) -> list[str]:
    ids = sorted({product_id for each in decided.values() for product_id in each})
    known = pa.compute.is_in(pa.array(ids, pa.string()), value_set=product_ids).to_pylist()
    unknown = [product_id for product_id, there in zip(ids, known, strict=True) if not there]
    if not unknown:
        return []
    return [f"labels: {len(unknown)} products are not in the index, such as {unknown[0]!r}."]


def _wanted(
    wanted: Collection[str] | None, product_ids: pa.Array, warnings: list[str]
) -> npt.NDArray[np.bool_]:
    """Which products rows are written of."""
    if wanted is None:
        return np.ones(len(product_ids), np.bool_)
    given = pa.array(sorted(wanted), pa.string())
    found = pa.compute.is_in(product_ids, value_set=given).to_numpy(zero_copy_only=False)
    if found.sum() < len(given):
        warnings.append(
            f"{len(given) - int(found.sum())} of {len(given)} products of the catalogue are not in "
            "the index. Run `build(catalogue)` first."
        )
    return np.asarray(found, np.bool_)


def _write(out: Path, tables: Mapping[str, pa.Table]) -> None:
    with new_file(out) as file, pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        for table in tables.values():
            writer.write_table(table)
