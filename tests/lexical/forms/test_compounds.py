"""Words that products contain only in compounds, and compounds whose words they contain."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny import night, save_query_encoders

from prodmatch import ProductIndex, Query, SearchOptions, open_index
from prodmatch.lexical.forms.compounds import expand_compounds
from prodmatch.model.description import Model

TITLES = [
    "Nordwald Herrenlaufschuhe",
    "Nordwald Hut Herren",
    "Korvo Bergtourschuh",
    "Korvo Bergtourhemd grau",
    "Korvo Bergtourhose",
    "Hemd und Hose",
    "Kindertisch weich",
    "Decke elastisch Kinder",
    "Schale aus Holz",
    "Ring aus Gold",
    "Frau und Mantel",
    "Socken aus Baumwolle",
    "Garten Strand Korb",
    "Korvo Klappstuhl",
]


@pytest.fixture(scope="module")
def index(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductIndex]:
    folder = tmp_path_factory.mktemp("compounds")
    ids = [f"p{row}" for row in range(len(TITLES))]
    pq.write_table(pa.table({"product_id": ids, "title": TITLES}), folder / "c.parquet")
    save_query_encoders(folder / "store", tiny)
    night(folder / "c.parquet", tiny, folder / "store")
    with open_index(folder / "store") as opened:
        yield opened


@pytest.mark.parametrize(
    ("text", "compounds"),
    [
        ("laufschuhe", ["herrenlaufschuhe"]),
        ("laufschuh", ["herrenlaufschuhe"]),
        ("schuhe", ["bergtourschuh"]),  # "bergtour" is in several compounds, "herrenlauf" in none
        ("tisch", ["kindertisch"]),  # not "elastisch"
        ("stuhl", ["klappstuhl"]),  # "klapp" is in no other, but nothing else is a "stuhl"
        ("bergtour", ["bergtourhemd", "bergtourhose"]),
        ("laufschuhe1", []),  # a code
        ("hut laufschuhe1", []),
        ("decke", []),  # products contain it
        ("hut", []),
        ("isch", []),
    ],
)
def test_compounds_have_the_word_and_another(
    index: ProductIndex, text: str, compounds: list[str]
) -> None:
    assert sorted(index.searcher.products.compounds_of(text)) == compounds


@pytest.mark.parametrize(
    ("text", "searched_for", "title"),
    [
        ("Laufschuhe", "Laufschuhe (or herrenlaufschuhe)", TITLES[0]),
        ("Holzschale", "holz schale", TITLES[8]),
        ("Frauenmantel", "frauen mantel", TITLES[10]),
        ("Baumwollsocken", "baumwoll socken", TITLES[11]),
        ("Gartenstrandkorb", "garten strand korb", TITLES[12]),
    ],
)
def test_a_compound_is_found_by_its_words_and_in_others(
    index: ProductIndex, text: str, searched_for: str, title: str
) -> None:
    (answer,) = index.answer([Query("q", text)], SearchOptions(top=1))
    assert answer.searched_for == searched_for
    assert not any("vocabulary" in hint for hint in answer.hints)
    assert answer.hits[0].metadata["title"] == title
    assert answer.hits[0].lexical > 0


@pytest.mark.parametrize("text", ["Goldschale", '"Laufschuhe"', "zorbiktisch"])
def test_no_other_word_is_searched_for(index: ProductIndex, text: str) -> None:
    (answer,) = index.answer([Query("q", text)], SearchOptions(top=1))
    assert answer.searched_for is None


def test_the_first_words_of_a_long_query_are_looked_up() -> None:
    looked_up: list[str] = []

    def find(word: str) -> list[str]:
        looked_up.append(word)
        return []

    words = [f"{one}{other}wort" for one in "abcdefghij" for other in "abcdefghij"]
    expand_compounds(" ".join(words), (), find)
    assert looked_up == words[:64]
