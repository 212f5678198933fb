"""Variants are named by what differs."""

import pytest

from prodmatch.matching.differences import find_differences, share_words
from prodmatch.matching.listings.parsed_text import parse_text


def differences(one: str, other: str) -> list[str]:
    return [str(each) for each in find_differences(parse_text(one), parse_text(other))]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("Jeans size 40", "Jeans size 42", ["size 40 / 42"]),
        ("Tee red M", "Tee blue M", ["colour red / blue"]),
        ("Tee red S", "Tee red XL", ["size s / xl"]),
        ("Soap 250 ml", "Soap 0.5 l", ["volume 250 ml / 500 ml"]),
        ("Phone 64 GB", "Phone 128GB", ["capacity 64 gb / 128 gb"]),
        ("Socks", "Socks (Pack of 3)", ["pack 1 / 3"]),
        ("Socks pack of 2", "Socks pack of 3", ["pack 2 / 3"]),
        ("Socks pack of 2", "Socks pack 3", ["pack 2 / 3"]),
        ("Pens pack of 2 (pack of 3)", "Pens pack of 2", ["pack 2 + 3 / 2"]),
        ("Top 3X", "Top 2X", ["size xxxl / xxl"]),
        ("Office 2007", "Office 2010", ["number 2007 / 2010"]),
        ("Phone 12 Pro", "Phone 12", ["edition pro / plain"]),
        ("Phone 12 Pro Max", "Phone 12 Pro", ["edition pro max / pro"]),
        ("Tablet Wi-Fi", "Tablet LTE", ["edition wifi / lte"]),
        ("Suite Deluxe 2007", "Suite Standard 2007", ["edition deluxe / standard"]),
        ("Suite Pro for students", "Suite for students, Pro", []),
        ("Tee red", "Tee", []),
        ("Disk 1 TB", "Disk 1000 GB", []),
        ("Tea tin red", "Tea tin rot", []),
        ("Tea tin noir", "Tea tin blanc", ["colour black / white"]),
        ("Ale 330 ml pack of 12", "Ale 12 x 330ml", []),
        ("Ale 6 x 330 ml", "Ale 12x330 ml", ["pack 6 / 12"]),
        ("Shelf 80 x 28 cm", "Shelf 80x28 cm", []),
        ("Shelf 80 x 28 cm", "Shelf 40 x 28 cm", ["length 80 cm / 40 cm"]),
        ("Cable 6 ft", "Cable 1.8 m", []),
        ("Screen 33 cm", "Screen 33.5 cm", ["length 33 cm / 33.5 cm"]),
        ("Lotion 12 fl. oz", "Lotion 354 ml", []),
        ("Laptop i5 8 GB", "Laptop i7 8 GB", ["number i5 / i7"]),
        ("Saga volume 1", "Saga volume 2", ["number 1 / 2"]),
        ("Atlas 3rd edition", "Atlas edition 4", ["number 3 / 4"]),
        ("Lamp left", "Lamp right", ["side left / right"]),
        ("Phone 12", "Phone 12 (renewed)", ["condition new / refurbished"]),
        ("Used phone 12", "Phone 12 (used)", []),
        ("Phone 12 - used", "Phone 12 used for calls", ["condition refurbished / new"]),
        ("Headset with mic", "Headset without mic", ["extras with / without"]),
        ("Scent EDT", "Scent eau de parfum", ["fragrance toilette / parfum"]),
        ("Film DVD", "Film Blu-ray", ["format dvd / bluray"]),
        ("Trainers for men", "Trainers for women", ["gender men / women"]),
        ("Cells AA", "Cells AAA", ["size aa / aaa"]),
        ("Cable black/white", "Cable white/white", ["colour black / white"]),
        ("Pad 11 inch, fits 11 in", "Pad 5 inch, fits 11 in", ["length 27.9 cm / 12.7 cm"]),
        ("Screen 27 inch (68.58 cm)", "Screen 27 inch, cable 1.5 m", []),
        ("Red shoe, red sole", "Red shoe, blue or white sole", []),
    ],
)
def test_differences_are_named(one: str, other: str, expected: list[str]) -> None:
    assert differences(one, other) == expected


def test_columns_are_compared_too() -> None:
    columns = ({"colour": "Red", "size": 40, "brand": "A"}, {"colour": "red ", "size": 42})
    found = find_differences(parse_text("Tee"), parse_text("Tee"), columns)
    assert [str(each) for each in found] == ["size 40 / 42"]


def test_variants_say_much_the_same() -> None:
    same = parse_text("Acme runner shoe red"), parse_text("Acme runner shoe blue")
    assert share_words(*same)
    assert not share_words(parse_text("Acme runner shoe"), parse_text("Zeta hiking boot"))
    codes = parse_text("Acme cordless drill X100A"), parse_text("Acme hammer drill X200B")
    assert not share_words(*codes)
    assert share_words(parse_text("Film DVD"), parse_text("Film Blu-ray"))


def test_long_products_of_numbers_are_read_in_linear_time() -> None:
    assert parse_text("1 x " * 100_000)  # half an hour if every number looked on to the end
