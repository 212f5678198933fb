"""Columns whose values are other ones overnight are named, or refused."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Counting
from tiny import embed_tiny, save_query_encoders

from prodmatch.catalogue.reader import open_catalogue
from prodmatch.embed import EmbedSettings
from prodmatch.embedding.nights.columns.night_columns import MOST_LABELS, CommonValue, LabelReader
from prodmatch.embedding.nights.value_changes import name_one_value
from prodmatch.errors import CatalogueError
from prodmatch.model.description import Model

COUNT = 40
SETTINGS = EmbedSettings(device="cpu", workers=0, max_reject=1.0)
COLOURS = ["red", "blue", "green", "black"]
Columns = dict[str, Callable[[int], object]]
SHOP: Columns = {
    "product_id": lambda row: f"p{row}",
    "title": lambda row: f"mug {row}",
    "colour": lambda row: COLOURS[row % 4],
    "brand": lambda row: ["Acme", "Globex", None][row % 3],
    "price": lambda row: 10.0 + row,
    "stock": lambda row: float(row * 7 % 50),
    "cost": lambda row: f"${20 + row}.00",
    "is_new": lambda row: "no",
    "currency": lambda row: "EUR",
    "exported": lambda row: "2026-01-01",
}


@pytest.fixture
def night(tiny: Model, quick_disk: Path) -> Callable[..., list[str]]:
    """Embeds the shop, then with changes: the warnings of that."""
    save_query_encoders(quick_disk / "store", tiny)

    def embed(columns: Mapping[str, Callable[[int], object]]) -> list[str]:
        table = {name: [make(row) for row in range(COUNT)] for name, make in columns.items()}
        pq.write_table(pa.table(table), quick_disk / "c.parquet", row_group_size=9)
        catalogue = open_catalogue(quick_disk / "c.parquet")
        return list(embed_tiny(catalogue, tiny, quick_disk / "store", SETTINGS).warnings)

    def run(**changes: Callable[[int], object]) -> list[str]:
        embed(SHOP)
        return embed({**SHOP, **changes})

    return run


SWAPS = [("price", "stock"), ("brand", "colour"), ("title", "colour")]


@pytest.mark.parametrize("pair", SWAPS, ids="/".join)
def test_columns_that_have_changed_places_are_refused(
    pair: tuple[str, str], night: Callable[..., list[str]], count_cases: Counting
) -> None:
    one, other = pair
    with pytest.raises(CatalogueError, match="have changed places: each has the other's values"):
        night(**{one: SHOP[other], other: SHOP[one]})
    count_cases("faulty nights refused", 1)


OTHERS: dict[str, tuple[Columns, str]] = {
    "codes": ({"colour": lambda row: f"{row % 4:02d}"}, "'p0' 'red' -> '00', 'p1' 'blue' -> '01'"),
    "another language": (
        {"colour": lambda row: ["rot", "blau", "gr\u00fcn", "schwarz"][row % 4]},
        "column 'colour' has other values for 40 of 40 products ('p0' 'red' -> 'rot'",
    ),
    "capitals": ({"colour": lambda row: COLOURS[row % 4].upper()}, "'red' -> 'RED'"),
    "a brand's codes": (
        {"brand": lambda row: ["7", "8", None][row % 3]},
        "column 'brand' has other values for 27 of 27 products ('p0' 'Acme' -> '7'",
    ),
    "another currency": (
        {"currency": lambda row: "USD"},
        "column 'currency' is 'USD' in 100% of its values; the night before, 'EUR' was in 100%",
    ),
    "another sign": ({"cost": lambda row: f"\u20ac{20 + row}.00"}, "'cost' is in EUR and was in $"),
    "a code behind": ({"cost": lambda row: f"{20 + row}.00 GBP"}, "'cost' is in GBP and was in $"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_values_are_named(
    name: str, night: Callable[..., list[str]], count_cases: Counting
) -> None:
    changes, expected = OTHERS[name]
    assert [text for text in night(**changes) if expected in text] != []
    count_cases("changes that are named", 1)


HONEST: dict[str, Columns] = {
    "nothing": {},
    "dollars named": {"cost": lambda row: f"US${20 + row}.00"},
    "no currency": {"cost": lambda row: f"{20 + row}.00"},
    "half the colours": {"colour": lambda row: "pink" if row % 2 else COLOURS[row % 4]},
    "titles edited": {"title": lambda row: f"cup {row}"},
    "a state": {"is_new": lambda row: "yes"},
    "a day": {"exported": lambda row: "2026-01-02"},
    "a sale ends": {"price": lambda row: 12.0 + row, "stock": lambda row: float(row * 6 % 50)},
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_changes_are_none(
    name: str, night: Callable[..., list[str]], count_cases: Counting
) -> None:
    found = [text for text in night(**HONEST[name]) if "other values" in text or "is in" in text]
    assert found == []
    count_cases("honest nights let through", 1)


def test_one_title_for_all_products_is_refused(night: Callable[..., list[str]]) -> None:
    with pytest.raises(CatalogueError, match="column 'title' is 'Product' in 100% of its values"):
        night(title=lambda row: "Product")


def test_one_value_is_not_compared_with_that_of_an_empty_column() -> None:
    filled, empty = CommonValue("Acme", 1.0), CommonValue(None, 0.0)
    assert name_one_value("brand", empty, filled, is_flag=False) is None
    assert name_one_value("brand", CommonValue("Globex", 0.2), filled, is_flag=False) is not None


def test_twice_as_many_products_are_named(tiny: Model, quick_disk: Path) -> None:
    save_query_encoders(quick_disk / "store", tiny)
    found: dict[int, list[str]] = {}
    for count in (COUNT, 2 * COUNT - 1, 4 * COUNT - 2):
        table = {name: [make(row) for row in range(count)] for name, make in SHOP.items()}
        pq.write_table(pa.table(table), quick_disk / "c.parquet")
        catalogue = open_catalogue(quick_disk / "c.parquet")
        found[count] = embed_tiny(catalogue, tiny, quick_disk / "store", SETTINGS).warnings
    assert not [text for text in found[2 * COUNT - 1] if "are new, to" in text]
    expected = "79 products are new, to 79 of the night before: are some in it twice?"
    assert expected in found[4 * COUNT - 2]


def test_labels_are_read_while_they_are_few() -> None:
    reader, full = LabelReader(), LabelReader()
    for start in (0, MOST_LABELS - 2):
        texts = pa.array([f"{number}" for number in range(start, start + MOST_LABELS // 2)])
        valid = texts.is_valid()
        reader.add(texts.slice(0, 3), valid.slice(0, 3))
        full.add(pa.concat_arrays([texts, texts]), pa.concat_arrays([valid, valid]))
        full.add(pa.array([f"x{start}{text}" for text in texts.to_pylist()]), valid)
    found = reader.finish()
    assert found is not None
    assert found.to_pylist() == ["0", "1", "2", "998", "999", "1000"]
    assert full.finish() is None


def test_long_texts_and_many_of_them_are_not_kept() -> None:
    filled = pa.array([True] * 10)
    for texts in (["x" * 300] * 10, None):
        reader = LabelReader()
        for batch in range(MOST_LABELS // 10 + 1):
            own = [f"label {batch} {row}" for row in range(10)] if texts is None else texts
            reader.add(pa.array(own), filled)
        assert reader.finish() is None
        assert not reader._parts
