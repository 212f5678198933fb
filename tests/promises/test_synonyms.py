"""Synonyms from the file to the answer: checked, kept, remembered, applied and said."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from small import products, run, write
from tiny import night

from prodmatch import Answer, Query, SearchOptions, open_index
from prodmatch.build import BuildSettings, build
from prodmatch.errors import DamagedError, SynonymsError
from prodmatch.explain import explain_product
from prodmatch.index import IndexReport, index_embeddings
from prodmatch.model.description import Model
from prodmatch.search.answers.hits import hit_fields
from prodmatch.search.generation_products import ShopFiles
from prodmatch.storage.generations import current_number, open_generation
from prodmatch.storage.settings import read_settings

RULES = "tee, shirt\nzurbl => mug\nboots, foot wear\n"


@pytest.fixture
def store(base: Path, tmp_path: Path) -> Path:
    shutil.copytree(base / "store", tmp_path / "store")
    return tmp_path / "store"


def publish(store: Path, text: str = RULES) -> IndexReport:
    path = store.parent / "synonyms.csv"
    path.write_text(text)
    return index_embeddings(store, files=ShopFiles(path))


def ask(store: Path, text: str, *, exact: bool = False) -> Answer:
    with open_index(store) as index:
        (answer,) = index.answer([Query(text=text)], SearchOptions(exact=exact))
    return answer


def lexical(answer: Answer) -> dict[str, float]:
    return {hit.product_id: hit.lexical for hit in answer.hits if hit.lexical}


def test_a_synonym_finds_what_the_word_itself_does(store: Path) -> None:
    plain = lexical(ask(store, "shirt"))
    publish(store)
    answer = ask(store, "Tee")
    assert answer.searched_for == "Tee (or shirt)"
    assert hit_fields(answer.hits[0]).keys() == hit_fields(ask(store, "shirt").hits[0]).keys()
    assert {hit.metadata["title"] for hit in answer.hits if hit.lexical} == {
        "red shirt number 0",
        "green shirt number 5",
    }
    assert lexical(answer).keys() == plain.keys() == {"p0000", "p0005"}
    assert ask(store, "red lamp").searched_for is None


def test_the_text_vector_is_of_the_word_that_products_say(store: Path) -> None:
    publish(store)
    with open_index(store) as index:
        tee, shirt, mug = (
            index.searcher.encode_one(Query(text=text)) for text in ("red tee", "red shirt", "mug")
        )
        np.testing.assert_array_equal(tee.text, shirt.text)
        assert tee.knowledge == 1.0
        assert not np.array_equal(shirt.text, mug.text)
        assert index.searcher.encode_one(Query(text="red tee"), exact=True).knowledge < 1.0


def test_a_word_that_a_rule_has_is_never_corrected(store: Path) -> None:
    assert ask(store, "shirtt").searched_for == "shirt"
    publish(store, "shirtt, mug\n")
    assert ask(store, "shirtt").searched_for == "shirtt (or mug)"
    publish(store, "mug => shirtts\n")
    assert ask(store, "shirtt").searched_for is None


def test_a_corrected_word_has_synonyms(store: Path) -> None:
    publish(store)
    assert ask(store, "red shrit").searched_for == "red shirt (or tee)"


@pytest.mark.parametrize(
    ("typed", "corrected"),
    [
        ("chesterfeild", "chesterfield (or chair)"),
        ("red chesterfieldd", "red chesterfield (or chair)"),
    ],
)
def test_a_slip_in_a_word_that_only_a_rule_has_is_corrected(
    store: Path, typed: str, corrected: str
) -> None:
    assert "(or" not in str(ask(store, typed).searched_for)
    publish(store, "chesterfield, chair\n")
    assert ask(store, typed).searched_for == corrected


@pytest.mark.parametrize("text", ['"tee"', '"red tee"', "-tee red", "p0003", "teepee"])
def test_quotes_negations_and_ids_have_none(store: Path, text: str) -> None:
    publish(store)
    assert "(or" not in str(ask(store, text).searched_for)


def test_exact_searches_what_is_typed(store: Path) -> None:
    publish(store)
    answer = ask(store, "tee", exact=True)
    assert (answer.searched_for, lexical(answer)) == (None, {})


def test_a_generation_keeps_its_rules_and_older_ones_have_none(store: Path) -> None:
    publish(store)
    files = open_generation(store).files
    assert "synonyms.json" in files
    (store.parent / "synonyms.csv").unlink()
    assert ask(store, "tee").searched_for == "tee (or shirt)"
    shutil.rmtree(store / "index" / "000002")
    (store / "index" / "CURRENT").unlink()
    assert run("rollback", "--store", store).code == 0
    assert ask(store, "tee").searched_for != "tee (or shirt)"


def test_damaged_rules_are_refused(store: Path) -> None:
    publish(store)
    path = open_generation(store).folder / "synonyms.json"
    path.write_bytes(path.read_bytes().replace(b"tee", b"toe"))
    with pytest.raises(DamagedError, match=r"synonyms\.json"):
        open_index(store)


def test_the_file_is_remembered_read_each_night_and_taken_away(
    store: Path, base: Path, tiny: Model
) -> None:
    publish(store)
    night(base / "after.parquet", tiny, store)
    assert ask(store, "tee").searched_for == "tee (or shirt)"
    (store.parent / "synonyms.csv").write_text("lamp, light\n")
    assert index_embeddings(store).synonyms == 2
    assert ask(store, "light").searched_for == "light (or lamp)"
    assert ask(store, "tee").searched_for != "tee (or shirt)"
    assert index_embeddings(store, files=ShopFiles(False)).synonyms == 0
    settings = read_settings(store)
    assert settings is not None
    assert settings.synonyms is None
    assert "synonyms.json" not in open_generation(store).files
    assert index_embeddings(store).synonyms == 0


def test_a_bad_file_publishes_nothing_and_is_not_remembered(store: Path) -> None:
    publish(store)
    before = current_number(store)
    bad = store.parent / "bad.csv"
    bad.write_text("tee, shirt\nred => blue\nblue => red\n")
    with pytest.raises(SynonymsError, match=r"bad\.csv: one-way rules lead in a circle"):
        index_embeddings(store, files=ShopFiles(bad))
    assert current_number(store) == before
    assert ask(store, "tee").searched_for == "tee (or shirt)"
    assert index_embeddings(store).synonyms == 5


def test_a_bad_file_stops_a_build_before_it_encodes(store: Path, tmp_path: Path) -> None:
    settings = BuildSettings(files=ShopFiles(tmp_path / "none.csv"))
    with pytest.raises(SynonymsError, match="there is no such file"):
        build(write(tmp_path / "c.parquet", products(3)), store, settings=settings)


def test_words_that_no_product_says_are_a_warning(store: Path) -> None:
    assert publish(store).warnings == [
        "synonyms: no product contains 3 of their 6 words: tee, zurbl, foot wear"
    ]
    assert publish(store, "shirts, mug\n").warnings == []


def test_an_explanation_counts_synonyms(store: Path) -> None:
    publish(store)
    with open_index(store) as index:
        found = explain_product(index, Query(text="red tee"), "p0000")
        assert found.bm25 > 0
        assert [share.word for share in found.query_words] == ["red", "tee"]
        red, tee = (share.lexical for share in found.query_words)
        assert abs(float(red or 0) + float(tee or 0) - found.bm25) < 1e-4
        assert float(tee or 0) > 0


def test_the_command_line_says_what_was_searched_for(store: Path, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(RULES)
    done = run("index", "--store", store, "--synonyms", tmp_path / "s.csv")
    assert (done.code, done.last["synonyms"]) == (0, 5)
    assert done.err.startswith("warning: synonyms: no product contains 3 of their 6 words: ")
    done = run("query", "tee", "--store", store, "--top", "1")
    assert done.err.splitlines()[0] == "Searched for: tee (or shirt)"
    done = run("query", "tee", "--store", store, "--top", "1", "--format", "jsonl")
    assert done.last["searched_for"] == "tee (or shirt)"
    (tmp_path / "q.jsonl").write_text('{"text": "tee"}\n{"text": "mug"}\n')
    done = run("query", "--queries", tmp_path / "q.jsonl", "--store", store, "--format", "json")
    rows = json.loads(done.out)
    assert {row["searched_for"] for row in rows if "searched_for" in row} == {"tee (or shirt)"}
    done = run("index", "--store", store, "--synonyms", tmp_path / "none.csv")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "Give one, or take the store's away with --no-synonyms." in done.err
    done = run("index", "--store", store, "--synonyms", tmp_path / "s.csv", "--no-synonyms")
    assert done.code == 2
    assert run("index", "--store", store, "--no-synonyms").last["synonyms"] == 0
    assert "(or" not in run("query", "tee", "--store", store).err
