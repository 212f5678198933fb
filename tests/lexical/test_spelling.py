"""Mistyped words, joined words and other forms of words, in terms that are known."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import run

from prodmatch.lexical.spelling import correct_spelling
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
    "kurta": 20,
    "back": 7,
    "slack": 7,
    "headphones": 3,
    "men": 9,
    "women": 9,
}


@dataclass
class Words:
    """A catalogue that says some words, and an encoder that knows others."""

    said: dict[str, int] = field(default_factory=lambda: dict(SAID))
    known: frozenset[str] = frozenset({"black", "crimson"})

    def counts(self, words: Sequence[str]) -> list[int]:
        return [self.said.get(word, 0) for word in words]

    def count_of_both(self, one: str, other: str) -> int:
        return {("sun", "glasses"): 2, ("wrist", "watch"): 8}.get((one, other), 0)

    def says(self, word: str) -> bool:
        return word in self.said or word.rstrip("s") in self.said

    def knows(self, word: str) -> bool:
        return word in self.known

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
        ("kurtas", "kurta"),
        ("sneaker", "sneakers"),  # much more often said
        ("black shirt", "black shirt"),  # known to the encoder, though "back" is near
        ("blakc shirt", "black shirt"),
        ("crimson", "crimson"),
        ("t-shirt WH-1000XM4 4k", "t-shirt WH-1000XM4 4k"),
        ("zanzibar", "zanzibar"),
        ("red bak", "red bak"),  # so short a word may be anything
    ],
)
def test_says_what_was_meant(typed: str, meant: str) -> None:
    assert correct_spelling(typed, Words()) == meant


def test_of_equally_near_words_takes_that_of_the_most_products() -> None:
    assert correct_spelling("slacka", Words(known=frozenset())) == "slack"
    said = {"coat": 3, "goat": 9, "coal": 5}
    assert correct_spelling("coar", Words(said)) == "coal"


def test_known_words_stay_as_they_were_typed() -> None:
    assert correct_spelling("Shirt  (Men's)", Words()) == "Shirt (Men's)"


@given(st.text(max_size=80))
@settings(max_examples=300, derandomize=True, deadline=None)
def test_any_text_can_be_mended(text: str) -> None:
    corrected = correct_spelling(text, Words())
    assert bool(corrected) == bool(text.split())
    assert correct_spelling("", Words()) == ""


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
