"""The main job: a catalogue in, answers out, and every night again."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from small import COLOURS, Row, draw, embed, product, products, run, write

from prodmatch.catalogue.reader import CatalogueOptions, open_catalogue
from prodmatch.embed import EmbedSettings, embed_catalogue, plan_embedding
from prodmatch.embedding.encoding.encode import EncoderClasses
from prodmatch.encoders.device import Compute
from prodmatch.encoders.networks.image import ImageEncoder
from prodmatch.errors import CatalogueError, QueryError
from prodmatch.index import index_embeddings
from prodmatch.model.description import Model
from prodmatch.model.preprocessing import ImageSpec
from prodmatch.search.product_index import open_index
from prodmatch.search.queries import Query
from prodmatch.storage.embeddings import require_embeddings, vectors_of
from prodmatch.storage.features import FeatureStore, content_key


def read_embeddings(store: Path) -> dict[str, tuple[np.ndarray, bool, bool, dict[str, object]]]:
    """Every product's vector, which parts it has, and its metadata."""
    found = {}
    for batch in require_embeddings(store).batches():
        vectors = vectors_of(batch["vector"])
        rest = batch.drop_columns(["vector", "row_digest"]).to_pylist()
        for vector, row in zip(vectors, rest, strict=True):
            found[row["product_id"]] = (vector, row["has_text"], row["has_image"], row)
    return found


def published_bytes(store: Path) -> dict[str, bytes]:
    """Content of every embedding shard, by name."""
    folder = require_embeddings(store).folder
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


def assert_same_products(store: Path, fresh: Path) -> None:
    """The same rows; vectors may differ by a rounding, as kept parts are scaled once more."""
    tables = [pq.read_table(require_embeddings(each).paths()[0]) for each in (store, fresh)]
    vectors = [vectors_of(table["vector"].combine_chunks()) for table in tables]
    np.testing.assert_allclose(*vectors, rtol=0, atol=1e-7)
    kept, made = (table.drop_columns(["vector"]) for table in tables)
    assert kept.equals(made)


def feature_keys(store: Path) -> list[bytes]:
    folders = sorted((store / "features").iterdir())
    return [key for folder in folders for key in FeatureStore(folder).keys().to_pylist()]


def test_finds_a_product_by_its_words(published: Path) -> None:
    hits = open_index(published).search("blue mug number 1", top=3)
    assert hits[0].product_id == "p0001"
    assert hits[0].metadata["price"] == 1.0
    assert [hit.rank for hit in hits] == [1, 2, 3]


def test_a_score_is_the_sum_of_its_parts(published: Path) -> None:
    for hit in open_index(published).search("red chair", top=60):
        assert hit.score == pytest.approx(hit.lexical + hit.text + hit.image, abs=3e-6)
        assert 0.0 <= hit.probability <= 1.0


def test_finds_the_picture_of_a_query(published_in_each: Path) -> None:
    # Queries are encoded in float32. Random encoders tell these pictures apart by 1e-4 of cosine,
    # which bf16 does not keep: there the product's own picture is as near as bf16 is to float32.
    picture = product(7)["image"]
    assert isinstance(picture, bytes)
    index = open_index(published_in_each)
    hits = index.search(image=picture, top=60, weights={"image": 1.0})
    scores = {hit.product_id: hit.score for hit in hits}
    if require_embeddings(published_in_each).manifest["precision"] == "float32":
        assert hits[0].product_id == "p0007"
    assert hits[0].score - scores["p0007"] < 0.01


def test_items_like_one_leave_the_one_out(published: Path) -> None:
    found = open_index(published).search_many([Query(product_id="p0003")], top=100)[0]
    assert len(found) == 59
    assert "p0003" not in {hit.product_id for hit in found}


def test_more_hits_than_products_gives_all_products(published: Path) -> None:
    hits = open_index(published).search("lamp", top=1000)
    assert len({hit.product_id for hit in hits}) == len(hits) == 60


def test_a_filter_applies_before_ranking(published: Path) -> None:
    index = open_index(published)
    hits = index.search("red shirt", where="colour = 'green' AND price < 9", top=10)
    assert {hit.product_id for hit in hits} == {"p0002", "p0005", "p0008"}


def test_every_row_is_embedded_or_rejected_with_its_reason(
    store: Path, tmp_path: Path, model: Model
) -> None:
    rows = products(30)
    bad: list[Row] = [
        {"product_id": None, "title": "no id"},
        {"product_id": " ", "title": "blank id"},
        {"product_id": "p0003", "title": "an id again"},
        {"product_id": "empty", "title": "", "description": " <br> ", "image": b""},
        {"product_id": "broken", "image": b"\xff\xd8 broken"},
        {"product_id": "truncated", "image": draw(COLOURS["red"], 1, form="JPEG")[:200]},
        {"product_id": "text serves", "title": "a red lamp", "image": b"no picture"},
    ]
    report = embed(write(tmp_path / "c.parquet", rows + bad), model, store)
    assert (report.rows, report.embedded, report.rejected) == (37, 31, 6)
    assert report.rejects == {
        "id_null": 1,
        "id_empty": 1,
        "id_repeated": 1,
        "no_content": 1,
        "image_not_an_image": 1,
        "image_broken": 1,
    }
    assert report.images_unusable == {"image_text": 1}
    (warning,) = (text for text in report.warnings if "rows are rejected" in text)
    assert warning.startswith("6 of 37 rows are rejected (id_null 1, id_empty 1, id_repeated 1, ")
    listed = warning.removesuffix(" lists them").rpartition("; ")[2]
    assert pq.read_table(listed)["embedded"].to_pylist().count(False) == 6
    listed = pq.read_table(store / "rejects" / f"{report.embeddings}.parquet").to_pylist()
    assert [(row["row"], row["embedded"]) for row in listed] == [
        *((row, False) for row in range(30, 36)),
        (36, True),
    ]
    _, has_text, has_image, _ = read_embeddings(store)["text serves"]
    assert (has_text, has_image) == (True, False)


def test_a_second_run_encodes_nothing_and_changes_nothing(
    store: Path, tmp_path: Path, model: Model
) -> None:
    catalogue = write(tmp_path / "c.parquet", products(50))
    first = embed(catalogue, model, store)
    before = published_bytes(store)
    second = embed(catalogue, model, store)
    assert (first.texts_encoded, first.images_encoded) == (50, 50)
    assert (second.texts_encoded, second.images_encoded, second.reused) == (0, 0, 100)
    assert (second.added, second.changed, second.removed) == (0, 0, 0)
    assert published_bytes(store) == before


def edit(root: Path) -> tuple[list[Row], list[Row]]:
    """A catalogue of 150 products before and after a day; pictures are files below `root`."""
    before = products(150)
    for number, row in enumerate(before):
        picture = row.pop("image")
        assert isinstance(picture, bytes)
        (root / f"{number}.png").write_bytes(picture)
    after = [dict(row) for row in before]
    for number in range(50):
        after[number]["title"] = f"renamed {number}"
    for number in range(40, 70):
        (root / f"new-{number}").write_bytes(draw(COLOURS["green"], 5000 + number))
    for number in range(100, 120):
        after[number]["price"] = 999.5
    after = after[:140] + [product(number) for number in range(150, 160)]
    return before, after


def test_an_edited_catalogue_encodes_exactly_what_changed(
    exported: Path, tmp_path: Path, model: Model
) -> None:
    root = tmp_path / "pictures"
    root.mkdir()
    before, after = edit(root)
    options = CatalogueOptions(image_root=root)

    def write_paths(name: str, rows: list[Row]) -> Path:
        table = pq.read_table(write(tmp_path / "bare.parquet", rows, leave_out=["image"]))
        numbers = [int(str(row["product_id"])[1:]) for row in rows]
        for number, row in zip(numbers, rows, strict=True):
            picture = row.get("image")
            if isinstance(picture, bytes):
                (root / f"{number}.png").write_bytes(picture)
        paths = [f"{number}.png" for number in numbers]
        pq.write_table(table.append_column("image", [paths]), tmp_path / name)
        return tmp_path / name

    store, fresh = tmp_path / "store", tmp_path / "fresh"
    for folder in (store, fresh):
        shutil.copytree(exported / "encoders", folder / "encoders", copy_function=os.link)
    embed(write_paths("c.parquet", before), model, store, options=options)
    for number in range(40, 70):  # the same path, other bytes
        (root / f"new-{number}").replace(root / f"{number}.png")
    catalogue = write_paths("c.parquet", after)

    plan = plan_embedding(open_catalogue(catalogue, options), model, store)
    report = embed(catalogue, model, store, options=options)
    assert (plan.texts_to_encode, plan.images_to_encode) == (60, 40)
    assert (report.texts_encoded, report.images_encoded) == (60, 40)
    assert (report.added, report.changed, report.removed) == (10, 90, 10)
    embed(catalogue, model, fresh, options=options)
    assert_same_products(store, fresh)

    index_embeddings(store)
    hits = open_index(store).search("number 110", where="price = 999.5", top=50)
    assert len(hits) == 20
    assert {hit.metadata["price"] for hit in hits} == {999.5}
    assert open_index(store).search("renamed 7", top=1)[0].product_id == "p0007"


def test_a_price_alone_reaches_the_results(store: Path, tmp_path: Path, model: Model) -> None:
    rows = products(20)
    embed(write(tmp_path / "c.parquet", rows), model, store)
    rows[4]["price"] = 0.5
    report = embed(write(tmp_path / "c.parquet", rows), model, store)
    index_embeddings(store)
    assert (report.texts_encoded, report.images_encoded, report.changed) == (0, 0, 1)
    assert open_index(store).search("number 4", top=1)[0].metadata["price"] == 0.5


def test_equal_contents_are_encoded_once_and_both_products_kept(
    store: Path, tmp_path: Path, model: Model
) -> None:
    rows = products(10) + [
        {**product(number), "product_id": f"twin{number}"} for number in range(10)
    ]
    report = embed(write(tmp_path / "c.parquet", rows), model, store)
    assert (report.embedded, report.texts_encoded, report.images_encoded) == (20, 10, 10)
    found = read_embeddings(store)
    np.testing.assert_array_equal(found["p0003"][0], found["twin3"][0])


@pytest.mark.parametrize(
    ("leave_out", "parts"),
    [(["image"], (True, False)), (["title", "description"], (False, True))],
)
def test_catalogues_of_one_kind_of_content_work(
    store: Path, tmp_path: Path, model: Model, leave_out: list[str], parts: tuple[bool, bool]
) -> None:
    catalogue = write(tmp_path / "c.parquet", products(25), leave_out=leave_out)
    report = embed(catalogue, model, store)
    assert (report.embedded, report.rejected) == (25, 0)
    for vector, has_text, has_image, _ in read_embeddings(store).values():
        assert (has_text, has_image) == parts
        assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)
        assert np.linalg.norm(vector[:8]) == pytest.approx(float(has_text), abs=1e-5)
    index_embeddings(store)
    assert len(open_index(store).search("red shirt", top=25)) == 25


def test_mixed_catalogues_keep_every_product_findable(
    store: Path, tmp_path: Path, model: Model
) -> None:
    rows = products(30)
    for number in range(0, 30, 3):
        rows[number]["image"] = None
    for number in range(1, 30, 3):
        rows[number]["title"] = rows[number]["description"] = None
    report = embed(write(tmp_path / "c.parquet", rows), model, store)
    assert (report.without_text, report.without_image) == (10, 10)
    index_embeddings(store)
    hits = open_index(store).search("red shirt number 0", top=30)
    assert len(hits) == 30
    titled = [hit.product_id for hit in hits if hit.metadata["title"]]
    assert titled[0] == "p0000"  # a missing picture does not hold it back


def test_what_an_encoder_cannot_say_never_enters_an_index(
    exported: Path, tmp_path: Path, model: Model
) -> None:
    class Spoiled(ImageEncoder):
        def encode(self, pixels: np.ndarray) -> np.ndarray:
            vectors = super().encode(pixels).copy()
            vectors[0] = np.nan
            vectors[1] = 1e9  # beyond half precision
            return vectors

    def open_image(folder: Path, spec: ImageSpec, compute: Compute, graphs: Path) -> ImageEncoder:
        return Spoiled(folder, spec, compute)

    store = tmp_path / "store"
    shutil.copytree(exported / "encoders", store / "encoders", copy_function=os.link)
    rows = products(12)
    rows[0]["title"] = rows[0]["description"] = None
    catalogue = open_catalogue(write(tmp_path / "c.parquet", rows))
    settings = EmbedSettings(workers=0, max_reject=1.0, accept_changes=True, precision="float32")
    classes = EncoderClasses(image=open_image)
    report = embed_catalogue(catalogue, model, store, settings, classes=classes)
    assert report.rejects == {"image_nonfinite": 1}
    assert report.images_unusable == {"image_nonfinite": 1}
    found = read_embeddings(store)
    assert len(found) == 11
    assert all(np.isfinite(vector).all() for vector, *_ in found.values())


def test_too_many_rejects_leave_the_published_generation_alone(
    store: Path, tmp_path: Path, model: Model
) -> None:
    good = write(tmp_path / "good.parquet", products(20))
    embed(good, model, store)
    index_embeddings(store)
    before = published_bytes(store)
    bad = products(20) + [{"product_id": f"bad{number}"} for number in range(5)]
    with pytest.raises(CatalogueError, match=r"5 of 25 rows are rejected \(no_content 5\)"):
        embed(write(tmp_path / "bad.parquet", bad), model, store, max_reject=0.1)
    assert published_bytes(store) == before
    assert open_index(store).generation.number == 1


def test_a_run_killed_while_it_encodes_loses_and_repeats_nothing(
    exported: Path, tmp_path: Path, model: Model
) -> None:
    catalogue = write(tmp_path / "c.parquet", products(400))
    store = tmp_path / "store"
    shutil.copytree(exported / "encoders", store / "encoders", copy_function=os.link)
    process = subprocess.Popen(
        [
            sys.executable,
            Path(__file__).parents[1] / "support" / "embed_in_small_shards.py",
            catalogue,
            store,
            model.folder,
        ],
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while len(list(store.glob("features/*/part-*.parquet"))) < 4 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = feature_keys(store)
    assert 4 * 64 <= len(kept) < 800
    assert len(set(kept)) == len(kept)

    report = embed(catalogue, model, store)
    assert report.texts_encoded + report.images_encoded == 800 - len(kept)
    assert sorted(feature_keys(store)) == sorted(
        content_key(content)
        for row in products(400)
        for content in (f"{row['title']}. {row['description']}".encode(), bytes(row["image"]))  # type: ignore[arg-type]
    )
    assert not list(store.rglob("_tmp-*"))
    fresh = tmp_path / "fresh"
    shutil.copytree(exported / "encoders", fresh / "encoders", copy_function=os.link)
    embed(catalogue, model, fresh)
    assert published_bytes(store) == published_bytes(fresh)


def test_workers_decode_what_one_process_decodes(
    exported: Path, tmp_path: Path, model: Model
) -> None:
    rows = products(200)
    rows[77]["image"] = b"no picture"
    catalogue = write(tmp_path / "c.parquet", rows)
    stores = [tmp_path / "alone", tmp_path / "helped"]
    for folder in stores:
        shutil.copytree(exported / "encoders", folder / "encoders", copy_function=os.link)
    embed(catalogue, model, stores[0])
    options = ("--model", model.folder, "--workers", "2", "--precision", "float32")
    done = run("embed", catalogue, "--store", stores[1], *options)
    assert done.code == 0, done.err
    assert published_bytes(stores[0]) == published_bytes(stores[1])


def test_the_weights_of_an_index_hold_where_a_query_names_none(
    store: Path, tmp_path: Path, model: Model
) -> None:
    embed(write(tmp_path / "c.parquet", products(20)), model, store)
    index_embeddings(store, weights={"lexical": 1.0})
    index = open_index(store)
    words = index.search("red mug number 6", weights={"lexical": 1.0})
    assert index.search("red mug number 6") == words
    assert index.search("red mug number 6", weights={"image": 1.0}) != words
    with pytest.raises(QueryError, match="words is no signal"):
        index_embeddings(store, weights={"words": 1.0})
    assert open_index(store).generation.number == 1


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_catalogue_of_ids_and_pictures_alone_works(
    precision: str, store: Path, tmp_path: Path, model: Model
) -> None:
    names = ["title", "description", "colour", "price"]
    catalogue = write(tmp_path / "c.parquet", products(12), leave_out=names)
    assert embed(catalogue, model, store, precision=precision).embedded == 12
    index_embeddings(store)
    picture = product(7)["image"]
    assert isinstance(picture, bytes)
    hits = open_index(store).search(image=picture, top=12)
    assert len(hits) == 12
    (own,) = [hit for hit in hits if hit.product_id == "p0007"]
    assert hits[0].score - own.score < (1e-6 if precision == "float32" else 0.01)
