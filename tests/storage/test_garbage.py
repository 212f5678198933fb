"""gc removes what nothing refers to, and nothing else."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tiny import embed_tiny, night, save_catalogue, save_query_encoders, save_tiny_model

from prodmatch.catalogue.reader import CatalogueOptions, open_catalogue
from prodmatch.errors import DamagedError
from prodmatch.index import index_embeddings
from prodmatch.model.description import Model
from prodmatch.search.product_index import open_index
from prodmatch.storage.garbage import collect_garbage
from prodmatch.storage.generations import open_generation, verify_generation
from prodmatch.storage.locks import Hold


@pytest.fixture
def store(tiny: Model, quick_disk: Path) -> Path:
    save_query_encoders(quick_disk / "store", tiny)
    return quick_disk / "store"


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    return save_catalogue(tmp_path / "c.parquet", 9)


def other_model(store: Path, folder: Path) -> Model:
    """A model of other encoders, so that its features are others too."""
    model = save_tiny_model(folder, name="other")
    for part in ("text", "image"):
        (folder / part / "config.json").write_text('{"of": "another"}')
    save_query_encoders(store, model)
    return model


def names(store: Path) -> dict[str, int]:
    kinds = ("index", "embeddings", "encoders", "features", "rejects")
    return {
        kind: len([p for p in (store / kind).glob("*") if p.name != "CURRENT"]) for kind in kinds
    }


def test_what_a_former_model_needed_goes_when_its_generations_go(
    store: Path, catalogue: Path, tiny: Model, tmp_path: Path
) -> None:
    night(catalogue, tiny, store)
    other = other_model(store, tmp_path / "other")
    night(catalogue, other, store)
    before = {"index": 2, "embeddings": 2, "encoders": 2, "features": 4, "rejects": 2}
    assert names(store) == before
    collect_garbage(store, keep=2, seconds=-1)  # both generations are kept, and what they need
    assert names(store) == {**before, "embeddings": 1}
    removed = collect_garbage(store, keep=1, seconds=-1).removed
    assert names(store) == dict.fromkeys(before, 1) | {"features": 2}
    assert len(removed) == 5
    verify_generation(open_generation(store))
    report = embed_tiny(catalogue, other, store)
    assert (report.texts_encoded, report.images_encoded) == (0, 0)
    assert index_embeddings(store).products == 9
    assert open_index(store).search("red shirt")


def test_graphs_of_features_in_use_stay(store: Path, catalogue: Path, tiny: Model) -> None:
    night(catalogue, tiny, store)
    used = [store / "encoders" / folder.name for folder in (store / "features").iterdir()]
    unused = store / "encoders" / f"text-{'0' * 32}"
    for graph in (*used, unused):
        graph.mkdir()
    assert collect_garbage(store, seconds=-1).removed == [unused]
    assert len(used) == 2
    assert all(graph.is_dir() for graph in used)


def test_shards_of_former_text_columns_go(store: Path, catalogue: Path, tiny: Model) -> None:
    night(catalogue, tiny, store)
    opened = open_catalogue(catalogue, CatalogueOptions(text_columns=("colour",)))
    embed_tiny(opened, tiny, store)
    index_embeddings(store)
    (texts,) = store.glob("features/text-*")
    (pictures,) = store.glob("features/image-*")
    (former, newer) = sorted(texts.iterdir())
    kept = list(pictures.iterdir())
    assert former in collect_garbage(store, keep=1, seconds=-1).removed
    assert list(texts.iterdir()) == [newer]
    assert list(pictures.iterdir()) == kept
    report = embed_tiny(opened, tiny, store)
    assert (report.texts_encoded, report.images_encoded) == (0, 0)


def test_what_is_young_stays(store: Path, catalogue: Path, tiny: Model, tmp_path: Path) -> None:
    night(catalogue, tiny, store)
    night(catalogue, other_model(store, tmp_path / "other"), store)
    before = names(store)
    collect_garbage(store, keep=1, seconds=3600)
    assert names(store) == {**before, "embeddings": 1}


def test_what_the_future_dates_goes_too_where_nothing_is_to_stay(
    store: Path, catalogue: Path, tiny: Model
) -> None:
    night(catalogue, tiny, store)
    night(catalogue, tiny, store)
    first, second = (store / "index" / number for number in ("000001", "000002"))
    os.utime(first, (4e9, 4e9))
    assert collect_garbage(store, keep=1, seconds=60).removed == []
    assert collect_garbage(store, keep=1, seconds=0).removed == [first]
    assert second.exists()


def test_a_generation_that_a_reader_has_open_stays_with_what_it_needs_until_it_is_closed(
    store: Path, catalogue: Path, tiny: Model, tmp_path: Path
) -> None:
    night(catalogue, tiny, store)
    index = open_index(store)
    night(catalogue, other_model(store, tmp_path / "other"), store)
    collected = collect_garbage(store, keep=1, seconds=0, reader_seconds=0)
    first = store / "index" / "000001"
    assert collected.in_use == [first]
    assert len(index.search("red shirt", where="product_id < 'p0005'")) == 5
    assert names(store)["encoders"] == names(store)["rejects"] == 2
    other = open_index(store)
    index.close()
    collected = collect_garbage(store, keep=1, seconds=0)
    assert first in collected.removed
    assert collected.in_use == []
    assert len(other.search("red shirt")) == 9
    assert names(store)["encoders"] == names(store)["rejects"] == 1


def test_gc_waits_for_a_reader_that_is_about_to_reload(
    store: Path, catalogue: Path, tiny: Model
) -> None:
    night(catalogue, tiny, store)
    index_embeddings(store)
    index = open_index(store)
    index_embeddings(store)
    first, second = (store / "index" / name for name in ("000001", "000002"))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(collect_garbage, store, keep=1, seconds=0, reader_seconds=600)
        while Hold(first / "manifest.json").is_held:  # until gc claims it and is at the second
            pass
        assert not waiting.done()
        assert index.reload_if_changed()
        assert waiting.result().removed == [first, second]


def test_a_reader_that_reloads_lets_go_of_the_generation_before(
    store: Path, catalogue: Path, tiny: Model
) -> None:
    night(catalogue, tiny, store)
    index = open_index(store)
    night(catalogue, tiny, store)
    assert index.reload_if_changed()
    assert collect_garbage(store, keep=1, seconds=0).removed == [store / "index" / "000001"]


def test_where_references_cannot_be_read_what_they_may_name_stays(
    store: Path, catalogue: Path, tiny: Model, tmp_path: Path
) -> None:
    night(catalogue, tiny, store)
    night(catalogue, other_model(store, tmp_path / "other"), store)
    before = names(store)
    for manifest in (store / "index").glob("*/manifest.json"):
        shutil.copy(manifest, tmp_path / "kept")
        manifest.unlink()
        manifest.write_text("{")
        collect_garbage(store, keep=2, seconds=-1)
        assert names(store) == {**before, "embeddings": 1}
        manifest.write_bytes((tmp_path / "kept").read_bytes())
    (store / "index" / "CURRENT").write_text("{}")
    with pytest.raises(DamagedError, match=r"`rollback\(\)`"):
        collect_garbage(store, keep=1, seconds=-1)
    assert names(store) == {**before, "embeddings": 1}


def test_rejects_that_a_refused_night_names_stay_while_they_are_young(
    store: Path, catalogue: Path, tiny: Model
) -> None:
    night(catalogue, tiny, store)
    foreign = store / "rejects" / "0123.parquet"
    foreign.write_bytes(b"")
    assert collect_garbage(store).removed == []
    assert collect_garbage(store, seconds=-1).removed == [foreign]
