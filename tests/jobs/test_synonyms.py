"""Suggested synonyms: near in meaning and in contexts, seldom together, ready to be read again."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small import run
from tiny import embed_tiny, save_query_encoders

from prodmatch.index import index_embeddings
from prodmatch.lexical.synonym_files import read_synonyms
from prodmatch.lexical.synonyms import Rule
from prodmatch.model.description import Model
from prodmatch.search.generation_products import ShopFiles
from prodmatch.search.product_index import open_index
from prodmatch.synonyms import suggest_synonyms

# The tiny encoder has one vector for all words that it does not know: they are near, and what is
# around them must tell them apart.
FRAMES = {
    "velvet leather {} lamp chair": ["sofa", "couch", "mug"],  # "mug" it knows
    "oak brass {} shirt boot": ["zorbik", "quxly"],  # no words
    "wool linen {} blue green": ["bag", "handbag"],  # one is a part of the other
    "cotton plain {} red stripe": ["xxl", "xxxl"],  # sizes
    "steel metal {} iron gas": ["kettle", "kettles"],  # one stem
    "sun moon {} star sky": ["jug", "pitcher"],
}


def publish(folder: Path, model: Model, titles: list[str]) -> Path:
    ids = [f"p{row}" for row in range(len(titles))]
    pq.write_table(pa.table({"product_id": ids, "title": titles}), folder / "c.parquet")
    save_query_encoders(folder / "store", model)
    embed_tiny(folder / "c.parquet", model, folder / "store")
    index_embeddings(folder / "store")
    return folder / "store"


@pytest.fixture(scope="module")
def store(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    titles = [
        f"{frame.format(word)} {1000 * part + number}"
        for part, (frame, words) in enumerate(FRAMES.items())
        for word in words
        for number in range(20)
    ]
    return publish(tmp_path_factory.mktemp("suggested"), tiny, titles)


def test_words_with_one_meaning_and_one_context_are_suggested(store: Path) -> None:
    with open_index(store) as index:
        found = suggest_synonyms(index)
    assert {each.words for each in found} == {("couch", "sofa"), ("jug", "pitcher")}
    assert all(each.products == (20, 20) and each.both == 0 for each in found)
    assert all(0.9 < each.score <= 1 and each.contexts > 0.9 for each in found)


def test_the_file_is_one_of_synonyms_and_what_it_has_is_not_suggested_again(
    store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "suggested.csv"
    done = run("synonyms", "--suggest", "--store", store, "--out", out)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert set(read_synonyms(out).rules) == {
        Rule("couch", ("sofa",)),
        Rule("sofa", ("couch",)),
        Rule("jug", ("pitcher",)),
        Rule("pitcher", ("jug",)),
    }
    assert run("synonyms", "--suggest", "--store", store).out == out.read_text()
    assert len(run("synonyms", "--suggest", "--top", "1", "--store", store).out.split("\n")) == 5
    index_embeddings(store, files=ShopFiles(out))
    with open_index(store) as index:
        assert suggest_synonyms(index) == []
    done = run("synonyms", "--store", store)
    assert done.out.splitlines()[0] in ("couch => sofa", "jug => pitcher")
    assert len(done.out.splitlines()) == 4
    done = run("synonyms", "--suggest", "--store", store)
    assert (done.code, "no words" in done.err) == (0, True)
    index_embeddings(store, files=ShopFiles(False))
    done = run("synonyms", "--store", store)
    assert (done.code, done.out, "no synonyms" in done.err) == (0, "", True)


def test_words_that_stand_together_are_not_suggested(tiny: Model, tmp_path: Path) -> None:
    titles = [f"velvet {word} lamp number {row}" for row in range(20) for word in ("sofa", "couch")]
    titles += [f"sofa bed couch number {row}" for row in range(8)]
    with open_index(publish(tmp_path, tiny, titles)) as index:
        assert suggest_synonyms(index) == []


def test_phrases_are_suggested_and_parts_of_longer_ones_are_not(
    tiny: Model, tmp_path: Path
) -> None:
    titles = [
        f"{before} {word} {behind} {number}"
        for before, behind in (("red", "lamp"), ("blue", "chair"), ("green", "boot"))
        for word in ("tea pot", "jug", "cast iron pan", "skillet")
        for number in range(20)
    ]
    with open_index(publish(tmp_path, tiny, titles)) as index:
        found = {name for each in suggest_synonyms(index) for name in each.words}
    assert {"tea pot", "jug"} <= found
    assert not {"cast iron", "iron pan"} & found


def test_forms_and_stop_words_of_the_language_are_not_suggested(
    tiny: Model, tmp_path: Path
) -> None:
    frames = {
        "velvet leather {} lamp chair": ["nach", "oder"],  # "after" and "or" in German
        "oak brass {} shirt boot": ["banner", "bannen"],  # one stem
        "sun moon {} star sky": ["jug", "pitcher"],
    }
    titles = [
        f"{frame.format(word)} {1000 * part + number}"
        for part, (frame, words) in enumerate(frames.items())
        for word in words
        for number in range(20)
    ]
    store = publish(tmp_path, tiny, titles)
    found = []
    for language in ("english", "german"):
        index_embeddings(store, files=ShopFiles(language=language))
        with open_index(store) as index:
            found.append({each.words for each in suggest_synonyms(index)})
    assert found == [
        {("nach", "oder"), ("bannen", "banner"), ("jug", "pitcher")},
        {("jug", "pitcher")},
    ]


def test_a_catalogue_of_few_texts_has_no_suggestion(base: Path) -> None:
    with open_index(base / "store") as index:
        assert suggest_synonyms(index) == []
