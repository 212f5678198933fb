"""Nights one after the other: deletions, empty catalogues, orders of rows, jumping clocks."""

import os
import random
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Counting
from small import SCHEMA, Row, products, run
from store_files import list_generations
from tiny import (
    contents,
    embed_tiny,
    night,
    save_catalogue,
    save_query_encoders,
    save_tiny_model,
)

from prodmatch.catalogue.reader import CatalogueOptions, open_catalogue
from prodmatch.embed import EmbedSettings
from prodmatch.errors import CatalogueError, MismatchError, StoreError
from prodmatch.index import IndexLimits, index_embeddings
from prodmatch.model.description import Model, open_model
from prodmatch.search.product_index import open_index
from prodmatch.search.queries import Query
from prodmatch.search.vectors import list_builder
from prodmatch.storage.atomic import digest_file
from prodmatch.storage.garbage import collect_garbage
from prodmatch.storage.generations import (
    open_generation,
    roll_back,
    verify_generation,
)

YEAR = 365 * 24 * 3600


def save_rows(path: Path, rows: list[Row]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)
    return path


def found_ids(store: Path) -> list[str]:
    return sorted(hit.product_id for hit in open_index(store).search("red shirt", top=1000))


@pytest.fixture
def store(tiny: Model, quick_disk: Path) -> Path:
    save_query_encoders(quick_disk / "store", tiny)
    return quick_disk / "store"


def test_what_is_deleted_is_gone_and_what_comes_back_is_new(
    store: Path, tiny: Model, tmp_path: Path
) -> None:
    rows, catalogue = products(20), tmp_path / "c.parquet"
    every = [str(row["product_id"]) for row in rows]
    night(save_rows(catalogue, rows), tiny, store)
    for kept in (rows[:7] + rows[8:], rows[::2], rows[:1]):
        night(save_rows(catalogue, kept), tiny, store)
        assert found_ids(store) == [row["product_id"] for row in kept]
        gone = next(name for name in every if name not in found_ids(store))
        with pytest.raises(Exception, match="no product of this id"):
            open_index(store).search_many([Query(product_id=gone)])
    night(save_rows(catalogue, [*rows[:1], {**rows[7], "title": "blue lamp"}]), tiny, store)
    (hit,) = open_index(store).search("blue lamp", top=1, weights={"lexical": 1.0})
    assert (hit.product_id, hit.metadata["title"]) == ("p0007", "blue lamp")


def test_an_empty_catalogue_is_refused_or_where_allowed_empties_the_index(
    store: Path, tiny: Model, tmp_path: Path
) -> None:
    catalogue = tmp_path / "c.parquet"
    night(save_catalogue(catalogue, 9), tiny, store)
    save_catalogue(catalogue, 0)
    with pytest.raises(CatalogueError, match=r"has no rows\. .*`allow_empty`"):
        open_catalogue(catalogue)
    for number in (2, 3):  # and once more over an empty one
        empty = open_catalogue(catalogue, CatalogueOptions(allow_empty=True))
        report = embed_tiny(empty, tiny, store)
        assert (report.rows, report.embedded, report.removed) == (0, 0, 9 if number == 2 else 0)
        assert index_embeddings(store).generation == number
        index = open_index(store)
        assert index.generation.product_count == 0
        assert index.search("red shirt", where="price > 1") == index.search("red shirt") == []
        assert index.search(image=bytes(products(1)[0]["image"])) == []  # type: ignore[arg-type]
        verify_generation(index.generation)
    report = embed_tiny(save_catalogue(catalogue, 9), tiny, store)
    assert (report.added, report.texts_encoded, report.images_encoded) == (9, 0, 0)
    index_embeddings(store)
    assert len(found_ids(store)) == 9


def test_the_shell_takes_an_empty_catalogue_where_it_is_told_to(
    store: Path, tiny: Model, tmp_path: Path
) -> None:
    catalogue = save_catalogue(tmp_path / "c.parquet", 0)
    told = ("--store", store, "--model", tiny.folder, "--dry-run", "--allow-empty")
    done = run("embed", catalogue, *told)
    assert (done.code, done.last["rows"], done.last["added"]) == (0, 0, 0)


@pytest.mark.parametrize("rejected", [0, 9, 10, 11, 1000])
def test_one_row_in_a_hundred_may_be_rejected_and_not_one_more(
    rejected: int, store: Path, tiny: Model, tmp_path: Path, count_cases: Counting
) -> None:
    night(save_catalogue(tmp_path / "before.parquet", 3), tiny, store)
    titles = [None if row < rejected else f"mug number {row}" for row in range(1000)]
    ids = [f"p{row}" for row in range(1000)]
    pq.write_table(pa.table({"product_id": ids, "title": titles}), tmp_path / "c.parquet")
    settings = EmbedSettings(device="cpu", workers=0, accept_changes=True)
    if rejected <= 10:
        report = embed_tiny(tmp_path / "c.parquet", tiny, store, settings)
        assert (report.rows, report.embedded, report.rejected) == (1000, 1000 - rejected, rejected)
    else:
        with pytest.raises(CatalogueError, match=f"{rejected} of 1000 rows are rejected"):
            embed_tiny(tmp_path / "c.parquet", tiny, store, settings)
        assert index_embeddings(store).products == 3
    count_cases("rates of rejected rows", 1)


@pytest.mark.parametrize("kind", ["exact", "lists"])
def test_equal_scores_are_ordered_by_id_whatever_the_order_of_the_catalogue(
    kind: str, store: Path, tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "lists":
        monkeypatch.setattr(list_builder, "TRAINING_ROWS", 5)
    rows = products(20)
    rows += [
        {**row, "product_id": f"{row['product_id']}-{twin}"} for row in rows for twin in "abcd"
    ]
    answers = []
    for seed in range(3):
        random.Random(seed).shuffle(rows)
        report = night(save_rows(tmp_path / "c.parquet", rows), tiny, store)
        assert report.type == "Flat"
        if kind == "lists":
            report = index_embeddings(
                store, model=tiny, kind="codes", limits=IndexLimits(min_recall=0.5)
            )
            assert "nprobe" in report.type
        index = open_index(store)
        found = [index.search(text, top=100) for text in ("red shirt", "mug number 7", "boot")]
        found.append(index.search("red shirt", where="price < 9", top=100))
        for hits in found:
            assert [hit.product_id for hit in hits] == [
                hit.product_id for hit in sorted(hits, key=lambda hit: (-hit.score, hit.product_id))
            ]
        answers.append([[(hit.product_id, hit.score) for hit in hits] for hits in found])
    if kind == "exact":  # which lists are searched does depend on the order
        assert answers[0] == answers[1] == answers[2]
        assert [len(hits) for hits in answers[0]] == [100, 100, 100, 45]


@contextmanager
def clock_at(seconds: float, *places: Path) -> Iterator[None]:
    """A clock that says another time, and files that say they were changed then."""
    real, real_ns = time.time, time.time_ns
    ahead = seconds - real()
    paths = [path for place in places for path in (place, *place.rglob("*"))]
    for path in paths:
        if not path.is_symlink():
            os.utime(path, (seconds, seconds))
    time.time, time.time_ns = lambda: real() + ahead, lambda: real_ns() + int(ahead * 10**9)
    try:
        yield
    finally:
        time.time, time.time_ns = real, real_ns


CLOCKS: dict[str, Callable[[], float]] = {
    "a year back": lambda: time.time() - YEAR,
    "an hour back": lambda: time.time() - 3600,
    "a year ahead": lambda: time.time() + YEAR,
    "1970": lambda: 1.0,
    "2099": lambda: 129 * YEAR,
}


@pytest.mark.parametrize("name", CLOCKS)
def test_a_clock_that_jumps_decides_nothing(
    name: str, base: Path, tiny: Model, quick_disk: Path, count_cases: Counting
) -> None:
    store, catalogue = quick_disk / "store", quick_disk / "after.parquet"
    shutil.copytree(base / "store", store)
    shutil.copy(base / "after.parquet", catalogue)
    with clock_at(CLOCKS[name](), store, catalogue):
        assert night(catalogue, tiny, store).generation == 2
        assert contents(store) == contents(base / "gold")
    report = embed_tiny(catalogue, tiny, store)  # and the clock is right again
    assert (report.texts_encoded, report.images_encoded, report.changed) == (0, 0, 0)
    with clock_at(CLOCKS[name]() - 2 * 24 * 3600, store, catalogue):
        assert embed_tiny(catalogue, tiny, store).reused == report.reused == 24
        assert index_embeddings(store).generation == 3
        assert [kept.number for kept in list_generations(store)] == [1, 2, 3]
        assert open_index(store).search("red shirt", top=1)[0].generation == 3
        assert roll_back(store).number == 2
        collect_garbage(store, 1)
    kept = [generation.number for generation in list_generations(store)]
    assert {2, 3} <= set(kept)  # the current one and the newest, whatever the hour
    verify_generation(open_generation(store))
    assert night(catalogue, tiny, store).generation == 4
    count_cases("clocks that jump", 1)


def test_bytes_that_change_under_one_name_and_time_are_seen(
    store: Path, tiny: Model, tmp_path: Path
) -> None:
    catalogue = save_rows(tmp_path / "c.parquet", products(9))
    os.utime(catalogue, (YEAR, YEAR))
    embed_tiny(catalogue, tiny, store)
    rows = products(9)
    rows[4]["title"] = "blue lamp"
    save_rows(catalogue, rows)
    os.utime(catalogue, (YEAR, YEAR))
    report = embed_tiny(catalogue, tiny, store)
    assert (report.texts_encoded, report.changed) == (1, 1)


def flip_last_byte(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


CHANGES: dict[str, Callable[[Path], object]] = {
    "text/config.json": lambda path: path.write_text('{"of": "other"}'),
    "image/config.json": lambda path: path.write_text('{"of": "other"}'),
    "heads.safetensors": flip_last_byte,
    "model.json": lambda path: path.write_text(path.read_text().replace('"tiny"', '"tidy"')),
}


@pytest.mark.parametrize("name", CHANGES)
def test_any_part_of_a_model_tells_it_from_another(
    name: str, store: Path, tiny: Model, tmp_path: Path
) -> None:
    catalogue = save_catalogue(tmp_path / "c.parquet", 5)
    night(catalogue, tiny, store)
    save_tiny_model(tmp_path / "other")
    same = open_model(str(tmp_path / "other"))
    os.utime(tmp_path / "other" / name, (1, 1))
    assert same.fingerprint == tiny.fingerprint
    CHANGES[name](tmp_path / "other" / name)
    other = open_model(str(tmp_path / "other"))
    for refused in (lambda: open_index(store, model=other), lambda: night_of(other, store)):
        with pytest.raises(MismatchError, match="was made with the model 'tiny'"):
            refused()
    save_query_encoders(store, other)
    report = embed_tiny(catalogue, other, store)
    encoded = {"text/config.json": (5, 0), "image/config.json": (0, 5)}.get(name, (0, 0))
    assert (report.texts_encoded, report.images_encoded) == encoded


def night_of(model: Model, store: Path) -> None:
    index_embeddings(store, model=model)


def test_what_strangers_leave_in_a_store_is_not_read(
    base: Path, tiny: Model, quick_disk: Path, count_cases: Counting
) -> None:
    store = Path(shutil.copytree(base / "store", quick_disk / "store"))
    (features, *_) = sorted((store / "features").iterdir())
    foreign = [
        features / "part-1.parquet", features / "part-x.parquet", features / "a.part",
        store / "index" / "notes", store / "embeddings" / "old" / "part-00000.parquet",
        store / "index" / "\u00b2" / "manifest.json", store / ".lock",
    ]  # fmt: skip
    left = f"_tmp-{0:032}"
    dead = [
        store / f"{left}-scratch" / "rows.parquet", features / f"{left}-part-000000.parquet",
        store / "index" / f"{left}-000002" / "manifest.json", store / "index" / f"{left}-CURRENT",
    ]  # fmt: skip
    for path in foreign + dead:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"no data of ours")
    night(base / "after.parquet", tiny, store)
    assert contents(store) == contents(base / "gold")
    assert not list(store.rglob("_tmp-*"))
    assert [path for path in foreign if path.read_bytes() != b"no data of ours"] == []
    count_cases("leftovers and foreign files", len(foreign) + len(dead))


@pytest.mark.parametrize("most", [0, 1 << 10, 4 << 10, 8 << 10])
def test_a_limit_on_the_size_of_files_is_one_clear_line(
    most: int, base: Path, tiny: Model, quick_disk: Path
) -> None:
    store = Path(shutil.copytree(base / "store", quick_disk / "store"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        with pytest.raises(StoreError, match=r"cannot be written \(.*\)") as refused:
            night(base / "after.parquet", tiny, store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(store) in str(refused.value)
    assert open_generation(store).number == 1
    night(base / "after.parquet", tiny, store)
    assert contents(store) == contents(base / "gold")


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming a user without rights needs root")
def test_who_may_not_write_is_told_so_and_may_read(
    base: Path, tiny: Model, quick_disk: Path
) -> None:
    store = Path(shutil.copytree(base / "store", quick_disk / "store"))
    catalogue = Path(shutil.copy(base / "after.parquet", quick_disk / "c.parquet"))
    quick_disk.chmod(0o755)
    before = {path: digest_file(path) for path in store.rglob("*") if path.is_file()}
    os.seteuid(65534)
    try:
        assert open_index(store).search("red shirt", top=1)[0].generation == 1
        with pytest.raises(StoreError, match=r"cannot be written \(Permission denied\)"):
            night(catalogue, tiny, store)
    finally:
        os.seteuid(0)
    assert {path: digest_file(path) for path in store.rglob("*") if path.is_file()} == before
