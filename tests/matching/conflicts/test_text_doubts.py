"""What texts of two listings of one catalogue leave open, the same both ways round."""

from dataclasses import replace
from math import nan

import pytest

from prodmatch.matching.conflicts.text_doubts import (
    ListingText,
    denies,
    find_exchanges,
    is_doubtful_between,
    is_doubtful_text,
    read_text,
    tells_apart,
)


def doubtful(one: ListingText | str, other: ListingText | str) -> bool:
    left, right = (ListingText(each) if isinstance(each, str) else each for each in (one, other))
    found = is_doubtful_text(left, right)
    assert is_doubtful_text(right, left) == found
    return found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Acme charger for watch", "Zeta charger for watch"),  # of two sellers
        ("Acme charger for watch", "Charger for watch"),
        ("Acme case for Galaxy M33 5G", "Acme case for Galaxy M53 5G"),
        ("Acme mat control edition", "Acme mat speed edition"),
        ("Acme brief mid rise beige", "Acme brief low rise beige"),
        ("Acme cable braided 3 m", "Acme cable braided"),
        ("Acme chair oak 4", "Acme chair oak"),
        ("Acme plan for ovens", "Acme plan for ovens, B2B"),
        ("Acme plan household goods", "Acme plan home & kitchen goods"),
        ("Acme play suit king", "Acme infant play suit king"),
        ("Acme slippers basic", "Acme ladies slippers basic"),
        ("Acme men shirt check", "Acme shirt check kids"),
        ("Acme lamp left", "Acme lamp"),
        ("Acme watch W4100013, see WGNM0006", "Acme watch WGNM0006, see W4100013"),
        ("Acme cable black/white", "Acme cable white/white"),
        ("Acme soap smooth", "Acme soap booth"),  # spelt alike, and begin with other letters
        (ListingText("Top red", price=10.0), ListingText("Top red", price=4.9)),
        ("Acme bar 60 g", "Acme bar 60 g vanilla"),
        ("Acme pan", "Acme pan with lid"),
        ("Acme fitted sheet", "Acme fitted sheet for cot"),
        (
            ListingText("Kuggis box", description="for crafts and games"),
            ListingText("Kuggis box", description="for paper and media"),
        ),
    ],
)
def test_what_tells_two_apart_is_doubted(one: ListingText | str, other: ListingText | str) -> None:
    assert doubtful(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("NEW Acme lamp desk", "Acme lamp desk"),
        ("Original Acme lamp desk, free shipping", "Acme lamp desk"),
        ("Acme Shirts men check green", "Acme men green check shirt"),
        ("Acme watch wireless black", "Acme watch wirelss blk with free shipping"),
        ("Acme tray table for bed", "Acme tray table foldable portable for bed"),
        ("Acme bottle steel 1.5 l", "Acme bottle steel 1500 ml"),
        ("Acme tee 3/4 sleeve", "Acme tee 3/4-sleeve"),
        ("Acme boys shirt check", "Acme kids boys shirt check"),
        ("Acme band for men, women and kids", "Acme band"),
        (ListingText("Top red", brand="acme"), ListingText("Acme top red")),
        (ListingText("Top red", price=10.0), ListingText("Top red", price=5.0)),
        ("Acme remote", "Acme remote compatible for SD/HD"),
        (
            ListingText("Kuggis box", description="for paper"),
            ListingText("Kuggis box", description="for paper and media"),
        ),
        (
            ListingText("Kuggis box white", description="for crafts and games"),
            ListingText("Kuggis box", description="for paper and media"),
        ),
    ],
)
def test_other_ways_to_say_it_are_not_doubted(
    one: ListingText | str, other: ListingText | str
) -> None:
    assert not doubtful(one, other)


def test_exchanges_are_words_in_the_same_place() -> None:
    left = "Acme men active lifestyle copper sunglasses"
    assert find_exchanges(left, "Acme men high street copper sunglasses") == [
        ("active lifestyle", "high street")
    ]
    assert find_exchanges(left, "Acme men copper lifestyle active sunglasses") == []


@pytest.mark.parametrize(
    ("one", "other", "in_one", "between"),
    [
        ("Acme phone 12", "Acme phone 12 Pro", True, False),  # a shop may leave it out
        ("Acme phone 12 Pro Max", "Acme phone 12 Pro", True, False),
        ("Acme phone 12 Pro", "Acme phone 12 Lite", True, True),
        ("Acme lamp left", "Acme lamp right", True, True),
        ("Acme lamp left", "Acme lamp", False, False),
        ("Acme phone 12", "Acme phone 12 refurbished", True, True),
        ("Acme vacuum V11", "Filter for Acme vacuum V11", True, True),
        ("Acme laptop i5 A2337", "Acme laptop i7 A2337", True, True),
        ("Acme laptop i5 A2337", "Acme laptop A2179", False, False),
        ("Acme laptop 15 A2337", "Acme laptop 17 A2179", False, False),  # the scorer sees numbers
        ("Acme vacuum V11 filter", "Filter for Acme vacuum V11", False, False),
        ("Acme kurta for women", "Acme kurta", False, False),
        ("Acme vacuum V11", "Cover for a sofa", False, False),
        ("Acme bar Vanille", "Acme bar chocolate", True, True),
        ("Acme bar vanilla", "Acme Riegel Vanille", False, False),
        ("Acme lamp links", "Acme lamp rechts", True, True),
        ("Acme phone", "Acme phone generalüberholt", True, True),
        ("Acme phone", "Acme phone (open box)", True, True),
        ("Acme grammar English", "Acme grammar Spanish", True, True),
    ],
)
def test_named_values_and_parts_deny_a_match(
    one: str, other: str, *, in_one: bool, between: bool
) -> None:
    for pair in ((one, other), (other, one)):
        left, right = map(ListingText, pair)
        assert denies(left, right, is_one=True) == in_one
        assert denies(left, right, is_one=False) == between


@pytest.mark.parametrize(
    ("one", "other", "denied"),
    [
        ({"brand": "Acme"}, {"brand": "Zeta"}, True),
        ({"brand": "Acme"}, {"manufacturer": "ACME GmbH"}, False),
        ({"brand": "Acme"}, {"brand": "n/a"}, False),
        ({"brand": "Acme"}, {}, False),
        ({"flavour": "Vanilla"}, {"taste": "Chocolate"}, True),
        ({"flavour": "Vanilla"}, {"description": "Flavour: chocolate, very fine. 1 kg"}, True),
        ({"description": "Taste of vanilla."}, {"description": "A taste of fine chocolate."}, True),
        ({"description": "Taste of vanilla."}, {"description": "Rich in chocolate."}, False),
        ({"price": 499.0}, {"price": 29.0}, True),
        ({"price": 149.0}, {"price": 89.0}, False),
    ],
)
def test_columns_brands_and_prices_deny_a_match(
    one: dict[str, object], other: dict[str, object], *, denied: bool
) -> None:
    left, right = (
        read_text({"title": "Powder 1 kg", **each}, float(str(each.get("price", "nan"))))
        for each in (one, other)
    )
    for is_one in (True, False):
        assert denies(left, right, is_one=is_one) == denied
        assert denies(right, left, is_one=is_one) == denied


def test_a_brand_that_the_title_names_is_that_of_the_other_shop() -> None:
    left = ListingText("Acme boost gel", brand="Holding & Sons")
    assert not denies(left, ListingText("Boost gel", brand="Acme"), is_one=False)


def test_one_gtin_outweighs_other_part_numbers_and_brands() -> None:
    left, right = (
        read_text({"title": "Screen", "mpn": mpn, "brand": brand}, nan)
        for mpn, brand in (("VG279Q1A", "Acme"), ("90LM05X0", "Zeta"))
    )
    assert denies(left, right, is_one=False)
    assert not tells_apart(left, right, is_one=False)


def test_prices_of_another_currency_are_no_other_ones() -> None:
    left, right = ListingText("Tea tin", price=10.0), ListingText("Tea tin", price=1600.0)
    assert denies(left, right, is_one=False)
    for one, other in ((left, replace(right, rate=0.006)), (replace(right, rate=0.006), left)):
        assert not denies(one, other, is_one=False)


@pytest.mark.parametrize(
    ("one", "other", "doubted"),
    [
        ("Acme plush elephant 30 cm", "Acme plush giraffe 30 cm", True),
        ("Acme shampoo dry hair", "Acme shampoo oily hair", True),
        ("Acme screen X100A lamp", "Acme screen X100A light", False),  # of one code
        ("Acme suite 6 windows", "Acme suite 6 zeta", False),  # shops name it or not
        ("Acme sandpaper P80", "Acme sandpaper P120", True),
        ("Acme cells", "Acme cells twin pack", True),
        ("Acme reader", "Acme reader case", True),
        ("Acme pan", "Acme pan with lid", True),
        ("Acme cup stoneware", "Acme cup and saucer stoneware", True),
        ("Acme reader case", "Acme case for reader", False),
        ("Acme headset with mic", "Acme headset", True),
        ("Acme lessons for reader and phone", "Acme lessons reader", False),
        ("Acme suite 6 zeta", "Acme suite 6 edition", False),
        ("Acme strips 25 pack", "Acme strips 25 strips pack", False),
        ("Acme bottle steel 1.5 l", "Acme bottle steel 1500 ml", False),
        ("Acme plush elephant", "Zeta wooden giraffe", False),  # the scorer sees that
    ],
)
def test_what_is_doubted_between_two_shops(one: str, other: str, *, doubted: bool) -> None:
    for pair in ((one, other), (other, one)):
        assert is_doubtful_between(*map(ListingText, pair)) == doubted
