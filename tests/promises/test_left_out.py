"""A column that is left out is in no file of the store, in no answer, and stays out for good."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small import SCHEMA, Row, products
from store_files import files_with
from tiny import embed_tiny, save_query_encoders

from prodmatch.catalogue.reader import CatalogueOptions, open_catalogue
from prodmatch.catalogue.remembered import open_remembered
from prodmatch.errors import CatalogueError, DamagedError
from prodmatch.export import export_embeddings
from prodmatch.index import index_embeddings
from prodmatch.model.description import Model
from prodmatch.search.product_index import open_index
from prodmatch.storage.garbage import collect_garbage
from prodmatch.storage.generations import open_generation
from prodmatch.storage.settings import read_settings

SECRET = "xq7secret"  # in every value of the column, and in nothing else
OPTIONS = CatalogueOptions(leave_out=("supplier_email",))


def save(
    path: Path, *, leave_out: str = "", columns: tuple[str, ...] = ("supplier_email",)
) -> Path:
    rows: list[Row] = [
        {**row, **{name: f"{SECRET}{number}@shop.example" for name in columns}}
        for number, row in enumerate(products(9))
    ]
    schema = pa.schema([*SCHEMA, *((name, pa.string()) for name in columns)])
    table = pa.Table.from_pylist(rows, schema=schema)
    pq.write_table(table.drop_columns([leave_out] if leave_out else []), path)
    return path


@pytest.fixture
def store(tiny: Model, tmp_path: Path) -> Path:
    save_query_encoders(tmp_path / "store", tiny)
    return tmp_path / "store"


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    return save(tmp_path / "c.parquet")


def test_no_file_holds_what_is_left_out_on_any_night(
    store: Path, catalogue: Path, tiny: Model
) -> None:
    embed_tiny(open_remembered(store, catalogue, OPTIONS), tiny, store)
    index_embeddings(store)
    embed_tiny(open_remembered(store), tiny, store)  # a later run does not name it
    index_embeddings(store)
    export_embeddings(open_generation(store), "parquet", store.parent / "out")
    assert files_with(store, SECRET) == []
    assert files_with(store.parent / "out", SECRET) == []
    assert files_with(store, "supplier_email") == ["store.json"]
    assert json.loads((store / "store.json").read_text())["leave_out"] == ["supplier_email"]
    with open_index(store) as index:
        (hit, *_) = index.search("red shirt", top=3)
        assert "supplier_email" not in hit.metadata
        assert hit.metadata["colour"]


def test_the_values_are_found_where_the_column_is_kept(
    store: Path, catalogue: Path, tiny: Model
) -> None:
    embed_tiny(open_remembered(store, catalogue), tiny, store)
    index_embeddings(store)
    kinds = {Path(name).suffix for name in files_with(store, SECRET)}
    assert kinds == {".parquet", ".sqlite"}


def test_a_column_is_left_out_of_a_store_that_held_it(
    store: Path, catalogue: Path, tiny: Model
) -> None:
    embed_tiny(open_remembered(store, catalogue), tiny, store)
    index_embeddings(store)
    report = embed_tiny(open_remembered(store, None, OPTIONS), tiny, store)
    assert [line for line in report.warnings if "accepted" in line] == []  # no lost column
    (warning,) = [line for line in report.warnings if "left out" in line]
    assert "'supplier_email' is left out from now on" in warning
    assert "`gc(keep=1, minutes=0)`" in warning
    index_embeddings(store)
    collect_garbage(store, 1, seconds=0)
    assert files_with(store, SECRET) == []


def test_a_catalogue_opened_with_it_is_refused(store: Path, catalogue: Path, tiny: Model) -> None:
    embed_tiny(open_remembered(store, catalogue, OPTIONS), tiny, store)
    with pytest.raises(CatalogueError, match=r"'supplier_email' is one that .* leaves out"):
        embed_tiny(open_catalogue(catalogue), tiny, store)
    assert files_with(store, SECRET) == []


def test_it_may_be_gone_from_the_catalogue_and_come_back(
    store: Path, catalogue: Path, tiny: Model
) -> None:
    embed_tiny(open_remembered(store, catalogue, OPTIONS), tiny, store)
    save(catalogue, leave_out="supplier_email")
    embed_tiny(open_remembered(store, catalogue, OPTIONS), tiny, store)
    save(catalogue)
    embed_tiny(open_remembered(store), tiny, store)
    assert files_with(store, SECRET) == []


def test_columns_add_up_over_the_nights(store: Path, tiny: Model) -> None:
    catalogue = save(store.parent / "two.parquet", columns=("supplier_email", "phone"))
    embed_tiny(open_remembered(store, catalogue, OPTIONS), tiny, store)
    embed_tiny(open_remembered(store, None, CatalogueOptions(leave_out=("phone",))), tiny, store)
    settings = read_settings(store)
    assert settings is not None
    assert settings.leave_out == ("phone", "supplier_email")


def test_a_column_is_left_out_by_the_name_given_to_it_too(catalogue: Path) -> None:
    named = {"contact": "supplier_email"}
    for name in ("contact", "supplier_email"):
        opened = open_catalogue(catalogue, CatalogueOptions(named, leave_out=(name,)))
        assert opened.schema.names == ["title", "description", "colour", "price"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (CatalogueOptions(leave_out=("product_id",)), "'product_id' is the products' id"),
        (CatalogueOptions(leave_out=("image",)), "'image' is the products' id, text or picture"),
        (CatalogueOptions(leave_out=("title",)), "'title' is .* cannot be left out"),
        (
            CatalogueOptions(text_columns=("title", "colour"), leave_out=("colour",)),
            "'colour' is .* cannot be left out",
        ),
        (CatalogueOptions({"title": "colour"}, leave_out=("title",)), "'colour' is .* cannot"),
        (CatalogueOptions(leave_out=("suplier_email",)), "no such column.*mean 'supplier_email'"),
    ],
)
def test_a_column_in_use_or_unknown_is_refused(
    catalogue: Path, options: CatalogueOptions, message: str
) -> None:
    with pytest.raises(CatalogueError, match=message):
        open_catalogue(catalogue, options)


def test_a_store_whose_settings_are_damaged_says_that_columns_are_to_be_named_again(
    store: Path,
) -> None:
    settings = {"format": 1, "model": "compact", "catalogue": "c", "columns": {}}
    content = {**settings, "text_columns": [], "leave_out": [7]}
    (store / "store.json").write_text(json.dumps(content))
    with pytest.raises(DamagedError, match=r"holds names that are no text.*`leave_out` once more"):
        open_remembered(store)
