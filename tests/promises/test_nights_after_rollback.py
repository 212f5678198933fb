"""A night that was taken back: later ones are compared with what is published, not with it."""

from pathlib import Path

import pytest
from small import Row, products, write
from tiny import embed_tiny, save_query_encoders, save_tiny_model

from prodmatch.drift import compare_generations
from prodmatch.embed import EmbedReport, EmbedSettings
from prodmatch.errors import CatalogueError, StoreError
from prodmatch.index import index_embeddings
from prodmatch.model.description import Model
from prodmatch.storage.garbage import collect_garbage
from prodmatch.storage.generations import roll_back

COUNT = 60


def in_cents() -> list[Row]:
    rows = products(COUNT)
    for row in rows:
        row["price"] = 100 * float(str(row["price"]))
    return rows


def publish(
    store: Path, tiny: Model, rows: list[Row], *, accept_changes: bool = False
) -> EmbedReport:
    catalogue = write(store.parent / "catalogue.parquet", rows)
    settings = EmbedSettings(device="cpu", workers=0, accept_changes=accept_changes)
    report = embed_tiny(catalogue, tiny, store, settings)
    index_embeddings(store)
    return report


@pytest.fixture
def taken_back(tmp_path: Path, tiny: Model) -> Path:
    """A store of two nights, the second of which was bad."""
    store = tmp_path / "store"
    save_query_encoders(store, tiny)
    publish(store, tiny, products(COUNT))
    publish(store, tiny, in_cents(), accept_changes=True)
    return store


@pytest.mark.parametrize("collected", [False, True])
def test_the_same_bad_night_is_refused_again_and_the_good_one_is_not(
    taken_back: Path, tiny: Model, *, collected: bool
) -> None:
    if collected:  # in the same night, as cron does; the first night's embeddings are gone then
        collect_garbage(taken_back, seconds=0)
    assert roll_back(taken_back).number == 1
    collect_garbage(taken_back, seconds=0)
    with pytest.raises(CatalogueError, match="'price' is 100 times what it was"):
        publish(taken_back, tiny, in_cents())
    good = publish(taken_back, tiny, products(COUNT))
    back = "the store went back to generation 1"
    text = f"{back}, whose embeddings are gone" if collected else f"{back}: compared with that"
    assert [text in warning for warning in good.warnings] == [True]
    assert (good.added, good.changed) == ((COUNT, 0) if collected else (0, 0))
    assert publish(taken_back, tiny, products(COUNT)).warnings == []


def test_an_index_over_the_night_that_was_taken_back_is_a_warning(taken_back: Path) -> None:
    assert index_embeddings(taken_back).warnings == []
    roll_back(taken_back, 1)
    (warning,) = index_embeddings(taken_back).warnings
    assert "a night that the store went back from, to generation 1" in warning


def test_a_model_that_the_store_went_back_from_is_named_when_it_is_used_again(
    tmp_path: Path, tiny: Model
) -> None:
    store, rows = tmp_path / "store", products(COUNT)
    save_query_encoders(store, tiny)
    publish(store, tiny, rows)
    worse = save_tiny_model(tmp_path / "worse", name="worse")
    save_query_encoders(store, worse)
    first = publish(store, worse, rows).warnings
    assert ["from now on: model" in warning for warning in first] == [True]
    assert publish(store, worse, rows).warnings == []
    roll_back(store, 1)
    again = publish(store, worse, rows).warnings
    named = f"the model 'worse' ({worse.fingerprint[:12]}) is another than that of the published"
    assert [f"{named} generation 1, 'tiny'" in warning for warning in again] == [False, True]
    assert publish(store, worse, rows).warnings == []


def test_the_morning_compares_with_what_was_published_before(taken_back: Path, tiny: Model) -> None:
    roll_back(taken_back)
    publish(taken_back, tiny, in_cents(), accept_changes=True)
    report = compare_generations(taken_back)
    assert (report.last, report.tonight) == (1, 3)
    assert report.drift == 1.0
    assert compare_generations(taken_back, last=2).alarms == []
    collect_garbage(taken_back, keep=2, seconds=0)
    with pytest.raises(StoreError, match="no generation before 3"):
        compare_generations(taken_back)


def test_what_is_usual_is_told_by_nights_that_stayed(taken_back: Path, tiny: Model) -> None:
    roll_back(taken_back)
    for count in (COUNT, COUNT + 1, COUNT + 2):
        publish(taken_back, tiny, products(count))
    report = compare_generations(taken_back)
    assert (report.last, report.tonight, report.nights["history"]) == (4, 5, 2)


@pytest.mark.parametrize("lost", ["embeddings", "embeddings/CURRENT"])
def test_a_night_whose_embeddings_are_lost_is_compared_with_what_is_published(
    tmp_path: Path, tiny: Model, lost: str
) -> None:
    store = tmp_path / "store"
    save_query_encoders(store, tiny)
    publish(store, tiny, products(COUNT))
    (store / lost).rename(tmp_path / "away")
    with pytest.raises(CatalogueError, match="'price' is 100 times what it was"):
        publish(store, tiny, in_cents())
    text = "there are none. All products count as added; compared with the published generation"
    warnings = publish(store, tiny, products(COUNT)).warnings
    assert [text in warning for warning in warnings].count(True) == 1
