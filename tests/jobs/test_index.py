"""An index is tuned on some queries, measured on others, and refused where it finds too little."""

import json
import shutil
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from small import products, run, write
from tiny import embed_tiny, save_query_encoders

from prodmatch import index as jobs
from prodmatch.build import BuildSettings, build
from prodmatch.catalogue.reader import open_catalogue
from prodmatch.embed import EmbedSettings
from prodmatch.engines.units import ThreadPool, open_thread_pool
from prodmatch.errors import StoreError
from prodmatch.index import IndexLimits, index_embeddings
from prodmatch.model.description import Model
from prodmatch.search.vectors import code_lists, part_lists
from prodmatch.search.vectors import index_builder as builder
from prodmatch.search.vectors.code_lists import CodeLists
from prodmatch.search.vectors.index_builder import Kind, build_index
from prodmatch.search.vectors.index_queries import (
    QUERIES,
    TUNING_QUERIES,
    IndexQueries,
    make_queries,
)
from prodmatch.search.vectors.list_pieces import PieceResult, PieceWork, RowUnit
from prodmatch.search.vectors.vector_index import HALF_ERROR, AnnIndex, exact_neighbours, recall_at
from prodmatch.storage.atomic import list_files, write_json
from prodmatch.storage.embeddings import vector_array, write_embeddings
from prodmatch.storage.generations import open_generation
from prodmatch.storage.vectors import Vectors, join_parts, normalise, split_parts

ROWS, DIM = 6_000, 32


def save_embeddings(store: Path, model: Model, image: Vectors, name: str = "ab") -> Vectors:
    """A store of products with pictures alone, whose image parts are these; gives the vectors."""
    shutil.rmtree(store / "encoders", ignore_errors=True)
    encoders = save_query_encoders(store, model)
    content = json.loads((encoders / "encoders.json").read_text())
    write_json(encoders / "encoders.json", {**content, "dim": image.shape[1]})
    (encoders / "manifest.json").unlink()
    write_json(encoders / "manifest.json", {"files": list_files(encoders)})
    vectors = join_parts(np.zeros_like(image), image)
    count = len(image)
    table = pa.table(
        {
            "product_id": [f"p{row}" for row in range(count)],
            "vector": vector_array(vectors),
            "has_text": np.zeros(count, bool),
            "has_image": np.ones(count, bool),
            "text": pa.array([None] * count, pa.string()),
            "row_digest": pa.array([row.to_bytes(16, "big") for row in range(count)]),
        }
    )
    manifest = {
        "rows": count,
        "embedded": count,
        "rejected": 0,
        "dim": vectors.shape[1],
        "catalogue": "",
        "features": [],
        "images_unusable": {},
        "model": "tiny",
        "model_fingerprint": model.fingerprint,
    }
    write_embeddings(store / "embeddings", name, [table], manifest)
    return vectors


def random_parts(count: int, seed: int) -> Vectors:
    return normalise(np.random.default_rng(seed).normal(size=(count, DIM)))


def collapsed_parts() -> Vectors:
    """Pictures nearer to each other than codes of a byte tell apart, and two far from all."""
    rng = np.random.default_rng(0)
    near = normalise(np.eye(1, DIM) + 1e-4 * rng.normal(size=(600, DIM)))
    return np.concatenate([near, -np.eye(1, DIM), normalise(np.ones((1, DIM)) - np.eye(1, DIM))])


@pytest.mark.parametrize("kind", ["codes", "hnsw"])
def test_an_index_of_pictures_alone_is_tuned_and_measured_with_moved_pictures(
    kind: str, tmp_path: Path, tiny: Model
) -> None:
    vectors = save_embeddings(tmp_path / "store", tiny, random_parts(ROWS, 0))
    moved = normalise(split_parts(vectors)[1][::20] + 0.5 * random_parts(300, 9))
    queries = np.hstack([np.zeros((300, DIM), np.float32), moved])
    truth = exact_neighbours([vectors], queries, 10)
    if kind == "codes":
        untuned = build_index(lambda: [vectors], ROWS, 2 * DIM, "codes")
        assert recall_at(untuned.search(queries, 10), truth) < 0.7
    report = index_embeddings(tmp_path / "store", kind=kind)  # type: ignore[arg-type]
    assert report.recall_at_10 is not None
    assert report.recall_at_10 >= 0.95
    folder = open_generation(tmp_path / "store").folder
    tuned = AnnIndex.open(folder / "index.faiss", row_count=ROWS, dim=2 * DIM)
    found = recall_at(tuned.search(queries, 10), truth, HALF_ERROR)
    assert found == pytest.approx(report.recall_at_10, abs=0.05)


def test_an_index_that_finds_too_little_is_not_published(tmp_path: Path, tiny: Model) -> None:
    store = tmp_path / "store"
    save_embeddings(store, tiny, collapsed_parts())
    assert index_embeddings(store).recall_at_10 == 1.0
    with pytest.raises(StoreError, match=r"finds 0\.\d+ of the 10 .* less than `min_recall=0.95`"):
        index_embeddings(store, kind="sq8")
    assert open_generation(store).number == 1
    assert index_embeddings(store, kind="sq8", limits=IndexLimits(min_recall=0.0)).generation == 2


def test_lists_are_tuned_to_more_than_the_recall_below_which_they_are_refused(
    tmp_path: Path, tiny: Model
) -> None:
    store, breadths = tmp_path / "store", []
    save_embeddings(store, tiny, random_parts(ROWS, 0))
    for least in (0.9, 0.99):
        index_embeddings(store, kind="codes", limits=IndexLimits(min_recall=least))
        index = AnnIndex.open(
            open_generation(store).folder / "index.faiss", row_count=ROWS, dim=2 * DIM
        )
        breadths.append(index.breadths[1])
    assert breadths[0] < breadths[1]


@pytest.mark.parametrize(
    ("kind", "tuning", "measuring"),
    [("flat", 0, QUERIES), ("sq8", 0, QUERIES), ("codes", TUNING_QUERIES, TUNING_QUERIES)],
)
def test_only_an_index_that_can_look_at_more_is_tuned(
    tmp_path: Path,
    tiny: Model,
    monkeypatch: pytest.MonkeyPatch,
    kind: Kind,
    tuning: int,
    measuring: int,
) -> None:
    save_embeddings(tmp_path / "store", tiny, random_parts(ROWS, 0))
    made: list[IndexQueries] = []

    def note(*arguments: Any, **options: Any) -> IndexQueries:
        made.append(make_queries(*arguments, **options))
        return made[0]

    monkeypatch.setattr("prodmatch.index.make_queries", note)
    index_embeddings(tmp_path / "store", kind=kind, limits=IndexLimits(min_recall=0.5))
    assert [len(made[0].tuning), len(made[0].measuring)] == [tuning, measuring]
    together = np.concatenate([made[0].tuning, made[0].measuring])
    assert len(np.unique(together, axis=0)) == tuning + measuring


def test_an_index_that_looks_at_two_lists_alone_is_refused(
    tmp_path: Path, tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    save_embeddings(store, tiny, random_parts(ROWS, 0))
    index_embeddings(store, kind="flat")
    monkeypatch.setattr(part_lists, "FIRST_LISTS", 2)
    monkeypatch.setattr(CodeLists, "widen", lambda lists: False)
    with pytest.raises(
        StoreError, match=r"nprobe=1\+2\) finds 0\.\d+ of the 10 .* nothing is published"
    ):
        index_embeddings(store, kind="codes")
    assert open_generation(store).number == 1


def test_every_row_is_compared_where_codes_find_too_little(
    tmp_path: Path, tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    save_embeddings(store, tiny, collapsed_parts())
    monkeypatch.setattr(builder, "EXACT_ROWS", 100)
    monkeypatch.setattr(part_lists, "FEWEST_RESCORED", 10)
    monkeypatch.setattr(code_lists, "MOST_RESCORED", 10)
    report = index_embeddings(store)
    assert (report.type, report.recall_at_10) == ("Flat", 1.0)


def test_lists_are_kept_from_night_to_night_until_the_vectors_drift(
    tmp_path: Path, tiny: Model
) -> None:
    store, centres = tmp_path / "store", np.repeat(random_parts(60, 1), ROWS // 60, axis=0)
    parts = normalise(centres + 0.3 * random_parts(ROWS, 0))
    save_embeddings(store, tiny, parts)
    first = index_embeddings(store, kind="codes")
    changed = parts.copy()
    changed[::100] = changed[1::100]
    vectors = save_embeddings(store, tiny, changed, "changed")
    second = index_embeddings(store, kind="codes")
    assert first.trained == second.trained == {**first.trained, "rows": ROWS}
    assert second.recall_at_10 == pytest.approx(first.recall_at_10, abs=0.03)
    folder = open_generation(store).folder
    index = AnnIndex.open(folder / "index.faiss", row_count=ROWS, dim=2 * DIM)
    np.testing.assert_allclose(index.vectors(np.arange(ROWS)), vectors, atol=2**-11)
    save_embeddings(store, tiny, random_parts(ROWS, 0), "drifted")  # into no groups at all
    third = index_embeddings(store, kind="codes")
    fresh = tmp_path / "fresh"
    save_embeddings(fresh, tiny, random_parts(ROWS, 0), "drifted")
    assert third.trained == index_embeddings(fresh, kind="codes").trained != first.trained


def test_the_command_says_in_one_line_what_to_do(tmp_path: Path, tiny: Model) -> None:
    store = tmp_path / "store"
    save_embeddings(store, tiny, collapsed_parts())
    done = run("index", "--store", store, "--type", "sq8")
    assert (done.code, done.out) == (1, "")
    assert len(done.err.splitlines()) == 1
    assert "nothing is published. Use" in done.err
    assert not (store / "index").exists()
    assert run("index", "--store", store, "--type", "sq8", "--min-recall", "0").code == 0


def test_without_products_no_recall_is_claimed(tmp_path: Path, tiny: Model) -> None:
    save_embeddings(tmp_path / "store", tiny, np.zeros((0, DIM), np.float32))
    assert index_embeddings(tmp_path / "store").recall_at_10 is None


@pytest.mark.parametrize(("rows", "pictures"), [(80, False), (20, True)])
def test_pictures_are_queries_where_half_of_the_texts_are_missing(
    tmp_path: Path, tiny: Model, monkeypatch: pytest.MonkeyPatch, rows: int, pictures: bool
) -> None:
    catalogue = open_catalogue(write(tmp_path / "c.parquet", products(rows)))
    save_query_encoders(tmp_path / "store", tiny)
    embed_tiny(catalogue, tiny, tmp_path / "store")
    made: list[IndexQueries] = []

    def note(*arguments: Any, **options: Any) -> IndexQueries:
        made.append(make_queries(*arguments, **options))
        return made[0]

    monkeypatch.setattr("prodmatch.index.make_queries", note)
    index_embeddings(tmp_path / "store")
    text, image = split_parts(made[0].measuring)
    texts = int(text.any(axis=1).sum())  # each is a query of the image parts, too
    assert rows // 2 < texts <= rows
    assert int(image.any(axis=1).sum()) == texts + (rows if pictures else 0)


def test_lists_are_filled_by_the_engine_that_is_named(
    tmp_path: Path, tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []

    def open_pool(work: PieceWork) -> AbstractContextManager[ThreadPool[RowUnit, PieceResult]]:
        opened.append(work)
        return open_thread_pool(work)

    monkeypatch.setattr(jobs, "open_ray_pool", open_pool)
    save_embeddings(tmp_path / "store", tiny, random_parts(ROWS, 0))
    contents = []
    for engine in ("local", "ray"):
        index_embeddings(tmp_path / "store", kind="codes", limits=IndexLimits(engine=engine))
        assert (tmp_path / "store" / "tokens").exists() == bool(opened) == (engine == "ray")
        files = sorted(open_generation(tmp_path / "store").folder.glob("index.*"))
        contents.append([path.read_bytes() for path in files])
        assert not list((tmp_path / "store").glob("_tmp-*"))
    assert contents[0] == contents[1]
    index_embeddings(tmp_path / "store", kind="flat", limits=IndexLimits(engine="ray"))
    assert len(opened) == 1  # no cluster where there are no lists


def test_a_build_indexes_with_the_engine_that_encodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[IndexLimits] = []
    builds = sys.modules["prodmatch.build"]  # whose name in the package is the function's
    for name in ("open_remembered", "read_shop_files", "open_model", "embed_catalogue"):
        monkeypatch.setattr(builds, name, lambda *_: None)
    monkeypatch.setattr(
        builds, "index_embeddings", lambda *_, **given: limits.append(given["limits"])
    )
    settings = BuildSettings(EmbedSettings(engine="ray"), limits=IndexLimits(0.9))
    build(tmp_path / "c.parquet", tmp_path / "store", model=tmp_path, settings=settings)
    assert limits == [IndexLimits(0.9, engine="ray")]


def test_the_engine_of_the_command_is_taken(tmp_path: Path, tiny: Model) -> None:
    save_embeddings(tmp_path / "store", tiny, random_parts(100, 0))
    assert run("index", "--store", tmp_path / "store", "--engine", "ray").code == 0
    assert (tmp_path / "store" / "tokens").is_dir()  # a store that machines share
