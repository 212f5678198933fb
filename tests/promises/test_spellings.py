"""One thing in many spellings: each of the ways to type a thing finds the products that say it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from prodmatch.lexical.folding import fold, write_letters_plainly
from prodmatch.lexical.quantities import UNIT_NAMES, find_quantities
from prodmatch.lexical.stemmer import Stemmer
from prodmatch.products.product_db import Products
from prodmatch.products.product_db_writer import write_products

PLAIN = {
    "caf\u00e9": "caf\u00e9",
    "\uff13\uff10cm": "30cm",
    "o\ufb03ce": "office",
    "1\u00bd m\u00b2\u2122": "1\u00bd m\u00b2\u2122",
}
MODELS = ["iphone 13", "galaxy 22", "kindle 11", "hero 9", "pixel 7"]
SLASHED = ["HX6851/53", "QP2630/70", "CH340/341", "S5587/10", "BHD538/20", "FC6409/01/10"]
CODES = ["WH-1000XM5", "SM-X205N", "DCD-996B", "EOS-R50", "MX-518", "BT-3203", "UA55AUE65"]
NAMES = ["L'Oreal", "O'Neill", "D'Addario", "L'Occitane", "O'Brien", "D'Arcy", "Arc'teryx"]
LONG_CODES = ["UA55AUE65AKXXL", "SDCZ73064GB46", "KX-TGD592B", "OLED55C3PUA", "GTR-8812AU"]
POSSESSIVES = ["children's", "men's", "women's", "baby's", "kid's", "ladies'"]
CHARACTERS = {
    "cr\u00e8me": "creme",
    "\u00f8rsted": "orsted",
    "stra\u00dfe": "strasse",
    "na\u00efve": "naive",
    "\uff14\uff18\uff10 lamp": "480 lamp",
    "lamp\u2122": "lamp",
    "\ufb01lter": "filter",
    "o\ufb03ce": "office",
    "\ufb02ask": "flask",
    "\u0153uvre": "oeuvre",
}


def models() -> Iterator[tuple[str, str]]:
    for model in MODELS:
        joined = model.replace(" ", "")
        yield from ((model, joined), (joined, model), (model, joined.upper()))
        yield model.replace(" ", "-"), joined


def codes() -> Iterator[tuple[str, str]]:
    for code in CODES:
        plain = code.replace("-", "")
        for typed in (plain, plain.lower(), code.replace("-", " "), code.swapcase()):
            yield code, typed
        yield plain, code
    for code in SLASHED:
        for mark in ("", "-", " ", "."):
            if mark != "." or code.count("/") == 1:
                yield code, code.replace("/", mark)
        yield from ((code, code.lower().replace("/", "")), (code.replace("/", ""), code))


def units() -> Iterator[tuple[str, str]]:
    for unit, spellings in UNIT_NAMES.items():
        for spelling in spellings.split()[:3]:
            yield from ((f"480 {spelling}", f"480{unit}"), (f"480{unit}", f"480-{spelling}"))
    for typed in ('55"', "55 inch", "55in", "55 inches", "55-inch", "55\u2033", "55''", "55\u201d"):
        yield from (("55inch", typed), (typed, "55 inch"))


def apostrophes() -> Iterator[tuple[str, str]]:
    for name in NAMES:
        plain = name.replace("'", "")
        for quote in "'\u2019\u2018\u02bc\u00b4`":
            yield from ((name.replace("'", quote), plain), (plain, name.replace("'", quote)))
    for word in POSSESSIVES:
        plain = word.replace("'", "")
        yield from ((word, plain), (plain, word), (plain, word.replace("'", "\u2019")))


def prefixes() -> Iterator[tuple[str, str]]:
    return ((code, code[:-cut]) for code in LONG_CODES for cut in range(1, 5))


def beginnings() -> Iterator[tuple[str, str]]:
    for code in ("DHP453RFE", "SMG991BDS", "MZ77E1T0BEU", "KDL40W605B", "RTX4090OC", "GSR12000LI"):
        yield from ((code, code[:-cut].lower()) for cut in range(1, 5))


def characters() -> Iterator[tuple[str, str]]:
    for said, typed in CHARACTERS.items():
        yield from ((said, typed), (typed, said), (typed.upper(), said))


def decimals() -> Iterator[tuple[str, str]]:
    for name in (
        "hdmi 2.1",
        "usb 3.0",
        "bluetooth 5.3",
        "wifi 6.2",
        "thunderbolt 4.1",
        "dolby 7.1",
        "1.6 tdi",
    ):
        joined = name.replace(" ", "")
        yield from ((name, joined), (joined, name), (name.upper(), joined), (joined, joined))


def dotted() -> Iterator[tuple[str, str]]:
    for code in ("002.638.50", "802.758.87", "10.44.201", "1.2.3.45"):
        plain = code.replace(".", "")
        yield from ((code, plain), (plain, code), (code, code), (code, code.replace(".", "-")))
        if code.count(".") == 2:  # no more than three words are one code
            yield from ((code, code.replace(".", " ")), (code.replace(".", "-"), code))


def packs() -> Iterator[tuple[str, str]]:
    for count, amount in (("6", "330 ml"), ("24", "0.5 l"), ("2", "8 gb"), ("4", "40 g")):
        said = f"{count}x{amount.replace(' ', '')}"
        for typed in (
            amount,
            amount.replace(" ", ""),
            f"{count} x {amount}",
            said.upper(),
            said,
            f"{count}x{amount}",
        ):
            yield said, typed


def signs() -> Iterator[tuple[str, str]]:
    for name, other in (("c#", "csharp"), ("f#", "fsharp"), ("c++", "cpp")):
        yield from ((name, name.upper()), (name, other), (other, name))
    for sign in ("n\u00b0", "N\u00ba ", "\u2116", "\u2116 ", "n\u00b0 "):
        yield from ((f"{sign}5", "no 5"), ("no 5", f"{sign}5"), (f"{sign}5", "No. 5"))


def ideographs() -> Iterator[tuple[str, str]]:
    for said in (
        "\u767d\u9774", "\u7d05\u8336\u676f", "\ub179\ucc28\uc794", "\u5927\u4f1e", "\u8336",
        "\u9752\u7bb1\u5b50", "\u672c\u68da\u677e", "\u571f\u7802\u7cd6",
    ):  # fmt: skip
        yield from ((said, sign) for sign in said)


def equal_amounts() -> Iterator[tuple[str, str]]:
    for equal in (
        (".5 l", "0,5 l", "0.50 litres", "500ml", "50 cl", "500.0 ml"),
        ("1,5 kg", "1500 g", "1,500g", "1.5 kilos"),
        ("2tb", "2000 GB", "2,000 gb"),
        ("1.2 m", "120 cm", "1200mm", "1,20 m"),
        ("2 kw", "2000 watts"),
        ("1200 lm", "1200lm", "1,200 lumens"),
        ("5 gal", "5 gallons"),
        ("2.4 ghz", "2400 mhz"),
        ("2 lb", "32 oz"),
        ("6 ft", "72 inches"),
    ):
        yield from ((one, other) for one in equal for other in equal if one != other)


KINDS = (
    equal_amounts,
    decimals,
    dotted,
    packs,
    signs,
    ideographs,
    models,
    codes,
    units,
    apostrophes,
    prefixes,
    beginnings,
    characters,
)
CASES = [(kind.__name__, *case) for kind in KINDS for case in kind()]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Products:
    folder = tmp_path_factory.mktemp("spellings")
    texts = [said for _, said, _ in CASES] + ["red shirt", "oak table", "usb cable"]
    table = pa.table({"product_id": [f"p{row}" for row in range(len(texts))], "text": texts})
    write_products(folder / "products.sqlite", table.schema, table.to_batches())
    return Products(folder / "products.sqlite")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_finds_what_is_spelled_another_way(
    shop: Products, kind: Callable[[], Iterator[tuple[str, str]]]
) -> None:
    cases = [(row, case) for row, case in enumerate(CASES) if case[0] == kind.__name__]
    missed = [case for row, case in cases if not shop.match(case[2]).of(np.array([row]))[0]]
    assert len(cases) >= 20
    assert missed == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("5 in 1 tool, 3-in-1", []),
        ("size 8 in black", []),
        ("4g phone 3 m", ["4g", "3m"]),
        ("6.5 mm by 12.50 cm", ["6.5mm", "12.5cm"]),
        ("mk2 gb, x480gb", []),
        ("2 x 8 GB", ["8gb"]),
        (".5 l, 0,5l, 1,5-l and 6x1,5 l", ["0.5l", "0.5l", "1.5l"]),
        ("20,000 mAh, 1,299.00 mm, 0,333 l", ["20000mah", "1299mm", "0.333l"]),
        ("7.0 l, sizes 3,4,5 mm", ["7l", "5mm"]),
    ],
)
def test_quantities_are_numbers_with_units(text: str, found: list[str]) -> None:
    assert [quantity.term for quantity in find_quantities(fold(text))] == found


def test_decimal_numbers_are_not_the_numbers_without_the_point(tmp_path: Path) -> None:
    table = pa.table({"product_id": ["a", "b", "c"], "text": ["4.5 cup", "45 cup", "4 5 cup"]})
    write_products(tmp_path / "p.sqlite", table.schema, table.to_batches())
    assert Products(tmp_path / "p.sqlite").match("4.5").rows.tolist() == [0]
    assert Products(tmp_path / "p.sqlite").match("45").rows.tolist() == [1]


@pytest.mark.parametrize("kind", [codes, beginnings])
def test_what_a_code_names_is_named_in_every_spelling(
    shop: Products, kind: Callable[[], Iterator[tuple[str, str]]]
) -> None:
    cases = [(row, case) for row, case in enumerate(CASES) if case[0] == kind.__name__]
    few = [(row, case) for row, case in cases if len(shop.rows_with(case[2])) <= 10]
    assert len(few) >= 20
    assert [case for row, case in few if row not in shop.match(case[2]).named] == []


def test_codes_are_not_stemmed() -> None:
    assert Stemmer().stems(["shirts", "y12s", "4ms", "xs"]) == ["shirt", "y12s", "4ms", "xs"]


@pytest.mark.parametrize("kind", [models, units, apostrophes, characters, beginnings])
def test_what_is_not_wanted_is_left_out_in_every_spelling(
    shop: Products, kind: Callable[[], Iterator[tuple[str, str]]]
) -> None:
    cases = [(row, case) for row, case in enumerate(CASES) if case[0] == kind.__name__]
    assert [case for row, case in cases if row not in shop.rows_with(case[2])] == []
    assert not {len(CASES), len(CASES) + 1} & {*shop.rows_with("iphone13"), *shop.rows_with("9gb")}


def test_what_says_that_it_has_none_of_it_does_not_contain_it(tmp_path: Path) -> None:
    said = ["alcohol lotion", "alcohol-free lotion", "lotion, no alcohol", "Lotion without Alcohol"]
    said += ["free alcohol lotion", "non-alcohol lotion", "lotion alcohols free"]
    table = pa.table({"product_id": list("abcdefg"), "title": said, "text": said})
    write_products(tmp_path / "p.sqlite", table.schema, table.to_batches())
    assert Products(tmp_path / "p.sqlite").rows_with("alcohol").tolist() == [0, 4]
    assert Products(tmp_path / "p.sqlite").rows_denying("alcohol").tolist() == [1, 2, 3, 5, 6]


def test_all_that_say_they_have_none_of_it_are_known(tmp_path: Path) -> None:
    said = ["sugar", *["sugar-free gum"] * 400, "sugarfree gum"]
    ids = [f"p{row}" for row in range(len(said))]
    table = pa.table({"product_id": ids, "title": said, "text": said})
    write_products(tmp_path / "p.sqlite", table.schema, table.to_batches())
    products = Products(tmp_path / "p.sqlite")
    assert products.rows_with("sugar").tolist() == [0]
    assert products.rows_denying("sugar").tolist() == list(range(1, len(said)))


APART = [
    "GSR 12V-15", "GSB 18V-55", "0601 9H5 2J0", "87 01 250", "87 01 300", "W 712/95", "HU 719/7 x",
    "RX 6600 XT", "Archer C6", "MX Master 3S", "W32 L34", "205/55 R16", "901/58", "Air Max 90",
    "Galaxy S21", "4,0 x 40", "SDS-plus 6 x 160", "12 345 678", "Dr. Martens",
    "4 x 20", "La Roche-Posay", "Dr Pepper", "Ray Ban", "Vitamin B 12", "KF 432 C16",
]  # fmt: skip


@pytest.fixture(scope="module")
def parts_shop(tmp_path_factory: pytest.TempPathFactory) -> Products:
    folder = tmp_path_factory.mktemp("apart")
    titles = [f"the {said} of {row} parts" for row, said in enumerate(APART)]
    titles += ["red 12 and 345 of 678 shirts", "gold 999 111", "galaxy of s21 stars"]
    table = pa.table({"product_id": titles, "title": titles, "text": titles})
    write_products(folder / "products.sqlite", table.schema, table.to_batches())
    return Products(folder / "products.sqlite")


@pytest.mark.parametrize("said", APART)
def test_a_word_is_written_as_a_product_writes_it(parts_shop: Products, said: str) -> None:
    glued = "".join(filter(str.isalnum, said)).lower()
    assert parts_shop.written_apart(glued) == said.lower()


@pytest.mark.parametrize(
    "word",
    ["678345", "23456", "999", "999112", "gsr12v1", "sr12v15", "roche", "theof", "", "\u9774" * 8,
     "1" * 40, "ab" * 30, "gsr12v15gsb18v55"],
)  # fmt: skip
def test_what_no_product_writes_so_stays(parts_shop: Products, word: str) -> None:
    assert parts_shop.written_apart(word) == ""


def test_many_short_parts_are_no_long_search(tmp_path: Path) -> None:
    titles = [" ".join("ab"[bit == "1"] * 2 for bit in f"{row:08b}") for row in range(256)]
    table = pa.table({"product_id": titles, "text": titles})
    write_products(tmp_path / "p.sqlite", table.schema, table.to_batches())
    assert Products(tmp_path / "p.sqlite").written_apart("aabb" * 10) == ""


@pytest.mark.parametrize(
    "typed", [".5 l milk", "0,5 l milk", "milk 50cl", "500ml milk", "milk 0.50l"]
)
def test_an_amount_in_other_units_comes_before_other_amounts(tmp_path: Path, typed: str) -> None:
    texts = ["milk 5 l", "milk 500 ml", "milk 50 ml", "milk 5 cl", "milk 1.5 l", "milk"]
    table = pa.table({"product_id": list("abcdef"), "text": texts})
    write_products(tmp_path / "p.sqlite", table.schema, table.to_batches())
    scores = Products(tmp_path / "p.sqlite").match(typed).of(np.arange(6))
    assert int(np.argmax(scores)) == 1
    assert np.delete(scores, 1).max() < scores[1]


@pytest.mark.parametrize(("text", "plain"), PLAIN.items())
def test_letters_and_digits_alone_are_written_plainly(text: str, plain: str) -> None:
    assert write_letters_plainly(text) == plain
