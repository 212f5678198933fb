"""What a query says besides words: negations, and what only looks like one."""

from collections.abc import Sequence
from time import process_time

import pytest
from phrases import KNOWN, known, nothing

from prodmatch.lexical.understanding import Phrases, understand

NEGATIONS = [
    ("shirt not blue", "shirt", ["blue"]),
    ("shirt -blue", "shirt", ["blue"]),
    ("red shirt -blue -striped", "red shirt", ["blue", "striped"]),
    ("-blue shirt", "shirt", ["blue"]),
    ("shirt \u2212blue", "shirt", ["blue"]),
    ("not blue shirt", "shirt", ["blue"]),
    ("Shirt NOT Blue", "Shirt", ["blue"]),
    ("shirt not blue or red", "shirt", ["blue", "red"]),
    ("shirt not (red, blue)", "shirt", ["red", "blue"]),
    ("shirt without (red, blue & pink) stripes", "shirt stripes", ["red", "blue", "pink"]),
    ("shirt [-blue]", "shirt", ["blue"]),
    ("shirt != blue", "shirt", ["blue"]),
    ("shirt \u2260 blue", "shirt", ["blue"]),
    ("shirt -red,blue", "shirt", ["red", "blue"]),
    ("avoid leather shoes", "shoes", ["leather"]),
    ("shoes avoid: leather or suede", "shoes", ["leather", "suede"]),
    ("shoes ohne (leather, suede)", "shoes", ["leather", "suede"]),
    ('shoes avoid "dark brown"', "shoes", ["dark brown"]),
    ("shoes avoiding leather", "shoes", ["leather"]),
    ("shirt nothing with stripes", "shirt", ["stripes"]),
    ("bread free from gluten", "bread", ["gluten"]),
    ("bread free-from gluten", "bread", ["gluten"]),
    ("bread containing no gluten", "bread", ["gluten"]),
    ("bread that contains no gluten", "bread", ["gluten"]),
    ("jam no added sugar", "jam", ["added sugar"]),
    ("jam no sugar added", "jam", ["added sugar"]),
    ("puzzle not 1000", "puzzle", ["1000"]),
    ("orwell -1984", "orwell", ["1984"]),
    ("air not 90", "air", ["90"]),
    ("white shirt not off white", "white shirt", ["off white"]),
    ("lamp not lamp shade", "lamp", ["lamp shade"]),
    ("desk table not side table", "desk table", ["side table"]),
    ("phone 13 case not phone 13 pro", "phone 13 case", ["phone 13 pro"]),
    ("bread under $5, not rye", "bread", ["rye"]),
    ("shirt not blue, cotton", "shirt cotton", ["blue"]),
    ("shirt, not blue", "shirt,", ["blue"]),
    ("shirt but not blue", "shirt", ["blue"]),
    ("shirt not in blue", "shirt", ["blue"]),
    ("shirt not the blue one", "shirt", ["blue"]),
    ("all shirts except the blue ones", "all shirts", ["blue"]),
    ("shirts that are not blue", "shirts", ["blue"]),
    ("shirts which aren't blue", "shirts", ["blue"]),
    ("shirt that isn\u2019t red", "shirt", ["red"]),
    ("shirt neither blue nor red", "shirt", ["blue", "red"]),
    ("shirt that is not for men", "shirt", ["men"]),
    ("shirt, but never red", "shirt,", ["red"]),
    ("shirt lacking stripes", "shirt", ["stripes"]),
    ("shirt free of stripes", "shirt", ["stripes"]),
    ("free of stripes shirt", "shirt", ["stripes"]),
    ("shirt that is free of stripes", "shirt", ["stripes"]),
    ("shirt -(red)", "shirt", ["red"]),
    ("shirt -t-shirt", "shirt", ["t-shirt"]),
    ("-t-shirt shirt", "shirt", ["t-shirt"]),
    ("shirt other than red", "shirt", ["red"]),
    ("anything but red shirt", "shirt", ["red"]),
    ("shirt not dark blue", "shirt", ["dark blue"]),
    ("watch not made of plastic", "watch", ["plastic"]),
    ("shoes not for kids", "shoes", ["kids"]),
    ("shirt not blue not red", "shirt", ["blue", "red"]),
    ("shirt without collar", "shirt", ["collar"]),
    ("dress without long sleeves", "dress", ["long sleeves"]),
    ("dress without any lace", "dress", ["lace"]),
    ("jacket without hood and zip", "jacket", ["hood", "zip"]),
    ("jacket without hood or fur", "jacket", ["hood", "fur"]),
    ("jacket without hood in black", "jacket in black", ["hood"]),
    ("without hood jacket", "jacket", ["hood"]),
    ("shoes without laces for men", "shoes for men", ["laces"]),
    ("shirt w/o buttons", "shirt", ["buttons"]),
    ("shirt except blue", "shirt", ["blue"]),
    ("shirts except for blue", "shirts", ["blue"]),
    ("shirt excluding red", "shirt", ["red"]),
    ("shirt exclude red", "shirt", ["red"]),
    ("shoes no laces", "shoes", ["laces"]),
    ("no collar shirt", "shirt", ["collar"]),
    ("kurta no print no embroidery", "kurta", ["print", "embroidery"]),
    ("non leather shoes", "shoes", ["leather"]),
    ("non-leather shoes", "shoes", ["leather"]),
    ("shoes non-leather or suede", "shoes", ["leather", "suede"]),
    ("shirt non-light blue", "shirt", ["light blue"]),
    ("Non-Leather belt", "belt", ["leather"]),
    ("bag not leather under $50", "bag", ["leather"]),
    ("t-shirt not v-neck", "t-shirt", ["v-neck"]),
    ("jeans not children's", "jeans", ["children's"]),
    ("lamp nor? not red!", "lamp nor?", ["red"]),
    ("robe -\u00e9carlate", "robe", ["\u00e9carlate"]),
    ("shirt minus red", "shirt", ["red"]),
    ("dress sans sleeves", "dress", ["sleeves"]),
    ("hemd ohne kragen", "hemd", ["kragen"]),
    ("shirt !blue", "shirt", ["blue"]),
    ("!blue shirt", "shirt", ["blue"]),
    ("shirt - blue not red - large", "shirt - blue - large", ["red"]),
    ("shirt -blue,-red", "shirt", ["blue", "red"]),
    ("shirt not blue/red", "shirt", ["blue", "red"]),
    ("shirt (not blue)", "shirt", ["blue"]),
    ("shirt [without collar] for men", "shirt for men", ["collar"]),
    ('shirt -"dark blue"', "shirt", ["dark blue"]),
    ('shirt not "dark blue" cotton', "shirt cotton", ["dark blue"]),
    ("shirt 100% cotton no polyester", "shirt 100% cotton", ["polyester"]),
    ("everything except shoes in red", "in red", ["shoes"]),
    ("shirt anything except blue", "shirt", ["blue"]),
    ("shirt everything other than blue", "shirt", ["blue"]),
    ("shirt any colour but red", "shirt", ["red"]),
    ("shirt in any color except black or white", "shirt", ["black", "white"]),
    ("shoes any brand besides acme", "shoes", ["acme"]),
    ("jeans with zero stretch", "jeans", ["stretch"]),
    ("jeans devoid of pockets", "jeans", ["pockets"]),
    ("dress, red excluded", "dress", ["red"]),
    ("dress red is excluded", "dress", ["red"]),
    ("dress that is neither red or blue", "dress", ["red", "blue"]),
    ("dress isnt red", "dress", ["red"]),
    ("shirts which arent blue", "shirts", ["blue"]),
    ("i don't want red dress", "dress", ["red"]),
    ("don't want red dress", "dress", ["red"]),
    ("we do not need red dress", "dress", ["red"]),
    ("shoes {not leather}", "shoes", ["leather"]),
    ("shoes NOT(leather)", "shoes", ["leather"]),
    ("shoes exclude: leather", "shoes", ["leather"]),
    ("shoes exclude=leather", "shoes", ["leather"]),
    ("shoes -brand:acme", "shoes", ["acme"]),
    ("dress -'navy blue'", "dress", ["navy blue"]),
    ("dress -\u00abnavy blue\u00bb", "dress", ["navy blue"]),
    ("dress not \u2018navy blue\u2019", "dress", ["navy blue"]),
    ("shirt rather than blouse", "shirt", ["blouse"]),
    ("dress apart from red", "dress", ["red"]),
    ("dress aside from red ones", "dress", ["red"]),
    ("shirt excl. red", "shirt", ["red"]),
    ("shirt not including red", "shirt", ["red"]),
    ("jacket that has no hood", "jacket", ["hood"]),
    ("jacket with no hood for men", "jacket for men", ["hood"]),
    ("jacket that doesn't have a hood", "jacket", ["hood"]),
    ("jacket which does not have a zip", "jacket", ["zip"]),
    ("shirt i don\u2019t want blue", "shirt", ["blue"]),
    ("shirt w/out buttons", "shirt", ["buttons"]),
    ("jacket without hood, zip or fur", "jacket", ["hood", "zip", "fur"]),
    ("jacket without hood & fur", "jacket", ["hood", "fur"]),
    ("shirt neither blue, red nor green", "shirt", ["blue", "red", "green"]),
    ("dress no long sleeves", "dress", ["long sleeves"]),
    ("no long sleeves dress", "dress", ["long sleeves"]),
    ("dress not long", "dress", ["long"]),
    ("ssd not 480 gb", "ssd", ["480 gb"]),
    ("ssd not 480gb or 1 tb", "ssd", ["480gb", "1 tb"]),
    ("ssd -480gb", "ssd", ["480gb"]),
    ('tv not 55"', "tv", ['55"']),
    ("tv not 55 inch oled", "tv oled", ["55 inch"]),
    ("phone without 5g", "phone", ["5g"]),
    ("tablet not 4k", "tablet", ["4k"]),
    ("graphics card other than rtx4090", "graphics card", ["rtx4090"]),
    ("shoes except 42", "shoes", ["42"]),
    ("football size 4 not 5", "football size 4", ["5"]),
    ("t-shirt nicht rot", "t-shirt", ["rot"]),
    ("t-shirt sin rojo", "t-shirt", ["rojo"]),
    ("felpa senza cappuccio", "felpa", ["cappuccio"]),
    ("trui zonder capuchon", "trui", ["capuchon"]),
    ("shirt mit Kragen, kein blau", "shirt mit Kragen,", ["blau"]),
    # what stands outside quotes
    ('"iphone 13" -case', '"iphone 13"', ["case"]),
    ('-case "iphone 13"', '"iphone 13"', ["case"]),
    ('red "t-shirt, not blue" without collar', 'red "t-shirt, not blue"', ["collar"]),
    ('"a" not b "c" !dd', '"a" "c"', ["b", "dd"]),
    ('without "blue cheese" pizza "max 5"', 'pizza "max 5"', ["blue cheese"]),
]


WORDS_ONLY = [
    "hat under 100-200",
    "non stick pan", "non-stick pan", "nonslip mat", "non slip mat", "non-slip mat",
    "no show socks", "no iron shirt", "no-iron shirt", "no-show socks",
    "not your daughter's jeans", "without you tee", "doctors without borders mug",
    "cordless drill", "shirt - blue", "t-shirt", "t -shirt", "v-neck shirt", "x-box one",
    "knot dress", "knitted nothing tee", "chanel no 5", "chanel no. 5", "no 7 serum",
    "to be or not to be mug", "why not tee", "-20 sleeping bag", "\"not blue\" shirt",
    "shirt \"without collar\"", "\u201cnot blue\u201d shirt", "not blue", "without", "not", "-",
    "no",
    "shirt not", "not for profit tee", "size 40 - 42", "non-fiction books", "not rated dvd",
    "blue-green shirt", "off-white shirt", "no more tears shampoo",
    # no prices
    "under 5 inch heels", "size 40 to 42", "shoes size 40 to 42", "50 ml perfume", "40-42 shoes",
    "between 2 and 4 people tent", "tent between 2 and 4 people", "iphone 12 under cover",
    "nike air max 90", "nike air max 97", "under armour shirt", "shoes for kids under 5",
    "over the knee boots", "up to 50% off shoes", "over 40 cream", "tv over 55 inch",
    "crossover bag", "gifts for women over 50", "games under 14", "32-40 inch tv", "pack of 2-4",
    "over 50 ml bottle", "under sink organizer", "wd-40", "2 to 4 years dress", "over 9000 tee",
    "shoes size under 42", "2-in-1 laptop", "from 20 seeds", "50 or less", "iphone 13 pro max 256",
    "under 50", "max 30", "16 to 18 gauge wire", "size 7 and up", "usb 3.0 hub", "mini 40 lamp",
    "shirt under50", "dumbbell over 20 kg", "charger at least 65 w", "cable up to 3m",
    "i <3 you tee", "size < 40 shoes", "tv <55 inch", ">55 inch tv", "toys age > 5",
    "hotel > 4 star", "bag for under two", "ten to twelve years dress", "twenty one pilots tee",
    "2 for 1 tee", "tent up to twenty people", "4k monitor", "budget 4k monitor",
    # no negations
    "senza titolo print", "sin city dvd", "original sin", "zonder naam boek",
    "\"max 5\" mug", "mug \"under 20\" \"not blue\"",
    "comic sans tee", "sans serif poster", "ohne titel print", "minus 33 mask", "minus world tee",
    "less is more tee", "backless dress", "no. 5 perfume", "no5 perfume", "-18c freezer",
    "nickel free earrings", "free of charge shirt",
    "jeans not 'children's'", "nothing but nets", "instead tee", "without you tee", "wham! tee",
]  # fmt: skip


@pytest.mark.parametrize(("text", "words", "without"), NEGATIONS)
def test_a_negation_is_understood(text: str, words: str, without: list[str]) -> None:
    found = understand(text, KNOWN)
    assert (found.words.replace(",", ""), list(found.without)) == (words.replace(",", ""), without)


NAMED = ["animal farm", "royal canin", "red", "blue", "hood", "shoulder strap", "shoulder"]
RARELY = [  # said by some products
    *("red blue", "nothing phone", "cheese onion", "black and white", "acetone free"),
    *("non dairy", "dairy free", "5 string"),
]


@pytest.mark.parametrize(
    ("text", "words", "without"),
    [
        ("orwell not animal farm", "orwell", ["animal farm"]),
        ("food not royal canin or acme", "food", ["royal canin", "acme"]),
        ("not animal farm", "not animal farm", []),
        ("shirt -red-blue", "shirt", ["red-blue"]),  # as "-two-piece" is neither "-two -piece"
        ("the shirt not red the large", "the shirt the large", ["red"]),
        ("coat without hood blue", "coat blue", ["hood"]),
        ("bag without shoulder strap", "bag", ["shoulder strap"]),
        ("shirt without red blue", "shirt blue", ["red"]),  # which some product says so
        ("coat nothing red", "coat", ["red"]),
        ("case nothing phone", "case nothing phone", []),  # the brand
        ("crisps not cheese and onion", "crisps", ["cheese and onion"]),  # "cheese & onion"
        ("shirt not black & white xl", "shirt xl", ["black & white"]),
        ("shirt not red and green", "shirt and green", ["red"]),
        ("coat without black and white", "coat", ["black", "white"]),
        ("non acetone remover", "remover", ["acetone"]),
        ("non dairy milk", "non dairy milk", []),
        ("non stick pan", "non stick pan", []),
        ("bass not 5 string", "bass", ["5 string"]),
        ("bass not 4 string", "bass not 4 string", []),
        ("chanel no 5 string", "chanel no 5 string", []),
        ("shoes except 5 string", "shoes string", ["5"]),
        ("violin not 3/4", "violin", ["3/4"]),
        ("cream not tested on animals", "cream not tested on animals", []),
    ],
)
def test_names_that_products_contain_are_unwanted_whole(
    text: str, words: str, without: list[str]
) -> None:
    def is_name(words: Sequence[str]) -> bool:
        return " ".join(words) in NAMED

    def contains(words: Sequence[str]) -> bool:
        return " ".join(words) in NAMED + RARELY

    def is_term(words: Sequence[str]) -> bool:
        return is_name(words) or words == ["non", "dairy"]

    found = understand(text, Phrases(contains, is_term, is_name))
    assert (found.words, list(found.without)) == (words, without)


@pytest.mark.parametrize(
    "text",
    ["drill not without battery", "toner tn -2420", "set 20 -300"],
)
def test_no_negation_and_no_price(text: str) -> None:
    says = Phrases(lambda words: words == ["tn", "2420"], nothing, nothing)
    found = understand(text, says)
    assert (found.words, found.without, found.limits, found.free_of) == (text, (), (), ())


@pytest.mark.parametrize("text", WORDS_ONLY)
def test_what_only_looks_like_one_stays_words(text: str) -> None:
    found = understand(text, KNOWN)
    assert (found.words, found.without, found.limits) == (text, (), ())


def test_what_few_products_say_by_chance_is_no_term() -> None:
    said = ["dress without sleeves", "dress not in the way", "no show sock", "no charger"]

    term = ("show", "sleeves")

    def says(words: Sequence[str]) -> bool:
        return any(" ".join(words) in text for text in said)

    for text, without in (
        ("dress without sleeves or lace", ("sleeves", "lace")),
        ("dress not in red", ("red",)),
        ("phone no charger", ("charger",)),
        ("sock no show", ()),
    ):
        found = understand(
            text, Phrases(says, lambda words: says(words) and words[-1] in term, nothing)
        )
        assert found.without == without


def test_a_text_that_a_product_contains_is_never_understood() -> None:
    assert (
        understand("Tee Not Blue", known(lambda words: words == ["tee", "not", "blue"])).without
        == ()
    )


@pytest.mark.parametrize("part", ["1 ", "a,", "5 min ", "12.5.6.7", "1,", "with a hood ", "<price"])
def test_a_long_paste_is_understood_at_once(part: str) -> None:
    text, start = f"lamp not ({part * (16_000 // len(part))})", process_time()
    understand(text, KNOWN)
    assert process_time() - start < 3
