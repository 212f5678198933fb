"""Features of pairs against sets of Python, the same both ways round."""

import numpy as np
import pytest

from prodmatch.matching.listings.attributes import read_attributes
from prodmatch.matching.listings.numbered_listings import (
    Listings,
    ListingsBuilder,
    Vocabulary,
    term_weights,
)
from prodmatch.matching.listings.parsed_text import parse_text
from prodmatch.matching.pair_features import (
    NAMES,
    PairCosines,
    PairFeatures,
    is_doubtful,
    says_the_same,
)

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
        attributes = read_attributes({"material": ("oak wood", "elm wood")[number % 2]})
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


def test_what_many_listings_say_is_told_from_what_one_says() -> None:
    vocabulary = Vocabulary()
    texts = ["Zeta ring", "zeta-ring!", "Zeta ring", "Zeta ring", "Acme AB-123X drill"]
    listings = build(texts, vocabulary)
    computed = PairFeatures(listings, listings, term_weights(vocabulary, [listings]))
    unknown = PairCosines(np.full(2, np.nan), np.full(2, np.nan))
    found = computed.compute(np.array([0, 0]), np.array([1, 4]), unknown)
    assert found[:, NAMES.index("repeats_most")].tolist() == [2.0, 2.0]
    assert found[:, NAMES.index("repeats_least")].tolist() == [2.0, 0.0]
    shared = found[:, NAMES.index("weight_shared")]
    assert shared[0] > shared[1] == 0


def test_two_photographs_need_more_than_texts_that_are_nearly_equal() -> None:
    names = ("pictures_apart", "terms_alone_least", "repeats_least", "image_cosine")
    unlike, file, unequal, unknown = 0.06, 0.0, 0.01, np.nan
    cases = [(file, 1, 2, 1), (unlike, 0, 0, 1), (unlike, 1, 0, 1), (unequal, 0, 1, 1)]
    cases += [(unequal, 1, 0, 1), (unknown, 1, 1, 1), *[(file, 0, 0, 1)] * 3]
    cases += [(file, 0, 0, 0.96), (unequal, 0, 0, 0.96), *[(unequal, 0, 0, 1)] * 3]
    values = np.zeros((len(cases), len(NAMES)), np.float32)
    values[:, NAMES.index("numbers_most")] = 1
    values[:, [NAMES.index(name) for name in names]] = cases
    values[6, NAMES.index("sizes_alone")] = 1
    values[7, NAMES.index("numbers_most")] = 0.5
    values[8, NAMES.index("colours_conflict")] = 1
    values[11:13, NAMES.index("repeats_most")] = 1
    values[11:13, NAMES.index("terms_alone_most")] = (1, 2)
    values[:, NAMES.index("terms_least")] = 0.5
    values[[0, 13], NAMES.index("terms_least")] = 0.4
    doubtful = np.flatnonzero(is_doubtful(values)).tolist()
    assert doubtful == [2, 3, 6, 7, 8, 9, 11, 13]


def test_what_tells_variants_apart_is_not_the_same() -> None:
    pairs = [(0, 1), (0, 3), (3, 4)]  # in other units, of other words, of another size
    assert says_the_same(features(pairs)).tolist() == [True, False, False]


def test_a_plural_is_the_same_term() -> None:
    assert parse_text("red shirts dresses glass").terms == ("red", "shirt", "dresse", "glass")
    assert parse_text("shirts").words == ("shirts",)


def test_one_word_for_another_is_one_term_alone_on_both_sides() -> None:
    vocabulary = Vocabulary()
    listings = build(["Acme phone single sim", "Acme phone dual sim", "Acme phone"], vocabulary)
    computed = PairFeatures(listings, listings, term_weights(vocabulary, [listings]))
    unknown = PairCosines(np.full(2, np.nan), np.full(2, np.nan))
    found = computed.compute(np.array([0, 0]), np.array([1, 2]), unknown)
    assert found[:, NAMES.index("terms_alone_least")].tolist() == [1.0, 0.0]
    assert found[:, NAMES.index("terms_alone_most")].tolist() == [1.0, 2.0]


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
        ("10.2 inch", "25.908 cm"),
        ("Blk tee", "black tee"),
        ("version 7.0", "version 7"),
    ],
)
def test_quantities_are_compared_in_one_unit(one: str, other: str) -> None:
    assert parse_text(one).terms == parse_text(other).terms


def test_near_lengths_are_told_apart() -> None:
    assert parse_text("10.2 inch").terms != parse_text("10.4 inch").terms


def test_what_one_listing_says_alone_counts() -> None:
    assert column("sizes_alone", [(3, 4), (0, 3), (0, 1)]) == [1.0, 1.0, 0.0]
    assert column("colours_alone", [(0, 2), (0, 1)]) == [1.0, 0.0]
    assert column("numbers_alone", [(1, 2), (0, 1)]) == [1.0, 0.0]


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
        ("Top 3X (pack of 2)", ("xxxl",)),
        ("Top plus size 2x black", ("xxl",)),
        ("2x cable", ()),
    ],
)
def test_an_extra_large_one_is_not_large(text: str, sizes: tuple[str, ...]) -> None:
    assert parse_text(text).sizes == sizes


@pytest.mark.parametrize(
    "offer",
    [
        "only \u20ac799.20!", "\u00a3109", "- 1,849.00 EUR", "US$ 20", "$1,299", "19,- \u20ac",
        "329 eur", "Rs. 499", "249 euro", "up to 40% off", "-20 % Rabatt",
    ],
)  # fmt: skip
def test_what_a_seller_wants_is_no_number_of_the_product(offer: str) -> None:
    parsed = parse_text(f"Acme kettle 12 500 ml {offer}")
    assert (parsed.numbers, parsed.quantities, parsed.sizes) == (("12",), ("500ml",), ())
    assert not {"799.2", "109", "499", "rabatt", "%"} & {*parsed.terms}


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Acme shoes EUR 42", ("42",)),
        ("Acme shoes 42 EUR", ("42",)),
        ("Acme gift card $50", ("50",)),
        ("Tablet warranty between INR 10,001-20,000", ("10", "1", "20", "0")),
        ("Acme tee 100% cotton", ("100",)),
        ("A$AP tour tee 2", ("2",)),
        ("Acme kettle 12 \u00a320 500 ml", ("12",)),
        ("Acme phone 12 549 \u20ac", ("12",)),
    ],
)
def test_a_size_and_what_a_card_is_worth_stay(text: str, numbers: tuple[str, ...]) -> None:
    assert parse_text(text).numbers == numbers
