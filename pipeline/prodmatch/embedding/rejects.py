"""The rows of a night that are not embedded: listed, counted, and too many of them refused."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.catalogue.part_checks import name_whole_exports
from prodmatch.catalogue.reader import Catalogue
from prodmatch.catalogue.rows import REPEATED, Reject
from prodmatch.embedding.nights.tonight import Tonight
from prodmatch.errors import CatalogueError
from prodmatch.storage.atomic import new_file

SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("product_id", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("embedded", pa.bool_()),
    ]
)


def write_rejects(path: Path, tonight: Tonight) -> None:
    """Writes the rejects of a night, and the pictures that products do without, by their rows."""
    listed = [(reject, False) for reject in tonight.rejects]
    unusable = [*tonight.images_unusable, *tonight.listed_unusable]
    listed += [(reject, True) for reject in unusable]
    listed.sort(key=lambda pair: pair[0].row)
    rows = [{**asdict(reject), "embedded": embedded} for reject, embedded in listed]
    table = pa.Table.from_pylist(rows, SCHEMA)
    with new_file(path) as file:
        pq.write_table(table, file)


def check_rejects(catalogue: Catalogue, tonight: Tonight, path: Path, limit: float) -> list[str]:
    """A warning of the rejects, if there are any.

    Raises:
        CatalogueError: there is no product, or there are too many rejects.
    """
    rows, rejects = catalogue.row_count, tonight.rejects
    reasons = ", ".join(f"{name} {count}" for name, count in count_reasons(rejects).items())
    text = f"{len(rejects)} of {rows} rows are rejected ({reasons})"
    repeated = [reject.row for reject in rejects if reject.reason == REPEATED]
    copies = name_whole_exports(catalogue.parts, repeated)
    if len(rejects) < rows and len(rejects) / rows <= limit:
        return [f"{text}; {path} lists them", *filter(None, [copies])] if rejects else []
    raise CatalogueError(
        f"{catalogue.name}: {text}, more than `max_reject={limit:g}` allows; embeddings stay as "
        f"they were. {copies or f'See {path}, correct the rows or raise the limit.'}"
    )


def count_reasons(rejects: Sequence[Reject]) -> dict[str, int]:
    """How many rejects there are by reason, the most common first."""
    return dict(Counter(reject.reason for reject in rejects).most_common())
