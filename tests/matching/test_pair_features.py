"""Features of pairs against sets of Python, the same both ways round."""

import numpy as np
import pytest

from prodmatch.matching.listings.numbered_listings import (
    Listings,
    ListingsBuilder,
    Vocabulary,
    term_weights,
)
from prodmatch.matching.listings.parsed_text import parse_text
from prodmatch.matching.pair_features import NAMES, PairCosines, PairFeatures

TEXTS = [
    "Acme AB-123X Drill 18 V, 2 kg, black",
    "acme drill ab123x 18V black 2000 g",
    "Acme AB-124X drill 18 V red, pack of 2",
    "Zeta shirt size 40 blue",
    "Zeta shirt size 42 blue",
    "",
]


def build(texts: list[str], vocabulary: Vocabulary) -> Listings:
    builder = ListingsBuilder(vocabulary)
    for number, text in enumerate(texts):
        brand = "acme" if "acme" in text.lower() else None
        attributes = {"material": ("wood", f"w{number % 2}")}
        builder.add(f"p{number}", parse_text(text), attributes, brand, 10.0 * (number + 1))
    return builder.build()


def features(pairs: list[tuple[int, int]]) -> np.ndarray:
    vocabulary = Vocabulary()
    listings = build(TEXTS, vocabulary)
    computed = PairFeatures(listings, listings, term_weights(vocabulary, [listings]))
    rows, others = (np.array(each) for each in zip(*pairs, strict=True))
    cosines = PairCosines(np.linspace(0, 1, len(pairs)), np.full(len(pairs), np.nan))
    return computed.compute(rows, others, cosines)


def column(name: str, pairs: list[tuple[int, int]]) -> list[float]:
    return [round(float(value), 4) for value in features(pairs)[:, NAMES.index(name)]]


def test_features_are_the_same_both_ways() -> None:
    pairs = [(one, other) for one in range(6) for other in range(6)]
    swapped = [(other, one) for one, other in pairs]
    np.testing.assert_array_equal(features(pairs), features(swapped))


def test_overlaps_are_those_of_sets() -> None:
    pairs = [(one, other) for one in range(5) for other in range(5)]
    sets = [set(parse_text(text).terms) for text in TEXTS]
    expected = [round(len(sets[a] & sets[b]) / len(sets[a] | sets[b]), 4) for a, b in pairs]
    assert column("terms_jaccard", pairs) == expected


def test_codes_quantities_and_attributes_agree_or_conflict() -> None:
    same, other, size = (0, 1), (0, 2), (3, 4)
    assert column("codes_shared", [same])[0] > 0
    assert column("codes_shared", [other]) == [0.0]
    assert column("quantities_shared", [same]) == [2.0]
    assert column("quantities_conflict", [same, other]) == [0.0, 0.0]
    assert column("colours_conflict", [same, other, size]) == [0.0, 1.0, 0.0]
    assert column("sizes_conflict", [size]) == [1.0]
    assert column("brand_equal", [same]) == [1.0]
    assert column("price_ratio", [same]) == [0.5]
    assert column("columns_shared", [same]) == [1.0]
    assert column("packs_conflict", [same, other]) == [0.0, 1.0]


@pytest.mark.parametrize("name", ["terms_jaccard", "image_cosine", "codes_shared", "margin_least"])
def test_what_a_listing_lacks_is_nan(name: str) -> None:
    assert np.isnan(features([(3, 5)])[0, NAMES.index(name)])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.5 L", "1500 ml"),
        ("1 TB", "1000GB"),
        ("6.5 inch", '6.5"'),
        ("2 kg", "2000 grams"),
        ("version 7.0", "version 7"),
    ],
)
def test_quantities_are_compared_in_one_unit(one: str, other: str) -> None:
    assert parse_text(one).terms == parse_text(other).terms


def test_a_text_is_taken_apart() -> None:
    parsed = parse_text("Acme T-Shirt AB-123X 42, size XL, grey, pack of 3, for men")
    assert parsed.codes == ("ab123x", "123x")
    assert parsed.colours == ("grey",)
    assert parsed.sizes == ("xl",)
    assert parsed.packs == ("3",)
    assert parsed.numbers == ("42", "3")
    assert parsed.words == ("acme", "t", "shirt", "ab", "size", "grey", "pack", "men")


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("Tee X-Large", ("xl",)),
        ("tee xx-large", ("xxl",)),
        ("tee 4x large", ("4xl",)),
        ("XL - Extra Large", ("xl",)),
        ("top x-small", ("xs",)),
        ("L - Large", ("l",)),
        ("Tank Med", ("m",)),
    ],
)
def test_an_extra_large_one_is_not_large(text: str, sizes: tuple[str, ...]) -> None:
    assert parse_text(text).sizes == sizes


def test_editions_tell_products_apart_and_between_catalogues_only_where_both_name_one() -> None:
    vocabulary = Vocabulary()
    texts = ["Acme phone 12", "Acme phone 12 Pro", "Acme phone 12 Pro Max", "Acme phone 12 Lite"]
    catalogues = [build(texts, vocabulary) for _ in range(2)]
    weights = term_weights(vocabulary, catalogues)
    rows, others = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 2, 3])
    own = PairFeatures(catalogues[0], catalogues[0], weights).conflicts(rows, others)
    assert (own > 0).tolist() == [False, True, False, True, True]
    between = PairFeatures(*catalogues, weights).conflicts(rows, others)
    assert (between > 0).tolist() == [False, False, False, False, True]
