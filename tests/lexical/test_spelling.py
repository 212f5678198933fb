"""Mistyped words, joined words and other forms of words, in terms that are known."""

import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import run
from tiny import night, save_query_encoders

from prodmatch.lexical.spelling import Correction, correct_spelling
from prodmatch.lexical.word_lists.known_words import level_of
from prodmatch.model.description import Model
from prodmatch.search.options import SearchOptions
from prodmatch.search.product_index import open_index
from prodmatch.search.queries import Query

SAID = {
    "sneakers": 30,
    "sneaker": 4,
    "shirt": 50,
    "shirts": 3,
    "sunglasses": 40,
    "sun": 6,
    "glasses": 5,
    "handbag": 9,
    "wristwatch": 4,
    "watch": 50,
    "wrist": 9,
    "bag": 30,
    "hand": 2,
    "zorbik": 20,
    "park": 20,
    "dome": 20,
    "brass": 20,
    "watches": 20,
    "back": 7,
    "slack": 7,
    "headphones": 3,
    "men": 9,
    "women": 9,
}


TWO_WORDS = {("power", "bank"): 9, ("back", "pack"): 9, ("gel", "pen"): 9}
PHRASES = {("power", "bank"), ("gel", "pen")}


@dataclass
class Words:
    """A catalogue that says some words, and an encoder that knows others."""

    said: dict[str, int] = field(default_factory=lambda: dict(SAID))
    known: frozenset[str] = frozenset({"black", "crimson"})
    product_count: int = 10_000
    apart: dict[str, str] = field(default_factory=dict)  # how a product writes them
    compounds: dict[str, list[str]] = field(default_factory=dict)

    def counts(self, words: Sequence[str]) -> list[int]:
        return [self.said.get(word, 0) for word in words]

    def count_of_both(self, one: str, other: str) -> int:
        return {("sun", "glasses"): 2, ("wrist", "watch"): 8, **TWO_WORDS}.get((one, other), 0)

    def contains_phrase(self, words: Sequence[str]) -> bool:
        return tuple(words) in PHRASES

    def says(self, word: str) -> bool:
        return word in self.said or word.rstrip("s") in self.said

    def knows(self, word: str) -> bool:
        return word in self.known

    def written_apart(self, word: str) -> str:
        return self.apart.get(word, "")

    def compounds_of(self, word: str) -> list[str]:
        return self.compounds.get(word, [])

    def words_like(self, letter: str, shortest: int, longest: int) -> list[tuple[str, int]]:
        everything = {**dict.fromkeys(self.known, 0), **self.said}
        near = (word for word in everything if shortest <= len(word) <= longest)
        return [(word, everything[word]) for word in near if word[0] == letter]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("red sneekers", "red sneakers"),
        ("snekaers", "sneakers"),  # a letter swapped with its neighbour
        ("Haedphnoes!", "headphones"),  # two mistakes in a long word
        ("sun glasses for men", "sunglasses for men"),
        ("hand bag", "handbag"),  # though bags are said more than handbags
        ("wrist watch", "wrist watch"),  # more products say both than "wristwatch"
        ("zorbiks", "zorbik"),  # in far more products, and the other form in no vocabulary
        ("sneaker", "sneaker"),  # a right word, though fewer products contain it
        ("black shirt", "black shirt"),  # known to the encoder, though "back" is near
        ("blakc shirt", "black shirt"),
        ("crimson", "crimson"),
        ("t-shirt WH-1000XM4 4k", "t-shirt WH-1000XM4 4k"),
        ("zanzibar", "zanzibar"),
        ("Red T-shrit", "Red t-shirt"),
        ("T-Shirt mp3-player e-bike", "T-Shirt mp3-player e-bike"),
        ("red bak", "red bak"),  # so short a word may be anything
    ],
)
def test_says_what_was_meant(typed: str, meant: str) -> None:
    assert correct_spelling(typed, Words()).text == meant


def test_one_word_is_the_two_that_products_contain() -> None:
    said = {"power": 20, "bank": 9, "back": 9, "pack": 9, "gel": 9, "pen": 9}
    assert correct_spelling("Powerbank 20000", Words(said)).text == "power bank 20000"
    assert correct_spelling("gelpen", Words(said)).text == "gel pen"
    assert correct_spelling("gelpen", Words({**said, "gelpen": 2})).text == "gelpen"
    assert correct_spelling("powerbank", Words({**said, "powerbank": 1})).text == "power bank"
    assert correct_spelling("backpack", Words(said)).text == "backpack"  # not as a phrase
    assert correct_spelling('"powerbank"', Words(said)).text == '"powerbank"'


def test_a_code_or_a_name_is_written_as_products_write_it() -> None:
    apart = {"gsr12v15": "gsr 12v-15", "drzorbik": "dr. zorbik", "shirt": "sh irt"}
    words = Words(apart=apart)
    assert correct_spelling("GSR12v15 drill", words).text == "gsr 12v-15 drill"
    assert correct_spelling("gsr12/v15", words).text == "gsr 12v-15"
    assert correct_spelling("drzorbik", words).text == "dr. zorbik"
    assert correct_spelling("shirt", words).text == "shirt"  # products contain it
    assert correct_spelling('"gsr12v15" "drzorbik"', words).text == '"gsr12v15" "drzorbik"'


@pytest.mark.parametrize(
    ("typed", "meant"), [("kroenung", "kronung"), ("poaeng", "poang"), ("muessli", "mussli")]
)
def test_two_letters_for_an_umlaut_are_the_one_that_products_have(typed: str, meant: str) -> None:
    assert correct_spelling(typed, Words({**SAID, meant: 1})).text == meant
    assert correct_spelling(typed, Words({**SAID, meant: 1, typed: 1})).text == typed


RIGHT_AS_ONE = (
    "eye liner", "back pack", "head phones", "sun glasses", "wall paper", "key board", "bed room",
    "foot wear", "lip stick", "note book", "rain coat", "arm chair", "book case",
)  # fmt: skip


@pytest.mark.parametrize("words", RIGHT_AS_ONE)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_right_word_is_two_for_the_words_alone(
    words: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = words.split()
    word = first + second
    monkeypatch.setitem(TWO_WORDS, (first, second), 20)
    monkeypatch.setattr(sys.modules[__name__], "PHRASES", {(first, second)})
    said = {first: 30, second: 30, **({word: count} if count else {})}
    assert correct_spelling(f"Red {word}", Words(said)) == Correction(
        f"Red {word}", apart=f"Red {words}"
    )
    assert correct_spelling(f'"{word}"', Words(said)) == Correction(f'"{word}"')
    assert correct_spelling(word, Words({**said, word: 9})) == Correction(word)


def test_a_word_that_products_say_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TWO_WORDS, ("round", "neck"), 90)
    monkeypatch.setattr(sys.modules[__name__], "PHRASES", {("round", "neck")})
    said = {"round": 200, "neck": 200}
    assert correct_spelling("roundneck", Words({**said, "roundneck": 5})) == Correction(
        "roundneck", apart="round neck"
    )
    assert correct_spelling("roundneck", Words({**said, "roundneck": 4})).text == "round neck"


def test_products_that_say_a_word_as_one_and_as_two_are_both_found(
    tiny: Model, tmp_path: Path
) -> None:
    titles = ["eyeliner black", "eye liner blue", "eye liner red", *(["eye liner"] * 5), "red mug",
              "liner of a coat", "eye cream"]  # fmt: skip
    table = {"product_id": [f"p{n}" for n in range(len(titles))], "title": titles}
    pq.write_table(pa.table(table), tmp_path / "c.parquet")
    save_query_encoders(tmp_path / "store", tiny)
    night(tmp_path / "c.parquet", tiny, tmp_path / "store")
    with open_index(tmp_path / "store") as index:
        (encoded,) = index.searcher.encode([Query("q", "eyeliner")])
        assert (encoded.words, encoded.searched_for) == ("eye liner", None)
        options = SearchOptions(top=8, weights={"lexical": 1.0, "text": 0.0, "image": 0.0})
        (answer,) = index.answer([Query("q", "eyeliner")], options)
        assert {hit.product_id for hit in answer.hits} == {f"p{n}" for n in range(8)}
        assert answer.searched_for is None


def test_takes_the_likeliest_of_near_words() -> None:
    said = {"watch": 30, "with": 90, "want": 90}
    assert correct_spelling("wathc", Words(said)).text == "watch"
    assert correct_spelling("wathh", Words(said)).text == "watch"  # a neighbour on the keyboard
    assert correct_spelling("wantt", Words(said)).text == "want"
    assert correct_spelling("slacj", Words({"slack": 50, "slacx": 90})).text == "slack"


def test_known_words_stay_as_they_were_typed() -> None:
    assert correct_spelling("Shirt  (Men's)", Words()).text == "Shirt (Men's)"


RIGHT_WORDS = (
    "swatch chanel braun parka dove soap shaver loreal daddario oneill nespresso fender trowel "
    "brogues crocs casio nikon garmin tefal anorak futon sconce pergola ukulele oboe "
    "kayak zester "
)


@pytest.mark.parametrize("word", RIGHT_WORDS.split())
def test_right_words_stay_whatever_the_catalogue_has_near_them(word: str) -> None:
    near = {word[:-1]: 50, word[:2] + word[3:]: 50, word + "a": 50, word[:-1] + "x": 50, "dome": 9}
    assert correct_spelling(word, Words({**SAID, **near})) == Correction(word)


def slips() -> list[tuple[str, str]]:
    """Common words with a letter left out, doubled, changed, or swapped with its neighbour."""
    rng = random.Random(0)
    cases = []
    for word in ("sneakers", "shirt", "sunglasses", "handbag", "headphones", "watches"):
        for at in range(1, len(word) - 1):
            cases += [
                (word[:at] + word[at + 1 :], word),
                (word[:at] + word[at] + word[at:], word),
                (word[:at] + word[at + 1] + word[at] + word[at + 2 :], word),
                (word[:at] + rng.choice("qxz") + word[at + 1 :], word),
            ]
    return [case for case in cases if case[0] != case[1]]


def test_slips_are_corrected() -> None:
    missed = [case for case in slips() if correct_spelling(case[0], Words()).text != case[1]]
    assert len(slips()) > 100
    assert len(missed) <= 0.05 * len(slips()), missed


NAMES = {  # with a word of a catalogue that is near, and how many products contain that
    "shure": ("sure", 12),
    "stihl": ("still", 20),
    "bape": ("base", 60),
    "campingaz": ("camping", 5),
    "besta": ("best", 40),
    "poang": ("pong", 4),
    "rowenta": ("rowena", 2),
    "gewo": ("geo", 10),
    "malm": ("male", 20),
    "moog": ("moon", 20),
    "lego": ("logo", 40),
    "bose": ("base", 60),
    "julbo": ("jumbo", 5),
    "teac": ("team", 40),
    "wella": ("well", 60),
    "persol": ("person", 20),
    "arla": ("area", 20),
    "anua": ("aqua", 15),
    "mavic": ("magic", 20),
    "avene": ("avenue", 3),
    "rega": ("regal", 6),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_no_slip_of_a_word_of_the_catalogue(name: str) -> None:
    assert correct_spelling(name, Words(dict([NAMES[name]]))).text == name


ENCODER_KNOWS = {"purito": "purity", "grivel": "gravel", "grado": "grade", "skeletoes": "skeleton"}


@pytest.mark.parametrize("name", ENCODER_KNOWS)
def test_a_name_is_no_slip_of_a_word_that_no_product_says(name: str) -> None:
    known = frozenset([ENCODER_KNOWS[name]])
    assert correct_spelling(name, Words({}, known)).text == name


def test_another_last_letter_is_a_name_sooner_than_another_vowel_within() -> None:
    assert correct_spelling("purito", Words({"purity": 1})).text == "purito"
    assert correct_spelling("pority", Words({"purity": 1})).text == "purity"


@pytest.mark.parametrize("text", ['"red sneekers"', "\u201csneekers\u201d red", 'red "sneekers"'])
def test_what_stands_in_quotes_stays(text: str) -> None:
    assert correct_spelling(text, Words()) == Correction(text)


def test_a_limit_is_no_part_of_a_word() -> None:
    words = Words({**SAID, "fanless": 9, "fan": 9, "less": 5})
    assert correct_spelling("fan less laptop", words).text == "fanless laptop"
    assert correct_spelling("fan less than 40 decibels", words).changed == ()


def test_an_inch_sign_is_no_quote() -> None:
    assert correct_spelling('55" sneekers 32"', Words()).text == '55" sneakers 32"'


def test_says_what_was_changed_and_what_is_unknown() -> None:
    found = correct_spelling("zyqqvex red sneekers", Words())
    assert found == Correction("zyqqvex red sneakers", (("sneekers", "sneakers"),), ("zyqqvex",))


class CountedWords(Words):
    """Counts the words that are looked up."""

    count = 0

    def says(self, word: str) -> bool:
        self.count += 1
        return super().says(word)


@pytest.mark.parametrize("text", ["a" * 20_000, "-".join(["zorbek"] * 65), "zorbek-x " * 32 + "x"])
def test_what_nobody_types_is_not_looked_up(text: str) -> None:
    words = CountedWords()
    assert correct_spelling(text, words) == Correction(text)
    assert words.count == 0


def test_a_rare_word_beside_a_common_one_is_a_slip_of_it() -> None:
    assert level_of("dres") is not None
    assert correct_spelling("dres", Words({"dress": 9})).text == "dress"
    assert correct_spelling("matress", Words({"mattress": 30})).text == "mattress"
    assert correct_spelling("sandels", Words({"sandals": 200})).text == "sandals"
    for word, near in (("swatch", "switch"), ("chanel", "channel"), ("sorts", "sports")):
        for text in (word, f"{word} strap"):
            assert correct_spelling(text, Words({near: 400, "strap": 90})).text == text
    assert correct_spelling("parka", Words({"park": 900})).text == "parka"


def test_the_list_of_words_is_read_letter_for_letter() -> None:
    assert level_of("sony") == pytest.approx(4.4, abs=0.3)
    for word in ("son", "sonyy", "sonY", "caf\u00e9", "", "zzzzqqq", "so\nny"):
        assert level_of(word) is None


@given(st.text(max_size=80))
@settings(max_examples=300, derandomize=True, deadline=None)
def test_any_text_can_be_mended(text: str) -> None:
    corrected = correct_spelling(text, Words()).text
    assert bool(corrected) == bool(text.split())
    assert correct_spelling("", Words()).text == ""


def test_words_and_vector_of_a_query_are_of_what_was_meant(published: Path) -> None:
    index = open_index(published)
    typed, meant = index.searcher.encode([Query(text="red shrit"), Query(text="red shirt")])
    assert typed.words == "red shirt"
    assert typed.text.tolist() == pytest.approx(meant.text.tolist(), abs=1e-6)
    assert [hit.product_id for hit in index.search("red shrit")] == [
        hit.product_id for hit in index.search("red shirt")
    ]


def test_the_shell_says_what_was_searched_for(published: Path) -> None:
    corrected = run("query", "red shrit", "--store", published, "--format", "json")
    right = run("query", "red shirt", "--store", published, "--format", "json")
    assert (corrected.err, right.err) == ("Searched for: red shirt\n", "")
    hits = json.loads(corrected.out)
    assert hits[0].pop("searched_for") == "red shirt"
    assert hits == json.loads(right.out)


@pytest.mark.parametrize(
    ("typed", "corrected"),
    [
        ("spagetti", "spaghetti"),  # rare in English, and a slip of what is not
        ("maintenace", "maintenance"),
        ("worksop", "worksop"),  # a town
    ],
)
def test_a_rare_slip_of_a_far_commoner_word_is_corrected(typed: str, corrected: str) -> None:
    words = Words({"spaghetti": 1, "maintenance": 1, "workshop": 1}, product_count=100_000)
    assert correct_spelling(typed, words).text == corrected
