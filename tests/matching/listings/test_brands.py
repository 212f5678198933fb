"""Brands by whatever name shops write them, the same both ways round."""

import pytest

from prodmatch.matching.listings.brands import is_other_brand, names_brand


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Stanley", "Bahco"),
        ("Bertolli", "Filippo Berio"),
        ("Brembo", "ATE"),
        ("Neutrogena", "Johnson & Johnson"),
    ],
)
def test_other_brands(one: str, other: str) -> None:
    assert is_other_brand(one, other)
    assert is_other_brand(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HP", "Hewlett-Packard"),
        ("Samsung", "SAMSUNG Electronics"),
        ("Bosch Professional", "Robert Bosch GmbH"),
        ("L'Or\u00e9al Paris", "LOreal"),
        ("MANN-FILTER", "Mann"),
        ("Levi's", "Levi Strauss & Co."),
        ("Addidas", "adidas"),
        ("Anker", "n/a"),
        ("Anker", "No name"),
        ("Anker", ""),
    ],
)
def test_one_brand_in_other_words_or_none(one: str, other: str) -> None:
    assert not is_other_brand(one, other)
    assert not is_other_brand(other, one)


def test_titles_name_brands() -> None:
    assert names_brand("acmeboostgel", "Acme Inc.")
    assert not names_brand("boostgel", "Acme")
    assert not names_brand("boostgel", "n/a")
