"""A folder of pictures is matched to products by the names of its files."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from product_files import convert, write_csv
from small import draw

from prodmatch.catalogue.reader import CatalogueOptions, open_catalogue
from prodmatch.convert import ConvertSettings
from prodmatch.errors import CatalogueError

SKU = "AB-12"
MATCHING = (
    "AB-12.jpg", "AB-12.JPG", "ab-12.png", "AB-12_1.jpg", "AB-12-2.png", "AB-12 (3).webp",
    "AB-12_front.jpg", "AB-12-a.gif", "AB-12_01_02.jpeg", "AB-12.1.jpg", "deep/er/AB-12.avif",
    "AB-12/1.jpg", "AB-12/front view.jpg", "AB-12 2.jpg", "AB-12_BACK.png", "AB-12__2.jpg",
)  # fmt: skip
OTHERS = (
    "AB-123.jpg", "AB-12x.jpg", "AB-1.jpg", "XAB-12.jpg", "AB-12-blue.jpg", "AB.jpg", "12.jpg",
    "AB12.jpg", "AB-12_1234.jpg", ".AB-12.jpg",
)  # fmt: skip


def _fill(folder: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    pictures = {}
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pictures[name] = draw((200, 20, 20), seed, side=8)
        (folder / name).write_bytes(pictures[name])
    return pictures


@pytest.mark.parametrize("name", MATCHING)
def test_a_picture_named_by_the_value_is_the_products(tmp_path: Path, name: str) -> None:
    pictures = _fill(tmp_path / "pictures", (name,))
    settings = ConvertSettings(images=tmp_path / "pictures", match="sku")
    table = write_csv([["product_id", "title", "sku"], ["1", "a", SKU], ["2", "b", "other"]])
    rows, report = convert(tmp_path, "p.csv", table, settings)
    assert [row["image"] for row in rows] == [[pictures[name]], None]
    assert report.images == {
        "kept_as": "bytes", "matched_by": "sku", "files": 1, "files_unmatched": 0,
        "files_unreadable": 0, "products_with_image": 1, "products_without_image": 1,
    }  # fmt: skip
    assert "1 product without a picture" in report.warnings


@pytest.mark.parametrize("name", OTHERS)
def test_a_picture_of_another_name_is_not(tmp_path: Path, name: str) -> None:
    _fill(tmp_path / "pictures", (name,))
    settings = ConvertSettings(images=tmp_path / "pictures", match="sku")
    rows, report = convert(tmp_path, "p.csv", f"product_id,title,sku\n1,a,{SKU}\n", settings)
    assert rows[0]["image"] is None
    assert report.images is not None
    assert report.images["files_unmatched"] == (not name.startswith("."))


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("A/1", "A_1.jpg"), ("A/1", "A-1.jpg"), ("A/1", "A1.jpg"), ("A 1", "a_1.jpg"),
        ("007", "007_2.jpg"), ("Größe", "Gro\u0308ße.jpg"), ("12.5", "12.5.jpg"), ("x", "X.jpg"),
    ],
)  # fmt: skip
def test_a_name_may_lack_what_no_name_can_hold(tmp_path: Path, value: str, name: str) -> None:
    pictures = _fill(tmp_path / "pictures", (name,))
    settings = ConvertSettings(images=tmp_path / "pictures")
    rows, _ = convert(tmp_path, "p.csv", write_csv([["product_id", "t"], [value, "a"]]), settings)
    assert rows[0]["image"] == [pictures[name]]


def test_several_pictures_keep_their_order_and_their_product(tmp_path: Path) -> None:
    names = ("A_10.jpg", "A_2.jpg", "A.jpg", "A-1.jpg", "A-1_2.jpg", "notes.txt", "b.tif")
    pictures = _fill(tmp_path / "pictures", names)
    settings = ConvertSettings(images=tmp_path / "pictures")
    table = write_csv([["product_id", "title"], ["A", "a"], ["A-1", "b"]])
    rows, report = convert(tmp_path, "p.csv", table, settings)
    assert rows[0]["image"] == [pictures[name] for name in ("A.jpg", "A_2.jpg", "A_10.jpg")]
    assert rows[1]["image"] == [pictures["A-1.jpg"], pictures["A-1_2.jpg"]]
    assert "files that are no pictures passed over: 1 x .tif, 1 x .txt" in report.warnings


def test_paths_may_stand_in_the_catalogue_instead(tmp_path: Path) -> None:
    _fill(tmp_path / "pictures", ("sub/A.jpg",))
    settings = ConvertSettings(images=tmp_path / "pictures", image_paths=True)
    rows, report = convert(tmp_path, "p.csv", "product_id,title,image\nA,a,old.jpg\n", settings)
    assert rows == [
        {"product_id": "A", "title": "a", "image_source": "old.jpg", "image": ["sub/A.jpg"]}
    ]
    assert f"image holds paths; embed it with `image_root={tmp_path / 'pictures'}`" in (
        report.warnings
    )


def test_an_exports_own_name_of_a_column_serves(tmp_path: Path) -> None:
    pictures = _fill(tmp_path / "pictures", ("001.jpg",))
    settings = ConvertSettings(images=tmp_path / "pictures", match="Variant SKU")
    table = "Handle,Title,Variant SKU,Image Src\na,A,001,https://x/1.jpg\n"
    rows, _ = convert(tmp_path, "p.csv", table, settings)
    assert (rows[0]["image"], rows[0]["image_source"]) == (
        [pictures["001.jpg"]], ["https://x/1.jpg"]
    )  # fmt: skip


def test_a_link_out_of_the_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "pictures" / "A.jpg").symlink_to(tmp_path / "secret.jpg")
    settings = ConvertSettings(images=tmp_path / "pictures")
    rows, report = convert(tmp_path, "p.csv", "product_id,title\nA,a\n", settings)
    assert rows[0]["image"] is None
    assert "1 picture not readable: A.jpg (outside_root)" in report.warnings


@pytest.mark.parametrize(("match", "folder"), [("nothing", "pictures"), ("product_id", "missing")])
def test_a_column_or_folder_that_is_not_there_is_named(
    tmp_path: Path, match: str, folder: str
) -> None:
    (tmp_path / "pictures").mkdir()
    settings = ConvertSettings(images=tmp_path / folder, match=match)
    with pytest.raises(CatalogueError, match=r"no such column|no directory"):
        convert(tmp_path, "p.csv", "product_id,title\nA,a\n", settings)


@pytest.mark.parametrize("paths", [False, True])
def test_the_catalogue_is_read_with_the_first_picture_of_each(tmp_path: Path, paths: bool) -> None:
    pictures = _fill(tmp_path / "pictures", ("A.jpg", "A_2.jpg", "B_1.jpg"))
    settings = ConvertSettings(images=tmp_path / "pictures", image_paths=paths)
    convert(tmp_path, "p.csv", "product_id,title\nA,a\nB,b\nC,c\n", settings)
    options = CatalogueOptions(image_root=tmp_path / "pictures" if paths else None)
    (batch,) = open_catalogue(tmp_path / "catalogue.parquet", options).batches()
    assert batch.images == [pictures["A.jpg"], pictures["B_1.jpg"], None]
    assert batch.image_rejects == [None, None, None]


def test_paths_without_their_folder_are_refused_with_the_remedy(tmp_path: Path) -> None:
    _fill(tmp_path / "pictures", ("A.jpg",))
    settings = ConvertSettings(images=tmp_path / "pictures", image_paths=True)
    convert(tmp_path, "p.csv", "product_id,title\nA,a\n", settings)
    with pytest.raises(CatalogueError, match="below with `image_root`"):
        open_catalogue(tmp_path / "catalogue.parquet")


def test_addresses_are_no_pictures_and_no_reason_to_refuse(tmp_path: Path) -> None:
    convert(
        tmp_path, "e.csv", "Handle,Title,Variant SKU,Image Src\na,A,1,https://x/1.jpg\nb,B,2,\n"
    )
    (batch,) = open_catalogue(tmp_path / "catalogue.parquet").batches()
    assert batch.images == [None, None]
    assert [fault and fault.reason for fault in batch.image_rejects] == ["image_address", None]


def test_of_a_list_the_first_that_can_be_fetched_is_taken(tmp_path: Path) -> None:
    pictures = _fill(tmp_path / "pictures", ("A.jpg",))
    cells = [["https://x/1.jpg", "missing.jpg", "A.jpg"], ["missing.jpg"], [], [None, ""], None]
    ids = [str(row) for row in range(5)]
    pq.write_table(
        pa.table(
            {"product_id": ids, "title": ids, "image": pa.array(cells, pa.list_(pa.string()))}
        ),
        tmp_path / "c.parquet",
    )
    options = CatalogueOptions(image_root=tmp_path / "pictures")
    (batch,) = open_catalogue(tmp_path / "c.parquet", options).batches()
    assert batch.images == [pictures["A.jpg"], None, None, None, None]
    found = [fault and fault.reason for fault in batch.image_rejects]
    assert found == [None, "image_missing", None, None, None]


def test_a_list_of_texts_that_are_not_utf8_is_no_traceback(tmp_path: Path) -> None:
    raw = pa.array([[b"\xff\xfe"], [b"a.jpg"]], pa.list_(pa.binary()))
    broken = pa.ListArray.from_arrays(raw.offsets, raw.values.view(pa.string()))
    table = pa.table({"product_id": ["1", "2"], "title": ["a", "b"], "image": broken})
    pq.write_table(table, tmp_path / "c.parquet")
    options = CatalogueOptions(image_root=tmp_path)
    (batch,) = open_catalogue(tmp_path / "c.parquet", options).batches()
    assert batch.images[0] in (None, b"\xff\xfe")
