"""`check` and the first night name prices that nothing can be compared with."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny import embed_tiny, save_query_encoders

from prodmatch.catalogue.reader import open_catalogue
from prodmatch.check import check_catalogue
from prodmatch.model.description import Model

TEXT_PRICES: dict[str, tuple[dict[str, Sequence[object]], str]] = {
    "text": ({"Preis": ["1.299,00 \u20ac", "5,00 \u20ac"]}, "prices that are text: Preis; "),
    "a number too": ({"price": [1.5, 2.0], "old_price": ["$2", "$3"]}, ""),
    "no prices": ({"price_currency": ["EUR", "USD"], "price_range": ["$", "$$"]}, ""),
}


@pytest.mark.parametrize("name", TEXT_PRICES)
def test_prices_that_are_text_are_named(name: str, tmp_path: Path, tiny: Model) -> None:
    columns, expected = TEXT_PRICES[name]
    table = {"product_id": ["p0", "p1"], "title": ["red mug", "blue mug"], **columns}
    pq.write_table(pa.table(table), tmp_path / "c.parquet")
    checked = check_catalogue(open_catalogue(tmp_path / "c.parquet"), workers=0).warnings
    save_query_encoders(tmp_path / "store", tiny)
    embedded = embed_tiny(open_catalogue(tmp_path / "c.parquet"), tiny, tmp_path / "store").warnings
    for warnings in (checked, embedded):
        found = [text for text in warnings if text.startswith("prices that are text")]
        assert [text.startswith(expected) for text in found] == [True] * bool(expected)
