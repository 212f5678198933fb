"""Columns that tell variants apart, in one unit and by one name, whoever wrote them."""

import numpy as np
import pytest

from prodmatch.matching.listings.attributes import read_attributes
from prodmatch.matching.listings.numbered_listings import (
    ListingsBuilder,
    Vocabulary,
    term_weights,
)
from prodmatch.matching.listings.parsed_text import parse_text
from prodmatch.matching.pair_features import PairFeatures

OTHER_VALUES = [
    ("capacity", "64 GB", "128 GB"),
    ("capacity", "1 TB", "1 GB"),
    ("size", "500 ml", "750 ml"),
    ("size", "EU 40", "EU 42"),
    ("size", "42,5", "42"),
    ("size", "XL", "L"),
    ("size", "120 x 200 cm", "140 x 200 cm"),
    ("size", "W32 L34", "W34 L34"),
    ("size", "2 Seater", "3 Seater"),
    ("size", "Queen", "King"),
    ("Größe", "40", "41"),
    ("colour", "dark blue", "dark green"),
    ("colour", "Midnight", "black"),
    ("colour", "grey-green", "Grey"),
    ("colour", "White, black", "White"),
    ("colour", "white,high gloss", "matt white"),
    ("gender", "Women", "Men"),
    ("gender", "Boys", "Girls"),
    ("pack", "4 pack", "8 pack"),
    ("material", "100% cotton", "100% polyester"),
    ("pattern", "dots", "stripes"),
    ("ean", "5702016617412", "3165140838320"),
]
ONE_VALUE = [
    ("capacity", "64 GB", "64GB"),
    ("capacity", "1 TB", "1000 GB"),
    ("capacity", "64", "64 GB"),
    ("size", "1 l", "1000 ml"),
    ("size", "1,5 L", "1500ml"),
    ("size", "500 ml bottle", "500 ml Flasche"),
    ("size", 42.0, "EU 42"),
    ("size", "42,5", "42.5"),
    ("size", "XL", "Extra Large"),
    ("size", "2XL", "xxl"),
    ("size", "S/M", "M"),
    ("colour", "schwarz", "Black"),
    ("colour", "Space Gray", "grey"),
    ("colour", "White, black", "schwarz,weiss"),
    ("colour", "Multicoloured", "red"),
    ("gender", "Herren", "Male"),
    ("gender", "Boys", "Kids"),
    ("gender", "Men, Women", "Men"),
    ("pack", 4.0, "Pack of 4"),
    ("pack", "4er-Pack", "4 pcs"),
    ("material", "100% cotton", "Cotton"),
    ("upc", "036000291452", 36000291452),
    ("gtin", "5702016617412, 3165140838320", "03165140838320"),
    ("isbn", "978-0-306-40615-7", 9780306406157.0),
    ("ean", "5702016617412", "5702016617413"),  # is misspelt
    ("ean", "2000000000015", "2000000000022"),  # of the shop itself
    ("barcode", "0000000000000", "5702016617412"),
]


def conflicts(column: str, one: object, other: object) -> list[bool]:
    """What each pair of values says, and the features of a pair with them, both ways round."""
    left, right = (read_attributes({column: value}) for value in (one, other))
    found = [
        left[name].denies(right[name]) or right[name].denies(left[name])
        for name in left.keys() & right.keys()
    ]
    vocabulary = Vocabulary()
    builder = ListingsBuilder(vocabulary)
    for number, attributes in enumerate((left, right)):
        builder.add(str(number), parse_text("tee"), attributes)
    listings = builder.build()
    features = PairFeatures(listings, listings, term_weights(vocabulary, [listings]))
    return [any(found), *(features.conflicts(np.array([0, 1]), np.array([1, 0])) > 0)]


@pytest.mark.parametrize(("column", "one", "other"), OTHER_VALUES)
def test_other_values_conflict_whatever_words_they_share(
    column: str, one: object, other: object
) -> None:
    assert conflicts(column, one, other) == [True] * 3


@pytest.mark.parametrize(("column", "one", "other"), ONE_VALUE)
def test_one_value_is_written_in_several_ways(column: str, one: object, other: object) -> None:
    assert conflicts(column, one, other) == [False] * 3


def test_two_columns_of_one_attribute_count_both() -> None:
    left, right = (
        read_attributes({"memory": memory, "storage": "256 GB"}) for memory in ("8 GB", "16 GB")
    )
    assert left["capacity"].denies(right["capacity"])
    assert left["capacity"].text == "8 gb 256 gb"
