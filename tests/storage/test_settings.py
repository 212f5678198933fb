"""What a store is made with is remembered, and what changes it is told."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small import SCHEMA, products
from tiny import embed_tiny, save_query_encoders, save_tiny_model

from prodmatch.catalogue.reader import CatalogueOptions, open_catalogue
from prodmatch.catalogue.remembered import open_remembered, remembered_model
from prodmatch.embed import EmbedSettings
from prodmatch.errors import CatalogueError, DamagedError, MismatchError, StoreError
from prodmatch.index import index_embeddings
from prodmatch.model.description import Model, open_model
from prodmatch.search.generation_products import ShopFiles
from prodmatch.storage.settings import read_settings

OPTIONS = CatalogueOptions(columns={"title": "name"}, text_columns=("title", "colour"))


@pytest.fixture
def store(tiny: Model, tmp_path: Path) -> Path:
    save_query_encoders(tmp_path / "store", tiny)
    return tmp_path / "store"


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    table = pa.Table.from_pylist(products(9), schema=SCHEMA)
    names = ["name" if name == "title" else name for name in table.column_names]
    pq.write_table(table.rename_columns(names), tmp_path / "c.parquet")
    return tmp_path / "c.parquet"


def test_a_later_run_needs_neither_catalogue_nor_columns_nor_model(
    store: Path, catalogue: Path, tiny: Model
) -> None:
    first = embed_tiny(open_catalogue(catalogue, OPTIONS), tiny, store)
    assert first.warnings == []
    again = embed_tiny(open_remembered(store), open_model(remembered_model(store)), store)
    assert again.embeddings == first.embeddings
    assert again.warnings == []
    assert open_remembered(store).options.text_columns == ("title", "colour")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"catalogue": ""}, "'catalogue' cannot hold ''"),
        ({"catalogue": "c\0"}, "'catalogue' cannot hold"),
        ({"model": "  "}, "'model' cannot hold '  '"),
        ({"columns": {"title": ""}}, "'columns' cannot hold ''"),
        ({"text_columns": ["title", ""]}, "'text_columns' cannot hold ''"),
        ({"leave_out": [""]}, "'leave_out' cannot hold ''"),
    ],
)
def test_what_no_run_remembers_is_refused(
    store: Path, catalogue: Path, tiny: Model, change: dict[str, object], place: str
) -> None:
    embed_tiny(open_catalogue(catalogue, OPTIONS), tiny, store)
    path = store / "store.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(DamagedError, match=place):
        read_settings(store)


def test_a_link_is_remembered_as_a_link(
    store: Path, catalogue: Path, tiny: Model, tmp_path: Path
) -> None:
    links = {name: tmp_path / f"latest-{name}" for name in ("catalogue", "model", "words", "root")}
    (tmp_path / "words").write_text("couch, sofa")
    (tmp_path / "root").mkdir()
    links["catalogue"].symlink_to(catalogue)
    links["model"].symlink_to(tiny.folder)
    links["words"].symlink_to("words")
    links["root"].symlink_to("root")
    options = CatalogueOptions(**vars(OPTIONS) | {"image_root": links["root"]})
    opened = open_catalogue(links["catalogue"], options)
    embed_tiny(opened, open_model(links["model"]), store)
    index_embeddings(store, files=ShopFiles(synonyms=links["words"]))
    settings = read_settings(store)
    assert settings is not None
    remembered = (settings.catalogue, Path(settings.model), settings.synonyms, settings.image_root)
    assert remembered == (*links.values(),)


def test_what_is_given_goes_before_what_is_remembered(
    store: Path, catalogue: Path, tiny: Model
) -> None:
    embed_tiny(open_catalogue(catalogue, OPTIONS), tiny, store)
    given = CatalogueOptions(text_columns=("description",))
    other = shutil.copy(catalogue, store.parent / "other.parquet")
    opened = open_remembered(store, Path(other), given)
    assert (opened.options.text_columns, opened.path) == (("description",), Path(other))
    assert opened.options.columns == {"title": "name"}


def test_another_model_and_other_text_columns_are_told_once_and_remembered(
    store: Path, catalogue: Path, tiny: Model, tmp_path: Path
) -> None:
    embed_tiny(open_catalogue(catalogue, OPTIONS), tiny, store)
    other = save_tiny_model(tmp_path / "other", name="other")
    save_query_encoders(store, other)
    given = CatalogueOptions(text_columns=("description",))
    report = embed_tiny(open_remembered(store, options=given), other, store)
    told = [text for text in report.warnings if text.startswith("from now on: ")]
    assert told == [
        f"from now on: model {str(other.folder)!r} (the store was made with {str(tiny.folder)!r})",
        "from now on: text columns description (the store was made with title, colour)",
    ]
    assert remembered_model(store) == str(other.folder)
    assert embed_tiny(open_remembered(store), other, store).warnings == []


def test_another_picture_root_is_told(
    store: Path, catalogue: Path, tiny: Model, tmp_path: Path
) -> None:
    (tmp_path / "pictures").mkdir()
    embed_tiny(open_catalogue(catalogue, OPTIONS), tiny, store)
    given = CatalogueOptions(image_root=tmp_path / "pictures")
    report = embed_tiny(open_remembered(store, options=given), tiny, store)
    assert report.warnings == [
        f"from now on: root of pictures {tmp_path / 'pictures'} "
        "(the store was made with the catalogue's folder)"
    ]
    assert embed_tiny(open_remembered(store), tiny, store).warnings == []


def test_a_refused_night_is_not_remembered(store: Path, catalogue: Path, tiny: Model) -> None:
    embed_tiny(open_catalogue(catalogue, OPTIONS), tiny, store)
    before = (store / "store.json").read_bytes()
    strict = EmbedSettings(device="cpu", workers=0)
    with pytest.raises(CatalogueError, match="column gone: 'title'"):
        embed_tiny(open_catalogue(catalogue), tiny, store, strict)
    assert (store / "store.json").read_bytes() == before


def test_a_store_that_knows_nothing_has_the_shipped_model_and_needs_a_catalogue(
    tmp_path: Path,
) -> None:
    assert remembered_model(tmp_path) == "compact"
    with pytest.raises(StoreError, match="Give `catalogue`"):
        open_remembered(tmp_path)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"format": 2}, MismatchError),
        ({"format": None}, MismatchError),
        ({"format": True}, MismatchError),
        ({"model": None}, DamagedError),
        ({"model": 3}, DamagedError),
        ({"catalogue": None}, DamagedError),
        ({"columns": ["title"]}, DamagedError),
        ({"columns": {"title": 3}}, DamagedError),
        ({"text_columns": "title"}, DamagedError),
        ({"text_columns": [1]}, DamagedError),
        ({"image_root": 5}, DamagedError),
    ],
)
def test_a_store_file_of_another_shape_is_named(
    change: dict[str, object],
    error: type[Exception],
    store: Path,
    catalogue: Path,
    tiny: Model,
) -> None:
    embed_tiny(open_catalogue(catalogue, OPTIONS), tiny, store)
    path = store / "store.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(error, match=r"store\.json: .*Remove the file"):
        read_settings(store)
    report = embed_tiny(open_catalogue(catalogue, OPTIONS), tiny, store)  # told all: written anew
    assert any(text.endswith("Written again.") for text in report.warnings)
    assert read_settings(store) is not None


def test_what_is_remembered_and_no_longer_fits_is_called_remembered(
    store: Path, catalogue: Path, tiny: Model
) -> None:
    embed_tiny(open_catalogue(catalogue, OPTIONS), tiny, store)
    table = pq.read_table(catalogue)
    pq.write_table(table.drop_columns(["name"]), catalogue)
    remembers = f"{store} remembers `columns` of an earlier run"
    with pytest.raises(CatalogueError, match=f"no column 'name'.*{remembers}"):
        open_remembered(store)
    with pytest.raises(CatalogueError, match="no column 'name'") as given:
        open_remembered(store, catalogue, OPTIONS)
    assert "remembers" not in str(given.value)
    catalogue.unlink()
    with pytest.raises(CatalogueError, match=r"no such file.*remembers `catalogue`"):
        open_remembered(store)
