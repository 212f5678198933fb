"""A night's words are stemmed by the language that its texts tell, or that is given."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny import night, save_query_encoders

from prodmatch import Query, SearchOptions, open_index
from prodmatch.errors import DamagedError, StoreError, SynonymsError
from prodmatch.index import index_embeddings
from prodmatch.model.description import Model
from prodmatch.search.generation_products import ShopFiles
from prodmatch.storage.atomic import digest_file
from prodmatch.storage.generations import open_generation
from prodmatch.storage.settings import read_settings

TITLES = [
    "Nordwald Hose aus Leder, schwarz",
    "Korvo Jeanshosen für Damen",
    "Elbe Jeans mit Gürtel",
    "Korvo Hosengürtel, Gürtel für Herren",
    "Nordwald Kleid mit Blumen, rot",
    "Elbe Abendkleider für den Abend",
    "Alm Tischlampe für den Tisch",
    "Alm Stuhl, weiß",
    "Elbe Winterjacke, grau",
    "Elbe Jacke, weiß",
    "Alm Jeanshosengürtel",
    "Elbe Jeansjacke",
]


@pytest.fixture
def store(tiny: Model, tmp_path: Path) -> Path:
    ids = [f"p{row}" for row in range(len(TITLES))]
    pq.write_table(pa.table({"product_id": ids, "title": TITLES}), tmp_path / "c.parquet")
    save_query_encoders(tmp_path / "store", tiny)
    night(tmp_path / "c.parquet", tiny, tmp_path / "store")
    return tmp_path / "store"


def found(store: Path, text: str) -> list[int]:
    """The rows that are found by a word of a query."""
    with open_index(store) as index:
        (answer,) = index.answer([Query("q", text)], SearchOptions(top=len(TITLES)))
        return sorted(int(hit.product_id[1:]) for hit in answer.hits if hit.lexical)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("Hosen", [0, 1]),  # not the belt that begins with it
        ("Hose", [0, 1]),
        ("Kleider", [4, 5]),
        ("Stühle", [7]),
        ("Tische", [6]),
        ("Jacke", [9, 11]),  # no product says "Winter"
        ("Winter", [8]),  # a common word of English, too
        ("Lampe", [6]),
        ("rotes", [4]),
        ("für", [1, 3, 5, 6]),  # nothing but a stop word
        ("Stuhl für den", [7]),
        ('"Hosen"', [0]),
    ],
)
def test_words_are_found_in_forms_of_the_language(store: Path, text: str, rows: list[int]) -> None:
    assert found(store, text) == rows


def test_a_language_that_is_given_is_kept_until_another_is(
    store: Path, tiny: Model, tmp_path: Path
) -> None:
    assert index_embeddings(store).language == "german"
    assert index_embeddings(store, files=ShopFiles(language="english")).language == "english"
    assert found(store, "Blume") == []
    assert found(store, "Jacke") == [9]  # English writes nouns apart
    settings = read_settings(store)
    assert settings is not None
    assert settings.language == "english"
    night(tmp_path / "c.parquet", tiny, store)
    assert open_generation(store).manifest["language"] == "english"
    assert index_embeddings(store, files=ShopFiles()).language == "english"
    assert index_embeddings(store, files=ShopFiles(language="auto")).language == "german"
    settings = read_settings(store)
    assert settings is not None
    assert settings.language is None
    assert found(store, "Blume") == [4]


def test_a_negation_of_the_language_leaves_products_out(store: Path) -> None:
    with open_index(store) as index:
        (answer,) = index.answer([Query("q", "Kleid ohne Blumen")], SearchOptions(top=len(TITLES)))
    assert answer.understood == "without blumen"
    assert "p4" not in [hit.product_id for hit in answer.hits]
    assert "p5" in [hit.product_id for hit in answer.hits]


def test_a_language_that_is_none_is_refused(store: Path) -> None:
    with pytest.raises(StoreError, match=r"`language` 'klingon': is none. Give one of auto, "):
        index_embeddings(store, files=ShopFiles(language="klingon"))
    path = store / "store.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "language": "x"}))
    with pytest.raises(StoreError, match="`language` 'x'"):
        index_embeddings(store)
    assert open_generation(store).number == 1


def test_a_generation_of_a_language_that_is_none_is_damaged(store: Path) -> None:
    path = open_generation(store).folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "language": ["german"]}))
    pointer = store / "index" / "CURRENT"
    current = json.loads(pointer.read_bytes())
    pointer.write_text(json.dumps({**current, "manifest_sha256": digest_file(path)}))
    with pytest.raises(DamagedError, match=r"'language' cannot be \['german'\]"), open_index(store):
        pass


def test_synonyms_are_of_words_of_the_language(store: Path, tmp_path: Path) -> None:
    rules = tmp_path / "s.csv"
    rules.write_text("Robe, Kleid\n")
    index_embeddings(store, files=ShopFiles(synonyms=rules))
    assert found(store, "Roben") == [4]
    rules.write_text("Kleid, Kleider\n")  # forms of one word
    with pytest.raises(SynonymsError, match="line 1 has only forms of one phrase"):
        index_embeddings(store)
