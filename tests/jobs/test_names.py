"""Columns of other systems and languages are proposed for ours, in refusals and in warnings."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small import draw

from prodmatch.catalogue.reader import CatalogueOptions, open_catalogue
from prodmatch.check import check_catalogue
from prodmatch.errors import CatalogueError
from prodmatch.names import choose_id, choose_picture, choose_title, is_title_name

PICTURE = draw((200, 0, 0), 0)


@pytest.mark.parametrize(
    "name",
    ["title_en", "name_de", "titleEn", "title@fr", "name-de_DE", "title_en_US", "en_title",
     "short_title", "productDisplayName", "Nazwa produktu", "\u5546\u54c1\u540d\u79f0"],
)  # fmt: skip
def test_a_title_is_known_in_any_language(name: str) -> None:
    assert is_title_name(name)


@pytest.mark.parametrize("name", ["title_id", "name_no", "brand_en", "en", "de_de", "user_name_en"])
def test_other_names_are_no_titles(name: str) -> None:
    assert not is_title_name(name)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["title_de", "title_en"], "title_en"),
        (["title_de", "title_en", "name"], "name"),
        (["title_de", "title_fr"], "title_de"),
        (["brand"], None),
    ],
)
def test_an_english_title_comes_before_other_languages(
    names: list[str], chosen: str | None
) -> None:
    assert choose_title(names) == chosen


def test_thumbnails_are_the_last_pictures_to_choose() -> None:
    assert choose_picture(["thumbnail", "small_image", "main_image", "photo"]) == "main_image"
    assert choose_picture(["thumbnail", "image_alt"]) == "thumbnail"


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["parent_id", "variant_id"], "variant_id"),
        (["ean", "Artikelnummer"], "ean"),
        (["Artikel-Nr.", "Titel"], "Artikel-Nr."),
        (
            ["\u0410\u0440\u0442\u0438\u043a\u0443\u043b"],
            "\u0410\u0440\u0442\u0438\u043a\u0443\u043b",
        ),
        (["price"], None),
    ],
)
def test_an_id_is_chosen_by_its_name(names: list[str], chosen: str | None) -> None:
    assert choose_id(names) == chosen


def test_ids_of_parents_are_not_proposed(tmp_path: Path) -> None:
    pq.write_table(pa.table({"parent_product_id": ["a"], "title": ["mug"]}), tmp_path / "c.parquet")
    with pytest.raises(CatalogueError, match="`columns=product_id=NAME`"):
        open_catalogue(tmp_path / "c.parquet")


@pytest.mark.parametrize(
    ("columns", "remedy"),
    [
        (
            {"Title": ["mug"], "Description": ["red"], "Image": ["a.jpg"]},
            "Map them with `columns=title=Title,description=Description,image=Image`.",
        ),
        ({"title_de": ["Becher"], "title_en": ["mug"]}, "`columns=title=title_en`."),
        ({"Bezeichnung": ["Becher"], "Bild": [PICTURE]}, "`columns=title=Bezeichnung,image=Bild`."),
        ({"title_length": [3], "brand": ["X"]}, "or texts with `text_columns`."),
    ],
)
def test_where_no_column_is_text_or_picture_the_likely_ones_are_named(
    columns: dict[str, Sequence[object]], remedy: str, tmp_path: Path
) -> None:
    pq.write_table(pa.table({"product_id": ["a"], **columns}), tmp_path / "c.parquet")
    with pytest.raises(CatalogueError, match="has neither text nor picture") as caught:
        open_catalogue(tmp_path / "c.parquet")
    assert str(caught.value).endswith(remedy)


HOLDING = {
    "bytes": [None, PICTURE, PICTURE],
    "names of files": ["a.jpg", None, "sub dir/b.PNG"],
    "addresses of files": ["file:///data/a.jpg", "file:///data/b.jpg", None],
    "several in a text": ["a.jpg|b.jpg", "c.jpg", "d.jpg"],
    "structs": [{"bytes": PICTURE, "path": None}, None, {"bytes": None, "path": "a.jpg"}],
    "lists": [[PICTURE], [], [PICTURE, PICTURE]],
    "data": ["data:image/png;base64,iVBORw0KGgo="] * 3,
}
NOT_HOLDING = {
    "addresses": ["https://shop.example/a.jpg"] * 3,
    "other bytes": [b"%PDF-1.7", b"%PDF-1.7", None],
    "texts": ["red", "blue", "a.jpg"],
    "other files": ["a.pdf", "b.pdf", "c.pdf"],
    "nothing": [None, None, ""],
}


def _warnings(folder: Path, values: Sequence[object]) -> list[str]:
    rows = {"product_id": ["a", "b", "c"], "title": ["mug", "cup", "lamp"], "asset_url": values}
    pq.write_table(pa.table(rows), folder / "c.parquet")
    return check_catalogue(open_catalogue(folder / "c.parquet"), workers=0).warnings


@pytest.mark.parametrize("kind", HOLDING)
def test_pictures_are_found_by_what_a_column_holds(kind: str, tmp_path: Path) -> None:
    warnings = _warnings(tmp_path, HOLDING[kind])
    named = "no column 'image'; 'asset_url' looks as if it held it: give `columns=image=asset_url`"
    assert named in warnings
    assert not [each for each in warnings if "not searched" in each]


@pytest.mark.parametrize("kind", NOT_HOLDING)
def test_what_holds_no_pictures_is_not_proposed(kind: str, tmp_path: Path) -> None:
    assert not [each for each in _warnings(tmp_path, NOT_HOLDING[kind]) if "'image'" in each]


def test_names_of_files_are_no_words_to_search(tmp_path: Path) -> None:
    rows = {
        "product_id": ["a", "b"], "title": ["mug", "cup"], "image": [PICTURE] * 2,
        "media": ["a b.jpg", "c d.jpg"],
    }  # fmt: skip
    pq.write_table(pa.table(rows), tmp_path / "c.parquet")
    assert not check_catalogue(open_catalogue(tmp_path / "c.parquet"), workers=0).could_be_searched


def test_a_column_that_is_mapped_is_not_proposed(tmp_path: Path) -> None:
    rows = {"product_id": ["a"], "title_en": ["mug"], "jpg": [PICTURE]}
    pq.write_table(pa.table(rows), tmp_path / "c.parquet")
    options = CatalogueOptions(columns={"title": "title_en", "image": "jpg"})
    report = check_catalogue(open_catalogue(tmp_path / "c.parquet", options), workers=0)
    assert not [each for each in report.warnings if "looks as if" in each]


@pytest.mark.parametrize(
    ("column", "remedy"),
    [
        (pa.array([38.5]), "Write its values as text, or name another"),
        (pa.array([["red", "blue"]]), "Join the values of each row into one text, or"),
        (
            pa.array([{"en": "mug", "de": "Becher"}]),
            r"one of its fields \(en, de\) as a column, or",
        ),
    ],
)
def test_what_to_do_with_a_text_column_that_is_none_is_named(
    column: pa.Array, remedy: str, tmp_path: Path
) -> None:
    rows = {"product_id": ["a"], "title": ["mug"], "size": column}
    pq.write_table(pa.table(rows), tmp_path / "c.parquet")
    with pytest.raises(
        CatalogueError, match=f"column 'size' is of type .*; text is needed. .*{remedy}"
    ):
        open_catalogue(tmp_path / "c.parquet", CatalogueOptions(text_columns=("title", "size")))


def test_ids_that_are_floats_are_to_be_integers(tmp_path: Path) -> None:
    pq.write_table(pa.table({"product_id": [1.0], "title": ["mug"]}), tmp_path / "c.parquet")
    with pytest.raises(
        CatalogueError, match=r"is of type double.*Write it as integers, before any"
    ):
        open_catalogue(tmp_path / "c.parquet")
