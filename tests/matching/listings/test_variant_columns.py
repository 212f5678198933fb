"""Columns that tell products apart, each kind compared in its own way."""

import pytest

from prodmatch.matching.listings.variant_columns import find_conflicts, list_columns, read_columns

OTHER = [
    ("scent", "Lavender", "Sandalwood"),
    ("flavour", "Dark chocolate", "White chocolate"),
    ("shade", "NC20", "NC42"),
    ("pa_flavour", "Erdbeere", "Raspberry"),
    ("voltage", "12 V", "230 V"),
    ("length", "3 m", "5 m"),
    ("net_weight", "500 g", "1 kg"),
    ("format", "Paperback", "Hardcover"),
    ("language", "English", "fr"),
    ("author", "Sylvia Plath", "Philip Larkin"),
    ("platform", "PS4", "PlayStation 5"),
    ("side", "left", "rechts"),
    ("condition", "new", "refurbished"),
    ("condition", "NewCondition", "UsedCondition"),
    ("mpn", "VG279Q1A", "VG27AQ3A"),
    ("model", "P2722H", "U2722D"),
]
ONE = [
    ("scent", "lavender & musk", "Lavender"),
    ("flavour", "Smooth vanilla", "Vanille"),
    ("length", "5 m", "16 ft"),
    ("length", "500", "0.5"),  # nobody knows in what unit
    ("weight", "170 g", "450 g"),  # with its box
    ("format", "Taschenbuch", "Softcover"),
    ("language", "de", "Deutsch"),
    ("author", "J.R.R. Tolkien", "Tolkien, J. R. R."),
    ("platform", "PS5", "PlayStation 5"),
    ("condition", "Brand New", "NewCondition"),
    ("mpn", "27GP850-B", "27GP850B.AEU"),
    ("mpn", "7", "8"),
    ("model", "Galaxy S21", "SM-G991B"),
    ("flavour", "", "Vanilla"),
]


def conflicts(column: str, one: object, other: object, *, is_one: bool) -> list[str]:
    left, right = (read_columns({column: value}) for value in (one, other))
    found = find_conflicts(left, right, is_one=is_one)
    assert found.keys() == find_conflicts(right, left, is_one=is_one).keys()
    return [*found]


@pytest.mark.parametrize(("column", "one", "other"), OTHER)
def test_other_values_conflict(column: str, one: str, other: str) -> None:
    assert conflicts(column, one, other, is_one=False)
    assert conflicts(column, one, other, is_one=True)


@pytest.mark.parametrize(("column", "one", "other"), ONE)
def test_one_value_is_written_in_several_ways(column: str, one: str, other: str) -> None:
    assert not conflicts(column, one, other, is_one=False)


@pytest.mark.parametrize(
    ("column", "one", "other"), [("weight", "500 g", "1 kg"), ("length", 500.0, 1000.0)]
)
def test_one_shop_measures_in_one_way(column: str, one: object, other: object) -> None:
    assert conflicts(column, one, other, is_one=True)


def test_an_option_is_what_its_name_says() -> None:
    columns = {"Option1 Name": "Flavour", "Option1 Value": "Vanilla", "title": "Bar"}
    assert read_columns(columns) == {"flavour": "vanilla"}


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("Cleans gently. Scent: lavender. 250 ml", {"scent": " lavender"}),
        ("Colour: red, quick drying.", {"colour": " red"}),
        ("Colour: red, blue", {"colour": " red, blue"}),
        ("Net weight: 0.5 kg", {"content": " 0.5 kg"}),
        ("Capacity 500 GB, USB-C.", {"capacity": "500 GB, USB-C"}),
        ("A size that fits. Colour of the sea.", {}),
        ("With a taste of salty peanut.", {"flavour": "peanut"}),
    ],
)
def test_descriptions_list_columns(description: str, expected: dict[str, object]) -> None:
    columns = {"title": "Soap", "description": description, "scent": None, "color": None}
    found = list_columns(columns)
    assert {k: value for k, value in found.items() if value != columns.get(k)} == expected


def test_a_column_outweighs_what_the_description_lists() -> None:
    columns = {"scent": "Rose", "description": "Scent: lavender."}
    assert list_columns(columns) == columns


def test_long_descriptions_are_read_in_linear_time() -> None:
    for part in ("\n", "- ", "Size ", "taste of ", "Size: 1.1 "):
        assert list_columns({"description": part * 50_000})
