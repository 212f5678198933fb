"""`check` and `convert` name ids, numbers and texts that are not what they seem."""

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small import run

from prodmatch.catalogue.reader import open_catalogue
from prodmatch.catalogue.text import clean_text
from prodmatch.check import check_catalogue

TITLES = ["red shirt", "blue mug", "green chair", "lamp", "boot", "vase"]


def warnings(folder: Path, columns: dict[str, object]) -> list[str]:
    table = {"product_id": [f"p{row}" for row in range(6)], "title": TITLES, **columns}
    pq.write_table(pa.table(table), folder / "c.parquet")
    found = check_catalogue(open_catalogue(folder / "c.parquet"), workers=0).warnings
    return [text for text in found if "picture" not in text]


@pytest.mark.parametrize("other", ["a1", " A1", "A1 ", "\tA1", " a1 ", "A1\u00a0"])
def test_ids_that_look_equal_are_named(other: str, tmp_path: Path) -> None:
    found = warnings(tmp_path, {"product_id": ["A1", other, "A2", "A3", "A 1", "A-1"]})
    what = "an id that differs from another's in case or spaces only"
    assert found == [f"product_id: 1 x {what} ({other!r})"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, float("inf"), float("nan"), None, 0.0, 1e18],
         ["price: 2 x a value that is no finite number ('p1', 'p2')"]),
        ([1.0, -5.0, 0.0, None, -0.01, 3.0], ["price: 2 x a value below zero ('p1', 'p4')"]),
        ([1, -5, 0, None, 4, 3], ["price: 1 x a value below zero ('p1')"]),
        ([Decimal("1.50"), Decimal("-0.01")] * 3,
         ["price: 3 x a value below zero ('p1', 'p3', 'p5')"]),
        ([1.0, 2.0, 0.0, None, 4.5, 3.0], []),
        (["1", "-2", "3", "4", "5", "6"], []),
    ],
)  # fmt: skip
def test_prices_that_are_none_are_named(
    values: list[object], expected: list[str], tmp_path: Path
) -> None:
    assert warnings(tmp_path, {"price": values}) == expected
    assert not [text for text in warnings(tmp_path, {"longitude": values}) if "below" in text]


INVISIBLE = ["\u200b", "\ufeff", "\u200d\u200c", " \u2060 ", "\u00ad", "\u202a\u202c", "\u3164",
    "\u2800\u2800", "&#8203;", "<p>\u200b</p>", "\u200e&nbsp;\u200f", "\u061c"]  # fmt: skip


@pytest.mark.parametrize("text", INVISIBLE)
def test_a_text_that_shows_nothing_is_none(text: str) -> None:
    assert clean_text(text) == ""
    assert clean_text(f"{text}mug") not in ("", "mug " * 2)


@pytest.mark.parametrize(
    ("text", "cause"),
    [("CafÃ© noir", "UTF-8 was read as Windows-1252"), ("Caf\ufffd noir", "U+FFFD")],
)
@pytest.mark.parametrize(("head", "name"), [("product_id", "'x1'"), ("sku", "'row 1'")])
def test_convert_names_wrong_encodings(
    text: str, cause: str, head: str, name: str, tmp_path: Path
) -> None:
    (tmp_path / "c.csv").write_text(f"{head},title\nx1,{text}\nx2,red mug\n")
    done = run("convert", tmp_path / "c.csv", tmp_path / "c.parquet")
    assert done.code == 0
    (found,) = [line for line in done.err.splitlines() if line.startswith("warning: title: 1 text")]
    assert cause in found
    assert name in found
