"""`check` says what is searched, what looks as if it should be, and what stands for nothing."""

import itertools
import json
from collections.abc import Sequence
from datetime import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small import draw, run
from tiny import embed_tiny, save_query_encoders

from prodmatch.catalogue.reader import CatalogueOptions, open_catalogue
from prodmatch.check import CheckReport, check_catalogue
from prodmatch.errors import CatalogueError
from prodmatch.model.description import Model

TITLES = ("red shirt", "blue mug", "green chair", "lamp", "boot", "table", "vase", "rug")


def check(folder: Path, columns: dict[str, Sequence[object]], **options: object) -> CheckReport:
    """The report on a catalogue of these columns; ids and titles are added."""
    rows = len(next(iter(columns.values())))
    table = {
        "product_id": [f"p{row}" for row in range(rows)],
        "title": [f"{TITLES[row % 8]} {row}" for row in range(rows)],
        **columns,
    }
    pq.write_table(pa.table(table), folder / "c.parquet")
    opened = open_catalogue(folder / "c.parquet", CatalogueOptions(**options))  # type: ignore[arg-type]
    return check_catalogue(opened, workers=0)


SEARCHABLE = {
    "brand": ["Acme", "Zenith"], "Brand": ["Acme", "Zenith"], "colour": ["red", "blue"],
    "color": ["red", "blue"], "Farbe": ["rot", "blau"], "category": ["Home > Box", "Home > Bed"],
    "product_type": ["box", "bed"], "type": ["box", "bed"], "mpn": ["AB-12", "CD-34"],
    "model": ["XPS 13", "XPS 15"], "material": ["oak", "pine"], "size": ["36", "38"],
    "gender": ["men", "women"], "tags": ["new, red", "sale"], "keywords": ["a b", "c d"],
    "vendor": ["Acme", "Zenith"], "google_product_category": ["Home", "Garden"],
    "primaryColor": ["red", "blue"], "style": ["modern", "antique"], "scent": ["rose", "oak"],
    "long_description": ["a word " * 40, "more " * 40], "Description": ["a b " * 40, "c d " * 40],
    "beschreibung": ["ein Wort " * 40, "mehr " * 40], "body_html": ["<p>a b</p>", "<p>c d</p>"],
    "details": ["of oak " * 20, "of pine " * 20], "name": ["red shirt, long", "blue mug, big"],
    "holzart": ["Eiche", "Buche"], "attribute_3": ["dark oak", "pale pine"],
}  # fmt: skip
NOT_SEARCHABLE = {
    "link": ["https://x/1", "https://x/2"], "thing": ["https://x/1", "www.x.com"],
    "parent_id": ["A1", "B2"], "sku": ["A1", "B2"], "gtin": ["012", "013"], "price": ["1", "2"],
    "shown_price": ["19.99 USD", "5.00 USD"], "status": ["live", "off"], "split": ["train", "val"],
    "availability": ["in stock", "out of stock"], "currency": ["EUR", "USD"],
    "image_alt": ["a", "b"],
    "added": ["2024-01-01", "2024-01-02"], "brand": ["", ""], "material": ["oak", "oak"],
    "category_id": ["c1", "c2"], "photo": ["a.jpg", "b.jpg"], "dimensions": ["10x20", "20x30"],
    "story": ["a word " * 40, "more of it " * 40], "language": ["de", "en"],
    "phone": ["+49 1", "+49 2"], "is_new": ["yes", "no"], "on_sale": ["true", "false"],
    "verfuegbar": ["ja", "nein"], "tax_class": ["full", "reduced"], "slug": ["a-b", "c-d"],
    "shipping": ["free", "standard"], "created_by": ["anna", "bob"], "notes": ["call", "wait"],
    "supplier": ["Acme Ltd", "Zenith Ltd"], "rating_text": ["very good", "good"],
    "UOM": ["EA", "PK"], "origin": ["CN", "DE"],
    "meta_description": ["buy a mug", "buy a box"], "shipping_details": ["by post", "by van"],
}  # fmt: skip


@pytest.mark.parametrize("name", SEARCHABLE)
def test_a_column_that_looks_like_words_to_search_is_named(tmp_path: Path, name: str) -> None:
    report = check(tmp_path, {name: SEARCHABLE[name] * 5})
    assert list(report.could_be_searched) == [name]
    assert report.could_be_searched[name].startswith("2 values (")
    assert (
        f"columns not searched that look as if they should be: {name}; "
        f"give `text_columns=title,{name}`"
    ) in report.warnings


def test_a_name_with_a_comma_is_advised_as_the_option_takes_it(tmp_path: Path) -> None:
    warnings = check(tmp_path, {"Size, EU": ["small", "large"] * 5}).warnings
    assert any(each.endswith('give `text_columns=title,"Size, EU"`') for each in warnings)


@pytest.mark.parametrize("name", NOT_SEARCHABLE)
def test_any_other_column_is_not(tmp_path: Path, name: str) -> None:
    report = check(tmp_path, {name: NOT_SEARCHABLE[name] * 5})
    assert report.could_be_searched == {}


def test_what_is_searched_is_listed_and_not_proposed(tmp_path: Path) -> None:
    columns = {"colour": ["red", "blue"] * 5, "stock": [1, 2] * 5}
    report = check(tmp_path, columns, text_columns=("title", "colour"))
    assert report.text_columns == ["title", "colour"]
    assert report.could_be_searched == {}
    assert report.columns["colour"] == "text"


TITLES_ELSEWHERE = ("name", "product_name", "Product Name", "Title", "titel", "nom", "headline",
                    "artikelbezeichnung", "nombre", "productTitle")  # fmt: skip
PICTURES_ELSEWHERE = ("picture", "Image", "photo", "thumbnail", "main_image", "foto")


@pytest.mark.parametrize("name", TITLES_ELSEWHERE)
def test_a_title_under_another_name_is_named(tmp_path: Path, name: str) -> None:
    rows = {"product_id": ["a", "b"], name: ["mug", "cup"], "description": ["a mug", "a cup"]}
    pq.write_table(pa.table(rows), tmp_path / "c.parquet")
    report = check_catalogue(open_catalogue(tmp_path / "c.parquet"), workers=0)
    expected = f"no column 'title'; {name!r} looks as if it held it: give `columns=title={name}`"
    assert [each for each in report.warnings if name in each] == [expected]
    mapped = CatalogueOptions(columns={"title": name})
    report = check_catalogue(open_catalogue(tmp_path / "c.parquet", mapped), workers=0)
    assert not [each for each in report.warnings if name in each]


@pytest.mark.parametrize("name", PICTURES_ELSEWHERE)
def test_pictures_under_another_name_are_named(tmp_path: Path, name: str) -> None:
    picture = draw((200, 0, 0), 0)
    report = check(tmp_path, {name: [picture, picture]})
    expected = f"no column 'image'; {name!r} looks as if it held it: give `columns=image={name}`"
    assert expected in report.warnings


def test_a_root_of_pictures_that_no_column_has_is_named(tmp_path: Path) -> None:
    named = "`image_root` is not used: no column holds pictures"
    assert named in check(tmp_path, {"price": [1.0, 2.0]}, image_root=tmp_path).warnings
    picture = draw((200, 0, 0), 0)
    assert named not in check(tmp_path, {"image": [picture, picture]}, image_root=tmp_path).warnings


@pytest.mark.parametrize(
    ("name", "column", "reason"),
    [
        (
            "tags",
            pa.array([["new", "red"]] * 2),
            "list of string is no text, number, date or flag",
        ),
        ("size", pa.array([{"w": 1}] * 2), "struct is no text, number, date or flag"),
        (
            "fits",
            pa.array([[{"make": "VW"}]] * 2),
            "list of struct is no text, number, date or flag",
        ),
        ("hours", pa.array([time(9)] * 2), "time64[us] is no text, number, date or flag"),
        ("Title", pa.array(["Red", "Blue"]), "its name differs from 'title' in case only"),
        ("Rank", pa.array([1, 2]), "its name is one that results use"),
    ],
)
def test_a_column_that_is_not_used_is_named_with_why(
    tmp_path: Path, tiny: Model, name: str, column: pa.Array, reason: str
) -> None:
    table = pa.table({"product_id": ["a", "b"], "title": ["red mug", "blue mug"], name: column})
    pq.write_table(table, tmp_path / "c.parquet")
    catalogue, store = open_catalogue(tmp_path / "c.parquet"), tmp_path / "store"
    save_query_encoders(store, tiny)
    expected = f"columns not used: {name} ({reason})"
    assert expected in check_catalogue(catalogue, workers=0).warnings
    assert expected in embed_tiny(catalogue, tiny, store).warnings
    assert expected not in embed_tiny(catalogue, tiny, store).warnings


@pytest.mark.parametrize("name", ["image_alt", "image_url", "picture_id", "photo_credit"])
def test_what_is_said_of_pictures_is_none(tmp_path: Path, name: str) -> None:
    report = check(tmp_path, {name: ["one", "two"]})
    assert not [each for each in report.warnings if "no column 'image'" in each]


def test_columns_that_are_not_searched_on_purpose_are_no_warning(tmp_path: Path) -> None:
    columns = {"colour": ["red", "blue"] * 5, "brand": ["Acme", "Zenith"] * 5}
    chosen = check(tmp_path, columns, text_columns=("title", "brand"))
    assert list(chosen.could_be_searched) == ["colour"]
    assert not [each for each in chosen.warnings if "not searched" in each]
    left_out = check(tmp_path, columns, leave_out=("colour",))
    assert list(left_out.could_be_searched) == ["brand"]


def test_a_text_column_is_named_once(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="`text_columns`: names 'title' twice"):
        check(tmp_path, {"colour": ["red"]}, text_columns=("title", "title"))


def open_lacking(folder: Path, options: CatalogueOptions) -> None:
    pq.write_table(pa.table({"product_id": ["a"], "title": ["mug"]}), folder / "c.parquet")
    open_catalogue(folder / "c.parquet", options)


def test_a_column_that_has_got_another_name_is_told(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="column 'title' is called 'label' by `columns`"):
        open_lacking(
            tmp_path, CatalogueOptions(columns={"label": "title"}, text_columns=("title",))
        )


def test_how_much_is_searched_already_is_told(tmp_path: Path) -> None:
    report = check(tmp_path, {"kind": ["red shirt", "cup"] * 4})
    assert report.could_be_searched["kind"].endswith("12% of them searched already")


PLACEHOLDERS = (
    "nan", "NaN", "None", "none", "N/A", "n/a", "NA", "null", "NULL", "-", "--", "TBD", "tbd",
    "undefined", "(null)", "<none>", "Untitled", "unknown", "???", "xxx", "To be defined", " nan ",
    "[object Object]", "#N/A", "#REF!", "placeholder", "\\N",
)  # fmt: skip


@pytest.mark.parametrize("text", PLACEHOLDERS)
def test_titles_that_stand_for_none_are_counted(tmp_path: Path, text: str) -> None:
    report = check(tmp_path, {"title": ["red shirt", text, "blue mug", text]})
    assert report.placeholder_values == {"title": {text.strip(): 2}}
    assert f"title: 2 x {text.strip()!r} stand for no text, such as in p1, p3" in report.warnings


@pytest.mark.parametrize(
    "text",
    ["Nana", "Nan bread", "None of the above", "N", "A-", "Null Object T-Shirt", "NA 500 amplifier",
     "Unknown Pleasures", "-5 freezer", "XX", "Dummy for babies", "A", "7"],
)  # fmt: skip
def test_titles_that_look_alike_are_titles(tmp_path: Path, text: str) -> None:
    report = check(tmp_path, {"title": ["red shirt", text, "blue mug", text]})
    assert report.placeholder_values == {}


def test_other_text_columns_are_looked_through_too(tmp_path: Path) -> None:
    report = check(tmp_path, {"description": ["nan", "a shirt", "NaN", "nan"]})
    assert report.placeholder_values == {"description": {"nan": 2, "NaN": 1}}


@pytest.mark.parametrize("text", ["N/A", "-", " null ", "None", "TBD"])
def test_columns_that_are_not_searched_are_looked_through_too(tmp_path: Path, text: str) -> None:
    report = check(tmp_path, {"brand": ["Acme", text, None, text]})
    assert report.placeholder_values == {"brand": {text.strip(): 2}}
    assert f"brand: 2 x {text.strip()!r} stand for no value, such as in p1, p3" in report.warnings


@pytest.mark.parametrize(
    ("equal", "rows", "named"), [(5, 20, True), (4, 20, False), (5, 200, False)]
)
def test_one_title_for_many_products_is_named(
    tmp_path: Path, equal: int, rows: int, named: bool
) -> None:
    titles = ["New product"] * equal + [f"mug {row}" for row in range(rows - equal)]
    report = check(tmp_path, {"title": titles})
    assert report.frequent_titles == ({"New product": equal} if named else {})
    found = [text for text in report.warnings if "are called 'New product'" in text]
    assert bool(found) == named


@pytest.mark.parametrize(
    ("equal", "titles", "named"), [(6, 6, True), (6, 2, False), (4, 4, False), (0, 0, False)]
)
def test_one_picture_for_many_products_is_named(
    tmp_path: Path, equal: int, titles: int, named: bool
) -> None:
    pictures = [draw((9, 9, 9), max(0, row - equal + 1), side=8) for row in range(20)]
    texts = [f"chair {row % titles if row < equal else row}" for row in range(20)]
    report = check(tmp_path, {"title": texts, "image": pictures})
    assert report.frequent_pictures == ({"p0": equal} if named else {})
    assert any("such as p0: a placeholder?" in text for text in report.warnings) == named


def test_every_picture_of_a_list_is_decoded(tmp_path: Path) -> None:
    broken, small, large = b"\x89PNG broken", draw((9, 9, 9), 1), draw((9, 99, 9), 2, side=80)
    lists = [[broken, large], [large, broken], [broken, broken], [small, large], [large]]
    report = check(tmp_path, {"image": pa.array(lists, pa.list_(pa.binary()))})
    assert report.images_unusable == {"image_broken": 1}
    assert (report.without_image, report.small_images) == (1, 1)
    text = (
        "2 pictures of lists cannot be used (image_broken 2); their products have others "
        "('p0', 'p1')"
    )
    assert text in report.warnings


@pytest.mark.parametrize(("broken", "refused"), [(1, False), (2, True)])
def test_more_unusable_pictures_than_a_first_night_may_have_are_refused(
    broken: int, refused: bool, tmp_path: Path
) -> None:
    images = [b"<html>", b"\x89PNG broken"][:broken] + [draw((9, 99, 9), n) for n in range(15)]
    report = check(tmp_path, {"image": images})
    assert report.refused == refused
    assert not refused or report.refusals[0].startswith("2 of 17 pictures cannot be used")
    given = [tmp_path / "c.parquet", "--workers", "0"]
    assert run("check", *given).code == int(refused)
    assert run("check", *given, "--max-lost", "0.2").code == 0


def test_addresses_of_pictures_are_no_reason_to_refuse(tmp_path: Path) -> None:
    report = check(tmp_path, {"image": ["//cdn.shop.example/a.jpg", "https://x.example/b.png"]})
    assert (report.images_unusable, report.refusals) == ({"image_address": 2}, [])


def test_columns_never_run_into_each_other(tmp_path: Path) -> None:
    names = [f"{'long_' * size}name_{size}" for size in range(1, 12)]
    table = {"product_id": ["1", "2"], "title": ["red shirt", "blue mug"]}
    table |= {name: ["oak", "pine"] for name in names}
    pq.write_table(pa.table(table), tmp_path / "c.parquet")
    done = run("check", tmp_path / "c.parquet", "--no-decode")
    assert done.code == 0
    lines = done.out.splitlines()
    start = lines.index("columns") + 1
    uses = list(itertools.takewhile(lambda line: line.startswith(" "), lines[start:]))
    words = " ".join(uses).split()
    assert words == [word for name in ("product_id", "title") for word in
                     (name, "id" if name == "product_id" else "text")] + [
        word for name in names for word in (name, "metadata")]  # fmt: skip


def test_json_holds_all_of_the_report(tmp_path: Path) -> None:
    table = {"product_id": ["1", "2"], "title": ["nan", "b"], "colour": ["red", "blue"]}
    pq.write_table(pa.table(table), tmp_path / "c.parquet")
    report = json.loads(run("check", tmp_path / "c.parquet", "--format", "json").out)
    assert set(report) == set(CheckReport.__dataclass_fields__)
    assert report["rows"] == report["embeddable"] + report["rejected"] == 2
    assert report["text_columns"] == ["title"]
    assert list(report["could_be_searched"]) == ["colour"]
    assert report["placeholder_values"] == {"title": {"nan": 1}}


HOSTILE = {
    "empty": b"", "zeros": bytes(5000), "only the mark": b"PAR1", "two marks": b"PAR1PAR1",
    "a CSV": b"product_id,title\n1,a\n", "text": b"hello\n" * 99,
    "control": b"PAR1\x1b[31m\x07PAR1",
    "a footer of 2 GiB": b"PAR1" + b"\xff\xff\xff\x7fPAR1", "a ZIP": b"PK\x03\x04" + bytes(99),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_file_that_is_no_catalogue_is_one_line(tmp_path: Path, kind: str) -> None:
    (tmp_path / "c.parquet").write_bytes(HOSTILE[kind])
    done = run("check", tmp_path / "c.parquet")
    assert (done.code, done.out) == (1, "")
    assert len(done.err.splitlines()) == 1
    assert done.err.isprintable() or done.err[:-1].isprintable()
    assert done.err.startswith(f"error: {tmp_path / 'c.parquet'}: ")


@pytest.mark.parametrize("cut", range(50, 1000, 150))
def test_a_damaged_catalogue_is_no_traceback(tmp_path: Path, cut: int) -> None:
    rows = {"product_id": [str(n) for n in range(500)], "title": [f"mug {n}" for n in range(500)]}
    pq.write_table(pa.table(rows), tmp_path / "c.parquet", compression="zstd")
    content = bytearray((tmp_path / "c.parquet").read_bytes())
    content[cut : cut + 40] = b"\xff" * 40
    (tmp_path / "c.parquet").write_bytes(content)
    done = run("check", tmp_path / "c.parquet")
    assert "Traceback" not in done.err
    lines = done.err.splitlines()
    assert done.code == (1 if lines and lines[-1].startswith("error: ") else 0)
    assert all(line.startswith(("warning: ", "error: ")) for line in lines)


def test_a_catalogue_without_pictures_is_told_so_once(tmp_path: Path) -> None:
    report = check(tmp_path, {"price": [1.0, 2.0]})
    assert [text for text in report.warnings if "picture" in text] == [
        "no picture column: products are found by their texts alone"
    ]


@pytest.mark.parametrize(
    ("names", "example"),
    [
        (["price", "sku", "title"], "sku"),
        (["productId"], "productId"),
        (["price"], "NAME"),
        (["TITLE", "PRODUCT_ID"], "PRODUCT_ID"),
        (["Product-ID"], "Product-ID"),
    ],
)
def test_the_column_that_may_hold_the_ids_is_proposed(
    names: list[str], example: str, tmp_path: Path
) -> None:
    pq.write_table(pa.table({name: ["1"] for name in names}), tmp_path / "c.parquet")
    with pytest.raises(CatalogueError, match=f"`columns=product_id={example}`"):
        open_catalogue(tmp_path / "c.parquet")


@pytest.mark.parametrize(
    ("values", "empty"),
    [
        ([None, None], True),
        (["", " "], True),
        (["", "oak"], False),
        (pa.array([None, None], pa.float64()), True),
        ([None, 0.0], False),
    ],
)
def test_a_column_without_values_is_named(
    tmp_path: Path, values: Sequence[object], empty: bool
) -> None:
    warnings = check(tmp_path, {"depth": values, "stock": [1, 2]}).warnings
    assert ("column 'depth' is empty" in warnings) == empty


def test_no_struct_is_proposed_for_ids(tmp_path: Path) -> None:
    pq.write_table(pa.table({"product": [{"id": 1}], "title": ["mug"]}), tmp_path / "c.parquet")
    with pytest.raises(CatalogueError, match="map it with `columns=product_id=NAME`"):
        open_catalogue(tmp_path / "c.parquet")
