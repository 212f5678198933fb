"""What queries want products to be free of: the words stay, what contains it is left out."""

from collections.abc import Sequence

import pytest
from conftest import Counting

from prodmatch.lexical.free_of import find_free_of, find_wanted
from prodmatch.lexical.understanding import Phrases, understand

NAMES = (
    "gluten", "sugar", "alcohol", "caffeine", "lactose", "fragrance", "paraben", "sulfate",
    "silicone",
    "wheat", "nut", "oil", "palm oil", "bpa", "aluminium", "acetone", "wire",
)  # fmt: skip
TITLES = [f"the {name} free one" for name in NAMES]
TITLES += [
    "hands free set",
    "duty free bag",
    "born free",
    "get one free",
    "7up free",
    "no show sock",
]
TITLES += [
    "a bread gluten free",
    "a glutenfree bar",
    "bread without gluten",
    "an envelope without window",
    "carefree pads",
    "risk free free trial",
]


def contains(words: Sequence[str]) -> bool:
    return any(f" {' '.join(words)} " in f" {title} " for title in TITLES)


KNOWN = Phrases(contains, contains, lambda words: False)


FORMS = ("{0} free bread", "{0}-free bread", "bread {0} free", "no {0} bread", "bread without {0}",
         "bread zero {0}", "{1} Free")  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_what_products_are_free_of_is_found(form: str, count_cases: Counting) -> None:
    for name in NAMES:
        assert find_free_of(form.format(name, name.upper()), contains) == (name,)
    count_cases("queries for what is free of something", len(NAMES))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("gluten and sugar free bar", {"gluten", "sugar"}),
        ("sulfate- and paraben-free shampoo", {"sulfate", "paraben"}),
        ("palm oil free spread", {"palm oil"}),
        ("bread gluten free", {"gluten"}),
        ("sugar free, gluten free", {"sugar", "gluten"}),
        ("glutenfree bar", {"gluten"}),
        ("hands free set", set()),
        ("duty free bag", set()),
        ("buy one get one free", set()),
        ("born free", set()),
        ("7up free", set()),
        ("carefree pads", set()),
        ("free range eggs", set()),
        ("free gluten test", set()),
        ("peanut free bread", set()),  # no product says so
        ("no show sock", set()),
        ("no sugar free cola", {"sugar"}),
        ("free", set()),
        ("envelope without window", {"window"}),
        ("envelope without stamp", set()),  # as no product has it
        ("envelope not without window", set()),
        ("", set()),
    ],
)
def test_only_what_is_left_out_is_found(text: str, found: set[str]) -> None:
    assert set(find_free_of(text, contains)) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("coat with hood", ("hood",)),
        ("Coat with a Hood in red", ("hood",)),
        ("drill with 2 batteries and with case", ("batteries", "case")),
        ("coat with or without hood", ()),
        ("coat withhood", ()),
        ("coat with hood, jacket with hood", ("hood",)),
    ],
)
def test_what_products_are_wanted_with_is_found(text: str, found: tuple[str, ...]) -> None:
    assert find_wanted(text) == found
    assert understand(text, KNOWN).wanted == found


def test_the_words_stay() -> None:
    found = understand("gluten free bread", KNOWN)
    assert (found.words, found.without, found.free_of) == ("gluten free bread", (), ("gluten",))
    found = understand("bread without gluten", KNOWN)  # as a product has it
    assert (found.words, found.without, found.free_of) == ("bread without gluten", (), ("gluten",))
    assert understand('"gluten free" bread', KNOWN).free_of == ()


@pytest.mark.parametrize(
    ("text", "words", "without"),
    [
        ("cola not sugar free", "cola", "sugar free"),
        ("cola not sugar-free", "cola", "sugar-free"),
        ("not alcohol free beer", "beer", "alcohol free"),
        ("tea that is not caffeine-free", "tea", "caffeine-free"),
        ("a mug which is not blue", "a mug", "blue"),
    ],
)
def test_what_is_not_free_of_it_is_wanted(text: str, words: str, without: str) -> None:
    found = understand(text, KNOWN)
    assert (found.words, found.without, found.free_of) == (words, (without,), ())
