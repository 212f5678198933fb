"""British and American spellings of one word are found by one another."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Counting
from tiny import night, save_query_encoders

from prodmatch import ProductIndex, Query, SearchOptions, open_index
from prodmatch.lexical.forms.regional import OTHER, expand_regional, other_spellings
from prodmatch.model.description import Model

STEMS = ("col", "flav", "vap", "harb", "fav", "arm")
ENDINGS = ("", "s", "ed", "ing", "ful", "less", "y")
VERBS = ("organ", "sanit", "person", "custom", "moistur", "stabil", "equal")
VERB_ENDINGS = ("e", "er", "ers", "ed", "ing")


def pairs() -> Iterator[tuple[str, str]]:
    """A word as the British and as the Americans write it."""
    for ending in ENDINGS:
        yield from ((f"{stem}our{ending}", f"{stem}or{ending}") for stem in STEMS)
    for ending in VERB_ENDINGS:
        yield from ((f"{stem}is{ending}", f"{stem}iz{ending}") for stem in VERBS)
    yield from OTHER.items()


def test_each_spelling_leads_to_the_other(count_cases: Counting) -> None:
    for one, other in pairs():
        assert other in other_spellings(one)
        assert one in other_spellings(other)
    count_cases("words with two spellings", len([*pairs()]))


@pytest.mark.parametrize("word", ["for", "four", "tour", "hour", "size", "wise", "door", "prize"])
def test_short_words_have_one(word: str) -> None:
    assert [*other_spellings(word)] == []


def test_what_no_product_spells_so_is_not_searched_for() -> None:
    assert expand_regional("grey organiser", (), lambda word: word == "organizer")[0].alternatives
    assert len(expand_regional("grey organiser", (), lambda word: word == "organizer")) == 1
    assert expand_regional('"grey" mug', (), lambda word: 9) == ()


def test_spellings_are_stemmed_by_the_language() -> None:
    (found,) = expand_regional("organiser", (), lambda word: word == "organizer", "russian")
    assert found.stems == ("organizer",)


@pytest.fixture(scope="module")
def index(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductIndex]:
    folder = tmp_path_factory.mktemp("regional")
    titles = [
        "gray lamp",
        "blue lamp",
        "red lamp",
        "grey mug",
        "green mug",
        "pajama set",
        "pajama top",
    ]
    ids = [f"p{row}" for row in range(len(titles))]
    pq.write_table(pa.table({"product_id": ids, "title": titles}), folder / "c.parquet")
    save_query_encoders(folder / "store", tiny)
    night(folder / "c.parquet", tiny, folder / "store")
    with open_index(folder / "store") as opened:
        yield opened


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("grey lamp", "gray lamp"),
        ("Gray mug", "grey mug"),
        ("pyjamas", "pajama set"),
        ("pyjama", "pajama set"),
    ],
)
def test_the_other_spelling_is_found(index: ProductIndex, text: str, title: str) -> None:
    (answer,) = index.answer([Query(text=text)], SearchOptions(top=1))
    assert answer.hits[0].metadata["title"] == title
    assert answer.hits[0].lexical > 0
    assert answer.searched_for is None
    quoted = index.search(f'"{text}"', weights={"lexical": 1.0}, exact=True)
    assert title not in [hit.metadata["title"] for hit in quoted if hit.lexical > 0] or " " in text


def test_the_spelling_that_the_catalogue_has_is_encoded(
    index: ProductIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoders, texts = index.searcher.encoders, list[str]()
    encode = encoders.texts_and_familiarity
    monkeypatch.setattr(
        encoders, "texts_and_familiarity", lambda given: texts.extend(given) or encode(given)
    )
    index.search_many([Query("a", "red pyjamas"), Query("b", "gray lamp")])
    assert texts == ["red pajamas", "gray lamp"]
