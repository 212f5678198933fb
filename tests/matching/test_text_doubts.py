"""What texts of two listings of one catalogue leave open, the same both ways round."""

import pytest

from prodmatch.matching.text_doubts import ListingText, denies, find_exchanges, is_doubtful_text


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
        (ListingText("Top red", brand="acme"), ListingText("Top red", brand="zeta")),
        (ListingText("Top red", price=10.0), ListingText("Top red", price=4.9)),
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
        ("Acme Shirts men check green", "Acme men green check shirt"),
        ("Acme watch wireless black", "Acme watch wirelss blk with free shipping"),
        ("Acme tray table for bed", "Acme tray table foldable portable for bed"),
        ("Acme bottle steel 1.5 l", "Acme bottle steel 1500 ml"),
        ("Acme tee 3/4 sleeve", "Acme tee 3/4-sleeve"),
        ("Acme boys shirt check", "Acme kids boys shirt check"),
        ("Acme band for men, women and kids", "Acme band"),
        (ListingText("Top red", brand="acme"), ListingText("Top red")),
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
    ],
)
def test_named_values_and_parts_deny_a_match(
    one: str, other: str, *, in_one: bool, between: bool
) -> None:
    for pair in ((one, other), (other, one)):
        left, right = map(ListingText, pair)
        assert denies(left, right, is_one=True) == in_one
        assert denies(left, right, is_one=False) == between
