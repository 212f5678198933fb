"""The library's face: light to import, shared by threads, and never a mixture of generations."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from small import draw, embed, products, write

import prodmatch
from prodmatch import (
    BuildSettings,
    CatalogueOptions,
    Hit,
    ProdmatchError,
    ProductIndex,
    Query,
    open_catalogue,
    open_index,
    open_model,
)
from prodmatch.embed import EmbedSettings
from prodmatch.errors import DamagedError, QueryError, StoreError
from prodmatch.index import index_embeddings
from prodmatch.model.description import Model
from prodmatch.search.encoded_query import TEXT_WEIGHT
from prodmatch.search.generation_products import ShopFiles
from prodmatch.search.options import SearchOptions
from prodmatch.search.searcher import Searcher
from prodmatch.storage.garbage import collect_garbage
from prodmatch.storage.generations import open_generation
from prodmatch.storage.vectors import normalise

ASKED = ("red shirt", "green lamp", "blue boot", "chair", "mug number 7", "lamp to try")


def test_importing_the_package_imports_nothing_else() -> None:
    program = "import sys, prodmatch; print(*sorted(m for m in sys.modules if 'prodmatch' in m))"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; assert 'numpy' not in sys.modules"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["prodmatch"]


def test_the_package_offers_what_it_names() -> None:
    assert {name for name in prodmatch.__all__ if hasattr(prodmatch, name)} == set(
        prodmatch.__all__
    )
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        prodmatch.nonsense  # noqa: B018


def test_threads_get_the_answers_that_one_alone_gets(published: Path) -> None:
    expected = {text: open_index(published).search(text, where="price > 9") for text in ASKED}
    shared, wrong = open_index(published), []

    def ask(first: int) -> None:
        for number in range(8):
            text = ASKED[(first + number) % len(ASKED)]
            if shared.search(text, where="price > 9") != expected[text]:
                wrong.append(text)

    run_together([lambda position=position: ask(position) for position in range(3)])
    assert wrong == []


def test_an_index_for_one_question_gives_the_same_answers(published: Path) -> None:
    brief = open_index(published, long_lived=False).search("red shirt")
    for one, other in zip(brief, open_index(published).search("red shirt"), strict=True):
        assert one.product_id == other.product_id
        assert one.score == pytest.approx(other.score, abs=1e-5)


def test_words_next_to_a_picture_count_for_more_than_it(published: Path) -> None:
    opened = open_index(published).searcher
    picture = draw((20, 60, 200), 1)
    words, seen = opened.encode([Query(text="red shirt"), Query(image=picture)])
    both = opened.encode_one(Query("q", "red shirt", picture))
    for half in ("text", "image"):
        towards = getattr(both, half)
        expected = normalise(TEXT_WEIGHT * getattr(words, half) + getattr(seen, half))
        np.testing.assert_allclose(towards, expected, atol=1e-5)
        of_words, of_picture = (towards @ getattr(each, half) for each in (words, seen))
        assert of_words > of_picture > 0.2


def test_services_go_over_to_a_new_generation_while_they_answer(
    store: Path, tmp_path: Path, model: Model
) -> None:
    embed(write(tmp_path / "old.parquet", products(40)), model, store)
    index_embeddings(store)
    embed(write(tmp_path / "new.parquet", products(70)[30:]), model, store)
    service = open_index(store)
    queries = [Query(text=text) for text in ASKED]
    answers: list[list[list[Hit]]] = []

    def ask() -> None:
        while service.generation.number == 1:
            answers.append(service.search_many(queries))
            service.reload_if_changed()
        answers.append(service.search_many(queries))

    run_together([ask, ask, lambda: index_embeddings(store)])
    expected = {number: answers_of(store, number, queries) for number in (1, 2)}
    numbers = [{hit.generation for hits in answer for hit in hits} for answer in answers]
    assert {len(found) for found in numbers} == {1}
    assert {number for found in numbers for number in found} == {1, 2}
    for answer, found in zip(answers, numbers, strict=True):
        assert answer == expected[found.pop()]


def answers_of(store: Path, number: int, queries: list[Query]) -> list[list[Hit]]:
    """What a generation answers, asked alone."""
    with Searcher(open_generation(store, number)) as opened:
        return [answer.hits for answer in opened.answer(queries, SearchOptions())]


def test_a_reload_tells_whether_there_was_news_and_keeps_the_loaded_encoders(
    store: Path, tmp_path: Path, model: Model
) -> None:
    embed(write(tmp_path / "old.parquet", products(9)), model, store)
    index_embeddings(store)
    index = open_index(store, model=model)
    encoders = index.searcher.encoders
    assert index.reload_if_changed() is False
    index_embeddings(store)
    assert index.generation.number == 1
    assert index.reload_if_changed() is True
    assert index.generation.number == 2
    assert index.searcher.encoders is encoders


def test_nothing_is_read_from_a_generation_that_was_followed_and_removed(
    store: Path, tmp_path: Path, model: Model
) -> None:
    embed(write(tmp_path / "old.parquet", products(9)), model, store)
    index_embeddings(store)
    index = open_index(store)
    index_embeddings(store)
    assert index.reload_if_changed()
    assert store / "index" / "000001" in collect_garbage(store, keep=1, seconds=0).removed
    assert len(index.search("red shirt", image=draw((210, 20, 30), 500))) == 9


def test_an_index_stays_with_its_store_where_the_path_becomes_anothers(
    store: Path, tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other" / store.name
    for each, names in ((store, ["a", "b"]), (other, ["c", "d"])):
        rows = [{"product_id": name, "title": f"red shirt {name}"} for name in names]
        embed(write(tmp_path / f"{names[0]}.parquet", rows), model, each)
        index_embeddings(each)
    (tmp_path / "live").symlink_to(store)
    monkeypatch.chdir(store.parent)
    linked, relative = open_index(tmp_path / "live"), open_index(store.name)
    (tmp_path / "live").unlink()
    (tmp_path / "live").symlink_to(other)
    monkeypatch.chdir(other.parent)
    for index in (linked, relative):
        hits = index.search("red shirt", where="product_id IN ('b', 'c')")
        assert [hit.product_id for hit in hits] == ["b"]
    assert linked.reload_if_changed()
    assert not relative.reload_if_changed()
    hits = linked.search("red shirt", where="product_id IN ('b', 'c')")
    assert [hit.product_id for hit in hits] == ["c"]


def test_a_damaged_new_generation_leaves_the_old_one_open(
    store: Path, tmp_path: Path, model: Model
) -> None:
    embed(write(tmp_path / "old.parquet", products(9)), model, store)
    index_embeddings(store)
    index = open_index(store)
    expected = index.search("red shirt")
    index_embeddings(store)
    (store / "index" / "000002" / "index.faiss").write_bytes(b"")
    with pytest.raises(DamagedError):
        index.reload_if_changed()
    assert index.search("red shirt") == expected


def test_paths_may_be_strings(store: Path, tmp_path: Path, model: Model) -> None:
    catalogue = write(tmp_path / "c.parquet", products(9))
    (tmp_path / "words.txt").write_text("shirt, tee\n")
    options = CatalogueOptions(image_root=str(tmp_path))
    assert open_catalogue(str(catalogue), options).row_count == 9
    assert open_model(model.folder).fingerprint == open_model(str(model.folder)).fingerprint
    embedding = EmbedSettings(workers=0, accept_changes=True, precision="float32")
    settings = BuildSettings(embedding, files=ShopFiles(str(tmp_path / "words.txt")))
    report = prodmatch.build(
        str(catalogue), str(store), model=str(model.folder), options=options, settings=settings
    )
    assert (report.index.products, report.index.synonyms) == (9, 2)
    settings_of_store = json.loads((store / "store.json").read_text())
    assert settings_of_store["image_root"] == str(tmp_path)
    assert settings_of_store["synonyms"] == str(tmp_path / "words.txt")
    assert ProductIndex(str(store)).search("tee") == open_index(store).search("tee")


def test_an_error_in_a_notebook_is_its_message_alone() -> None:
    with pytest.raises(ProdmatchError) as raised:
        open_index("nowhere")
    (line,) = raised.value._render_traceback_()
    assert line.startswith("StoreError: nowhere: holds no index yet. Run")


def run_together(jobs: Sequence[Callable[[], object]]) -> None:
    """Runs jobs in threads of their own; the first failure of one is raised."""
    failures: list[BaseException] = []

    def guarded(job: Callable[[], object]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001 (a thread would swallow it)
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_the_face_is_what_dir_shows() -> None:
    assert dir(prodmatch) == sorted(prodmatch.__all__)
    wanted = {"build", "open_index", "open_catalogue", "open_model", "Query", "Hit"}
    assert wanted <= set(dir(prodmatch))


@pytest.mark.parametrize("first", ["", "import prodmatch.build", "from prodmatch import build"])
def test_build_is_the_function_whatever_was_imported_before(first: str) -> None:
    program = (
        f"{first}\nimport prodmatch\nprint(prodmatch.build.__name__, callable(prodmatch.build))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["build", "True"]


def test_a_closed_index_answers_no_more_and_holds_no_file(published: Path) -> None:
    opened = Path("/proc/self/fd")

    def held() -> int:
        links = [path.readlink() for path in opened.iterdir() if path.is_symlink()]
        return sum(link.name == "products.sqlite" for link in links)

    before = held()
    with open_index(published) as index:
        index.search("red shirt")
        assert held() > before
    assert held() == before
    with pytest.raises(StoreError, match="is closed"):
        index.search("red shirt")


def test_a_query_that_cannot_be_answered_does_not_keep_the_others_from_it(published: Path) -> None:
    queries = [Query("a", "red shirt"), Query("b", " "), Query("c", product_id="nobody")]
    index = open_index(published)
    good, blank, unknown = index.answer(queries)
    assert good.hits == index.search_many(queries[:1])[0]
    assert (blank.hits, unknown.hits) == ([], [])
    assert "has no word in it" in str(blank.error)
    assert "no product of this id" in str(unknown.error)
    with pytest.raises(QueryError, match="has no word in it"):
        index.search_many(queries)
