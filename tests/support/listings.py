"""Listings of shops with codes and pictures of their own, and stores that are made of them."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from small import COLOURS, KINDS, SCHEMA, Row, draw
from tiny import night, save_query_encoders

from prodmatch.model.description import Model


def listing(product_id: str, number: int) -> Row:
    """One of a series, whose title, price and picture follow from its number."""
    colour = list(COLOURS)[number % 3]
    return {
        "product_id": product_id,
        "title": f"{colour} {KINDS[number % 5]} number QX{100 + 7 * number}",
        "description": None,
        "colour": colour,
        "price": float(number + 1),
        "image": draw(COLOURS[colour], number),
    }


def publish(folder: Path, model: Model, rows: Sequence[Row], schema: pa.Schema = SCHEMA) -> Path:
    """A night over these rows; a first one where there was none."""
    if not folder.exists():
        folder.mkdir()
        save_query_encoders(folder / "store", model)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / "catalogue.parquet")
    night(folder / "catalogue.parquet", model, folder / "store")
    return folder / "store"
