"""The first night names the columns that are not searched though they look like it."""

from pathlib import Path

import pytest
from small import products, write
from tiny import embed_tiny, save_query_encoders, save_tiny_model

from prodmatch.catalogue.reader import CatalogueOptions, open_catalogue


@pytest.mark.parametrize(
    ("chosen", "named"), [((), True), (("title",), False), (("title", "colour"), False)]
)
def test_it_is_named_once_and_only_where_none_were_chosen(
    tmp_path: Path, chosen: tuple[str, ...], named: bool
) -> None:
    model, store = save_tiny_model(tmp_path / "model"), tmp_path / "store"
    save_query_encoders(store, model)
    catalogue = write(tmp_path / "c.parquet", products(6))
    opened = open_catalogue(catalogue, CatalogueOptions(text_columns=chosen))
    first, second = (embed_tiny(opened, model, store).warnings for _ in range(2))
    expected = (
        "columns not searched that look as if they should be: colour; give "
        "`text_columns=title,description,colour` (`check(catalogue)` says what is in them)"
    )
    assert first == ([expected] if named else [])
    assert second == []


def test_an_empty_column_is_called_empty_and_not_one_to_search(tmp_path: Path) -> None:
    model, store = save_tiny_model(tmp_path / "model"), tmp_path / "store"
    save_query_encoders(store, model)
    catalogue = write(tmp_path / "c.parquet", [row | {"colour": None} for row in products(6)])
    warnings = embed_tiny(open_catalogue(catalogue), model, store).warnings
    assert warnings == ["column 'colour' is empty"]
