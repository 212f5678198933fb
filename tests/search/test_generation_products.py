"""Groups of products from a file, as a column of a generation."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small import products, write
from tiny import night, save_query_encoders

from prodmatch import open_index
from prodmatch.build import BuildSettings, build
from prodmatch.drift import compare_generations
from prodmatch.embedding.nights.tonight import read_last_night
from prodmatch.errors import CatalogueError
from prodmatch.index import index_embeddings
from prodmatch.match import find_matches
from prodmatch.model.description import Model
from prodmatch.search.generation_products import ProductGroups, ShopFiles, read_groups
from prodmatch.storage.generations import current_number
from prodmatch.storage.settings import read_settings

ROWS = [("p0000", "a"), ("p0005", "a"), ("p0001", "b"), ("gone", "b")]
COLUMNS = ("product_id", "group_id")


@pytest.fixture
def store(base: Path, tmp_path: Path) -> Path:
    shutil.copytree(base / "store", tmp_path / "store")
    return tmp_path / "store"


def save(path: Path, rows: list[tuple[str, ...]], names: tuple[str, ...] = COLUMNS) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.table(list(map(list, zip(*rows, strict=True))), list(names)), path)
    elif path.suffix == ".csv":
        path.write_text("\n".join(map(",".join, [names, *rows])))
    else:
        lines = [json.dumps(dict(zip(names, row, strict=True))) for row in rows]
        path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("name", ["g.parquet", "g.csv", "g.jsonl"])
def test_products_of_a_group_are_shown_once(store: Path, tmp_path: Path, name: str) -> None:
    report = index_embeddings(store, files=ShopFiles(groups=save(tmp_path / name, ROWS)))
    assert report.grouped == 3
    with open_index(store) as index:
        found = index.search("red shirt", top=len(index), one_per="group_id")
        sizes = {hit.product_id: hit.group_size for hit in found}
        groups = {hit.product_id: hit.metadata["group_id"] for hit in found}
        assert len(found) == len(index) - 1
        assert [groups[each] for each in sizes if each in ("p0000", "p0005")] == ["a"]
        assert sizes[next(each for each in groups if groups[each] == "a")] == 2
        assert (groups["p0001"], sizes["p0001"]) == ("b", 1)
        assert [hit.product_id for hit in index.search("boot", where="group_id = 'b'")] == ["p0001"]


def test_the_file_is_remembered_read_each_night_and_taken_away(
    store: Path, base: Path, tiny: Model, tmp_path: Path
) -> None:
    path = save(tmp_path / "g.csv", ROWS)
    index_embeddings(store, files=ShopFiles(groups=path))
    save(path, [("p0007", "c")])
    night(base / "after.parquet", tiny, store)
    with open_index(store) as index:
        assert index.generation.manifest["grouped"] == 1
    settings = read_settings(store)
    assert settings is not None
    assert settings.groups == path
    written = (store / "store.json").stat().st_mtime_ns
    index_embeddings(store, files=ShopFiles())
    assert (store / "store.json").stat().st_mtime_ns == written
    assert index_embeddings(store, files=ShopFiles(groups=False)).grouped is None
    assert index_embeddings(store).grouped is None
    with open_index(store) as index:
        assert "group_id" not in index.search("shirt")[0].metadata


def test_of_groups_of_two_stores_those_of_this_one_count(tmp_path: Path) -> None:
    names = ("group_id", "side", "product_id")
    rows = [("a", "left", "p1"), ("a", "right", "p1"), ("b", "right", "p2")]
    found = read_groups(save(tmp_path / "g.parquet", rows, names))
    assert found.group_of == {"p1": "a"}


def test_ids_that_pandas_made_numbers_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "g.parquet"
    pq.write_table(pa.table({"product_id": [7, 8], "group_id": [1.0, 2.0]}), path)
    assert read_groups(path).group_of == {"7": "1", "8": "2"}


@pytest.mark.parametrize("value", [float("nan"), [1], b"a", True, None])
def test_what_is_no_id_of_a_group_is_refused(tmp_path: Path, value: object) -> None:
    path = tmp_path / "g.parquet"
    pq.write_table(pa.table({"product_id": ["p1"], "group_id": [value]}), path)
    with pytest.raises(CatalogueError, match=r"row 1: has no text or number as 'group_id'"):
        read_groups(path)


def test_parts_of_characters_are_left_away(tmp_path: Path) -> None:
    path = tmp_path / "g.jsonl"
    path.write_text(r'{"product_id": "p1", "group_id": "a\ud800"}')
    assert read_groups(path).group_of == {"p1": "a"}


def test_standard_input_is_no_file_of_groups(store: Path) -> None:
    with pytest.raises(CatalogueError, match=r"-: there is no such file\..*`no_groups`"):
        index_embeddings(store, files=ShopFiles(groups=Path("-")))


def test_groups_of_other_products_are_warned_of(store: Path, tmp_path: Path) -> None:
    report = index_embeddings(store, files=ShopFiles(groups=save(tmp_path / "g.csv", ROWS[3:])))
    assert report.grouped == 0
    assert "no product has one of the 1 ids there; the first are ['gone']" in report.warnings[-1]


def test_products_in_no_group_have_no_value(tmp_path: Path) -> None:
    groups = ProductGroups(tmp_path, {f"p{row}": f"g{row // 2}" for row in range(8)})
    batch = pa.record_batch({"product_id": ["p3", "other"]})
    added, count = groups.add_to(batch), groups.count(batch["product_id"])
    assert (added["group_id"].to_pylist(), count) == (["g1", None], 1)


@pytest.mark.parametrize(
    ("rows", "names", "message"),
    [
        ([("p1", "a"), ("", "b")], COLUMNS, r"row 2: has no text or number as 'product_id'"),
        ([("p1", "")], COLUMNS, r"row 1: has no text or number as 'group_id'"),
        ([("p1", "a")], ("id", "group_id"), r"'product_id' \(its columns are 'id', 'group_id'\)"),
        ([("p1", "a"), ("p1", "b")], COLUMNS, r"row 2: product 'p1' is in 'b', and was in 'a'"),
        ([], COLUMNS, r"g\.csv: has no rows"),
    ],
)
def test_a_bad_file_publishes_nothing_and_stops_a_build_before_it_encodes(
    store: Path,
    tmp_path: Path,
    rows: list[tuple[str, ...]],
    names: tuple[str, ...],
    message: str,
) -> None:
    before, path = current_number(store), save(tmp_path / "g.csv", rows, names)
    with pytest.raises(CatalogueError, match=message):
        index_embeddings(store, files=ShopFiles(groups=path))
    assert current_number(store) == before
    settings = BuildSettings(files=ShopFiles(groups=path))
    catalogue = write(tmp_path / "c.parquet", products(3))
    with pytest.raises(CatalogueError, match=message):
        build(catalogue, tmp_path / "other", settings=settings)
    assert not (tmp_path / "other" / "features").exists()


def test_a_catalogue_with_the_column_keeps_its_own(
    tiny: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = tmp_path / "store"
    save_query_encoders(store, tiny)
    table = pq.read_table(write(tmp_path / "c.parquet", products(4)))
    table = table.append_column("group_id", pa.array(["x", "x", "y", None]))
    pq.write_table(table, tmp_path / "c.parquet")
    night(tmp_path / "c.parquet", tiny, store)
    with open_index(store) as index:
        found = index.search("shirt", top=4, one_per="group_id")
        assert len(found) == 3
    path = save(tmp_path / "g.csv", ROWS)
    caplog.set_level("INFO")
    caplog.clear()  # of what a command in another test lets be heard
    with pytest.raises(CatalogueError, match=r"a column 'group_id' of its own"):
        index_embeddings(store, files=ShopFiles(groups=path))
    assert "measuring the index" not in caplog.text


def test_groups_are_no_change_of_the_catalogue(store: Path, tmp_path: Path) -> None:
    index_embeddings(store)
    index_embeddings(store, files=ShopFiles(groups=save(tmp_path / "g.csv", ROWS)))
    found = compare_generations(store)
    assert (found.changed, found.alarms) == (0, [])
    for path in (store / "embeddings").rglob("manifest.json"):
        path.write_text("{}")
    last = read_last_night(store)
    assert last.night is not None
    assert "group_id" not in last.night.types


def test_listings_of_one_text_are_equal_whatever_group_they_are_in(
    tiny: Model, tmp_path: Path
) -> None:
    store, rows = tmp_path / "store", products(4)
    rows.append({**rows[0], "product_id": "copy"})
    save_query_encoders(store, tiny)
    night(write(tmp_path / "c.parquet", rows), tiny, store)
    path = save(tmp_path / "g.csv", [(str(rows[0]["product_id"]), "a")])
    index_embeddings(store, files=ShopFiles(groups=path))
    with open_index(store) as index:
        assert find_matches(index, tmp_path / "out").equal == 1
