"""A generation is whole or absent, and a foreign program can read it."""

import json
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pyarrow.parquet as pq
import pytest
from small import embed, products, run, write
from store_files import list_generations

from prodmatch.errors import DamagedError, MismatchError, StoreError
from prodmatch.index import index_embeddings
from prodmatch.model.description import Model, open_model
from prodmatch.model.heads import Heads
from prodmatch.model.hubness import penalised_image_query
from prodmatch.model.onnx_encoders import QueryEncoders
from prodmatch.search.answers.hits import hit_fields
from prodmatch.search.options import SearchOptions
from prodmatch.search.product_index import open_index
from prodmatch.search.queries import Query
from prodmatch.storage.garbage import collect_garbage
from prodmatch.storage.generations import (
    DamagedGeneration,
    Generation,
    open_generation,
    publish_generation,
    roll_back,
    survey_generations,
    verify_generation,
)

OF_NO_MODEL = {"dim": 2, "model": "none", "model_fingerprint": ""}


def fill(folder: Path) -> dict[str, object]:
    (folder / "file").write_text(folder.name[-6:])
    return {**OF_NO_MODEL, "products": 1}


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A store with three generations of a file each."""
    for _ in range(3):
        publish_generation(tmp_path, fill)
    return tmp_path


def test_the_newest_is_current_and_numbers_never_repeat(three: Path) -> None:
    assert open_generation(three).number == 3
    assert [generation.number for generation in list_generations(three)] == [1, 2, 3]
    assert roll_back(three).number == 2
    assert open_generation(three).number == 2
    assert publish_generation(three, fill).number == 4


def test_a_damaged_generation_is_listed_among_the_others(three: Path) -> None:
    (three / "index" / "000002" / "file").write_text("cut")
    first, damaged, last = survey_generations(three)
    assert isinstance(first, Generation)
    assert isinstance(last, Generation)
    assert isinstance(damaged, DamagedGeneration)
    assert (first.number, damaged.number, last.number) == (1, 2, 3)
    assert "000002" in str(damaged.error)
    done = run("generations", "--store", three, "--format", "json")
    assert done.code == 3
    assert [(row["products"], row["current"]) for row in json.loads(done.out)] == [
        (1, False), (None, False), (1, True),
    ]  # fmt: skip
    assert done.err.count("000002") == 1
    (three / "index" / "CURRENT").unlink()
    done = run("generations", "--store", three)
    assert (done.code, done.out.count("\n")) == (3, 4)


def test_rolling_back_beyond_the_first_or_to_none_is_refused(three: Path) -> None:
    roll_back(three, 1)
    with pytest.raises(StoreError, match="1"):
        roll_back(three)
    with pytest.raises(StoreError, match="has no generation 9; it has 1, 2, 3"):
        roll_back(three, 9)
    assert open_generation(three).number == 1


def test_a_generation_that_fails_is_absent(three: Path) -> None:
    def fail(folder: Path) -> dict[str, object]:
        (folder / "half").write_text("")
        raise KeyError

    with pytest.raises(KeyError):
        publish_generation(three, fail)
    assert open_generation(three).number == 3
    assert sorted(path.name for path in (three / "index").iterdir()) == [
        "000001", "000002", "000003", "CURRENT",
    ]  # fmt: skip


def test_publishers_that_no_lock_holds_apart_never_overwrite(quick_disk: Path) -> None:
    refused: list[StoreError] = []

    def publish(own: str) -> None:
        def fill_own(folder: Path) -> dict[str, object]:
            (folder / "file").write_text(own)
            together.wait()
            return {**OF_NO_MODEL, "products": int(own)}

        try:
            publish_generation(quick_disk, fill_own)
        except StoreError as error:
            refused.append(error)

    for turn in range(20):
        together = threading.Barrier(2, timeout=60)
        threads = [threading.Thread(target=publish, args=(str(2 * turn + n),)) for n in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for generation in list_generations(quick_disk):
        verify_generation(generation)
        assert (generation.folder / "file").read_text() == str(generation.product_count)
    assert len(list_generations(quick_disk)) == 40 - len(refused) >= 20
    assert not list(quick_disk.rglob("_tmp-*"))


def test_a_manifest_that_current_does_not_name_is_refused(three: Path) -> None:
    manifest = three / "index" / "000003" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"dim": 2', '"dim": 3'))
    with pytest.raises(DamagedError, match="is not the one that"):
        open_generation(three)


def test_garbage_is_what_nothing_refers_to(three: Path) -> None:
    roll_back(three, 1)
    collect_garbage(three, keep=1)
    assert len(list_generations(three)) == 3  # published within the hour
    collect_garbage(three, keep=1, seconds=-1)
    assert [generation.number for generation in list_generations(three)] == [1, 3]
    assert open_generation(three).number == 1


def test_a_published_generation_holds_all_it_needs(
    published: Path, model: Model, tmp_path: Path
) -> None:
    generation = open_generation(published)
    verify_generation(generation)
    assert set(generation.files) == {
        "README.md", "index.faiss", "products.parquet", "products.sqlite", "encoders/encoders.json",
        "encoders/image.onnx", "encoders/image.onnx.data", "encoders/text.onnx",
            "encoders/text.onnx.data", "encoders/tokenizer.json", "encoders/heads.safetensors",
    }  # fmt: skip
    assert generation.manifest["model_fingerprint"] == model.fingerprint
    expected = [hit_fields(hit) for hit in open_index(published).search("red shirt")]
    shutil.copytree(published / "index", tmp_path / "alone" / "index")
    assert [
        hit_fields(hit) for hit in open_index(tmp_path / "alone").search("red shirt")
    ] == expected


def test_faiss_and_pyarrow_alone_read_a_generation(published: Path) -> None:
    folder = open_generation(published).folder
    index = faiss.read_index(str(folder / "index.faiss"))
    table = pq.read_table(folder / "products.parquet")
    assert index.metric_type == faiss.METRIC_INNER_PRODUCT
    assert index.ntotal == len(table) == 60
    vectors = index.reconstruct_n(0, 60)
    scores, rows = index.search(vectors[7:8], 3)
    assert rows[0, 0] == 7
    np.testing.assert_allclose(scores[0], np.sort(vectors @ vectors[7])[::-1][:3], atol=1e-6)
    assert table["product_id"][7].as_py() == "p0007"


def test_the_programs_in_its_readme_run(published: Path) -> None:
    folder = open_generation(published).folder
    programs = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    assert len(programs) == 2
    for program in programs:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert len(re.findall(r"^\d\.\d{3} p\d{4}$", done.stdout, re.MULTILINE)) == 5


def test_its_readme_names_what_its_programs_import(published: Path) -> None:
    text = (open_generation(published).folder / "README.md").read_text()
    imported = {*re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE)}
    (named,) = re.findall(r"^    pip install (.+)$", text, re.MULTILINE)
    assert {*named.replace("faiss-cpu", "faiss").split()} == imported - sys.stdlib_module_names


def test_the_program_in_its_readme_makes_the_vectors_of_queries(tmp_path: Path) -> None:
    store = tmp_path / "store"
    embed(write(tmp_path / "c.parquet", products(12)), open_model("compact"), store)
    weights = {"text": 0.1, "image": 0.7}
    index_embeddings(store, weights=weights)
    folder = open_generation(store).folder
    heads = Heads.open(folder / "encoders" / "heads.safetensors")
    drawn = np.random.default_rng(0).normal(size=(9, 4000)).astype(np.float32)
    np.save(tmp_path / "drawn.npy", drawn)
    program = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)[1]
    program += f"""
drawn = np.load({str(tmp_path / "drawn.npy")!r})
text, image = drawn[:, : {heads.text.features}], drawn[:, : {heads.image.features}]
parts = [text_part, image_part, part(text, "text"), part(image, "image")]
np.savez({str(tmp_path / "parts.npz")!r}, features, *parts)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, check=True, capture_output=True, text=True
    )
    with open_index(store) as index:
        options = SearchOptions(top=5, weights=weights, exact=True)
        (answer,) = index.answer([Query("q", text="red t-shirt")], options)
    assert re.findall(r" (p\d{4})$", done.stdout, re.MULTILINE) == [
        hit.product_id for hit in answer.hits
    ]
    features, *parts = np.load(tmp_path / "parts.npz").values()
    text = QueryEncoders(folder / "encoders").texts(["red t-shirt"])
    expected = [text, penalised_image_query(text)]
    strange = drawn[:, : heads.text.features]
    expected += [heads.text(strange), heads.image(drawn[:, : heads.image.features])]
    for found, part in zip(parts, expected, strict=True):
        np.testing.assert_allclose(found, part, atol=1e-4)
    assert (
        heads.text.familiarities(features) > 0.9 > 0.1 > heads.text.familiarities(drawn[:1, :768])
    )


def test_query_encoders_give_what_was_embedded(published: Path) -> None:
    generation = open_generation(published)
    encoders = QueryEncoders(generation.folder / "encoders")
    index = faiss.read_index(str(generation.folder / "index.faiss"))
    rows = products(60)
    texts = [f"{row['title']}. {row['description']}" for row in rows]
    parts = index.reconstruct_n(0, 60)[:, : encoders.dim] * np.sqrt(2)
    cosines = (encoders.texts(texts) * parts).sum(axis=1)
    assert cosines.min() > 0.99
    few = replace(encoders.description.text, query_words=2)
    encoders.description = replace(encoders.description, text=few)
    asked = encoders.texts(["red shirt", "red shirt number 0 for a chair"])
    np.testing.assert_allclose(asked[0], asked[1], atol=1e-6)
    assert (encoders.texts(texts, passage=True) * parts).sum(axis=1).min() > 0.99


def test_an_index_of_changed_embeddings_is_not_built(
    store: Path, tmp_path: Path, model: Model
) -> None:
    embed(write(tmp_path / "c.parquet", products(20)), model, store)
    (shard,) = store.glob("embeddings/*/part-*.parquet")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DamagedError, match="its SHA-256"):
        index_embeddings(store)
    assert not (store / "index").exists()


def test_the_same_catalogue_gives_the_same_bytes(store: Path, tmp_path: Path, model: Model) -> None:
    embed(write(tmp_path / "c.parquet", products(40)), model, store)
    manifests = []
    for _ in range(2):
        number = index_embeddings(store).generation
        manifests.append(
            json.loads((store / "index" / f"{number:06d}" / "manifest.json").read_text())
        )
    assert manifests[0]["files"] == manifests[1]["files"]


def test_the_advice_for_a_damaged_generation_is_one_that_works(three: Path) -> None:
    roll_back(three, 1)
    (three / "index" / "000002" / "manifest.json").write_text("{}")
    with pytest.raises((DamagedError, MismatchError), match=r"`rollback\(number=1\)`"):
        roll_back(three, 2)
    roll_back(three, 3)
    (three / "index" / "000001" / "manifest.json").write_text("{}")
    with pytest.raises((DamagedError, MismatchError), match=r"`rollback\(number=3\)`"):
        roll_back(three)
    (three / "index" / "000003" / "manifest.json").write_text("{}")
    with pytest.raises(
        (DamagedError, MismatchError), match=r"Publish a new one with `index\(\)`"
    ) as caught:
        open_generation(three)
    assert "rollback" not in str(caught.value)
