"""Catalogues as they come: types, names, pictures and ids of every allowed kind."""

import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small import draw, products, write

from prodmatch.catalogue.reader import (
    Batch,
    Catalogue,
    CatalogueOptions,
    open_catalogue,
)
from prodmatch.catalogue.text import clean_text
from prodmatch.errors import CatalogueError

RED = draw((200, 0, 0), 0)


def save(folder: Path, cells: dict[str, object], **options: object) -> Catalogue:
    path = folder / "c.parquet"
    pq.write_table(pa.table(cells), path)
    return open_catalogue(path, CatalogueOptions(**options))  # type: ignore[arg-type]


def only(catalogue: Catalogue) -> Batch:
    (batch,) = catalogue.batches()
    return batch


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (pa.array([7, 8], pa.int32()), ["7", "8"]),
        (pa.array([2**64 - 1, 1], pa.uint64()), [str(2**64 - 1), "1"]),
        (pa.array(["007", "ä"], pa.large_string()), ["007", "ä"]),
        (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
    ],
)
def test_ids_are_strings_or_integers(tmp_path: Path, ids: pa.Array, expected: list[str]) -> None:
    batch = only(save(tmp_path, {"product_id": ids, "title": ["x", "y"]}))
    assert batch.product_ids == expected


def test_text_that_is_not_utf8_is_mended_not_lost(tmp_path: Path) -> None:
    buffers = pa.array([b"a shirt \xff", b"fine"], pa.binary()).buffers()
    titles = pa.StringArray.from_buffers(2, buffers[1], buffers[2])
    batch = only(save(tmp_path, {"product_id": ["1", "2"], "title": titles}))
    assert batch.texts == ["a shirt \ufffd", "fine"]


def test_pictures_are_bytes_or_structs_or_paths(tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(RED)
    base = {"product_id": ["1", "2", "3"], "title": ["a", "b", "c"]}
    kinds = {
        "bytes": pa.array([RED, None, b""]),
        "large": pa.array([RED, None, b""], pa.large_binary()),
        "struct": pa.array([{"bytes": RED, "path": "x"}, None, {"bytes": None, "path": None}]),
        "struct path": pa.array(
            [{"bytes": None, "path": "red.png"}, None, {"bytes": b"", "path": ""}]
        ),
        "path": pa.array(["red.png", None, ""]),
    }
    for name, column in kinds.items():
        catalogue = save(tmp_path, {**base, "image": column}, image_root=tmp_path)
        assert only(catalogue).images == [RED, None, None], name
        assert dict(catalogue.pictures(np.array([0, 2]))) == {0: RED, 2: None}


def test_a_picture_out_of_reach_costs_the_picture_alone(tmp_path: Path) -> None:
    columns = {
        "product_id": ["1", "2"],
        "title": ["a", None],
        "image": ["none.png", "../../etc/passwd"],
    }
    batch = only(save(tmp_path, columns, image_root=tmp_path))
    assert batch.product_ids == ["1"]
    assert [fault and fault.reason for fault in batch.image_rejects] == ["image_missing"]
    assert [(reject.row, reject.reason) for reject in batch.rejects] == [(1, "image_outside_root")]


def test_paths_without_a_root_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="`image_root`"):
        save(tmp_path, {"product_id": ["1"], "image": ["a.png"]})


def test_other_columns_are_metadata_of_their_type(tmp_path: Path) -> None:
    columns = {
        "product_id": ["1"],
        "title": ["x"],
        "price": pa.array([1.5]).cast(pa.decimal128(8, 2)),
        "stock": pa.array([3], pa.int16()),
        "new": [True],
        "day": [datetime.date(2026, 1, 2)],
        "brand": pa.array(["b"]).dictionary_encode(),
        "tags": [["a", "b"]],
        "Price": [9.0],
        "score": [0.5],
        "__index_level_0__": [7],
    }
    catalogue = save(tmp_path, columns)
    assert only(catalogue).metadata.to_pylist() == [
        {
            "title": "x",
            "price": Decimal("1.50"),
            "stock": 3,
            "new": True,
            "day": datetime.date(2026, 1, 2),
            "brand": "b",
        }
    ]
    assert list(catalogue.mapping.left_out) == ["tags", "Price", "score", "__index_level_0__"]


@pytest.mark.parametrize("int96", [True, False])
def test_moments_of_every_year_stay(int96: bool, tmp_path: Path) -> None:
    moments = [
        datetime.datetime.min,
        datetime.datetime(2026, 1, 2, 3, 4, 5, 6),
        datetime.datetime(9999, 12, 31),
        datetime.datetime.max,
    ]
    path = tmp_path / "c.parquet"
    cells = {"product_id": ["1", "2", "3", "4"], "title": ["x"] * 4}
    days = [moment.date() for moment in moments]
    table = pa.table({**cells, "until": pa.array(moments, pa.timestamp("us")), "day": days})
    pq.write_table(table, path, use_deprecated_int96_timestamps=int96)
    metadata = only(open_catalogue(path)).metadata
    assert metadata["until"].to_pylist() == moments
    assert metadata["day"].to_pylist() == days


@pytest.mark.parametrize("listed", [True, False])
def test_rows_with_views_may_be_rejected(listed: bool, tmp_path: Path) -> None:
    images = [[RED], [RED]] if listed else [RED, RED]
    kind = pa.list_(pa.binary_view()) if listed else pa.binary_view()
    columns = {
        "product_id": pa.array(["1", None], pa.string_view()),
        "title": pa.array(["x", "y"], pa.string_view()),
        "image": pa.array(images, kind),
    }
    catalogue = save(tmp_path, columns)
    assert only(catalogue).metadata.to_pylist() == [{"title": "x"}]
    assert only(catalogue).images == [RED]
    assert catalogue.find_all_pictures(["1"]) == {"1": [RED]}


def test_columns_can_be_named_and_chosen(tmp_path: Path) -> None:
    columns = {"sku": ["1"], "name": ["a"], "brand": ["b"], "title": ["not this"]}
    catalogue = save(
        tmp_path,
        columns,
        columns={"product_id": "sku", "title": "name"},
        text_columns=("brand", "title"),
    )
    assert only(catalogue).texts == ["b. a"]
    with pytest.raises(CatalogueError, match="no column 'nam'; found sku, name, brand, title"):
        save(tmp_path, columns, columns={"product_id": "sku", "title": "nam"})
    with pytest.raises(CatalogueError, match="no column 'colour'"):
        save(tmp_path, columns, columns={"product_id": "sku"}, text_columns=("colour",))
    with pytest.raises(CatalogueError, match="`columns=product_id=sku`"):
        save(tmp_path, columns)


def test_a_directory_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    rows = products(50)
    write(tmp_path / "b.parquet", rows[30:])
    write(tmp_path / "a.parquet", rows[:30])
    (tmp_path / "_hidden.parquet").write_bytes(b"")
    catalogue = open_catalogue(tmp_path)
    batches = list(catalogue.batches())
    assert [i for batch in batches for i in batch.product_ids] == [
        row["product_id"] for row in rows
    ]
    assert np.concatenate([batch.rows for batch in batches]).tolist() == list(range(50))
    found = dict(catalogue.pictures(np.array([2, 29, 30, 49])))
    assert found == {row: rows[row]["image"] for row in (2, 29, 30, 49)}


def test_the_first_of_a_repeated_id_is_kept_across_batches(tmp_path: Path) -> None:
    rows = products(1500)
    rows[1400] = {**rows[1400], "product_id": "p0002"}
    catalogue = open_catalogue(write(tmp_path / "c.parquet", rows))
    rejects = [reject for batch in catalogue.batches() for reject in batch.rejects]
    assert [(reject.row, reject.reason) for reject in rejects] == [(1400, "id_repeated")]


def test_a_file_damaged_inside_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "c.parquet", products(200))
    content = bytearray(path.read_bytes())
    content[200:4000] = bytes(3800)
    path.write_bytes(content)
    with pytest.raises(CatalogueError, match=r"c\.parquet: is damaged"):
        list(open_catalogue(path).batches())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, ""),
        ("  two\n\twords ", "two words"),
        ("<p>Red <b>shirt</b></p>", "Red shirt"),
        ("size < 3 and > 2", "size < 3 and > 2"),
        ("caf&eacute; &amp; co", "café & co"),
        ("a\0b\x07c", "a b c"),
        ("cafe\u0301", "café"),
    ],
)
def test_texts_are_cleaned(text: str | None, expected: str) -> None:
    assert clean_text(text) == expected


def test_a_text_of_megabytes_is_cut() -> None:
    assert len(clean_text("word " * 1_000_000)) <= 20_000
