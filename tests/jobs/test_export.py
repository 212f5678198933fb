"""Embeddings for other programs: the index's own vectors, row for row, in every format."""

import importlib.util
import json
from functools import partial
from pathlib import Path

import faiss
import numpy as np
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from small import run

from prodmatch import export as exports
from prodmatch import open_index
from prodmatch.errors import ProdmatchError
from prodmatch.exports.json_bodies import point_id
from prodmatch.storage.generations import open_generation


@pytest.fixture(scope="module")
def vectors(published: Path) -> np.ndarray:
    index = faiss.read_index(str(open_generation(published).folder / "index.faiss"))
    return index.reconstruct_n(0, 60)


# In several batches, and several files.
export_embeddings = partial(exports.export_embeddings, batch_rows=17, body_bytes=3_000)


def test_arrays_are_the_vectors_in_the_order_of_the_products(
    published: Path, vectors: np.ndarray, tmp_path: Path
) -> None:
    report = export_embeddings(open_generation(published), "npy", tmp_path / "out")
    assert (report.products, report.dim, report.generation) == (60, 16, 1)
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "vectors.npy"), vectors)
    table = pq.read_table(tmp_path / "out" / "products.parquet")
    assert table["product_id"].to_pylist() == [f"p{row:04d}" for row in range(60)]


@pytest.mark.parametrize(("form", "folder"), [("parquet", ""), ("hf", "data")])
def test_a_table_holds_every_products_columns_and_vector(
    published: Path, vectors: np.ndarray, tmp_path: Path, form: exports.Form, folder: str
) -> None:
    export_embeddings(open_generation(published), form, tmp_path / "out")
    table = ds.dataset(tmp_path / "out" / folder, format="parquet").to_table()
    found = table["vector"].combine_chunks().flatten().to_numpy().reshape(60, -1)
    np.testing.assert_array_equal(found, vectors)
    assert table["product_id"].to_pylist() == [f"p{row:04d}" for row in range(60)]
    assert table["price"].to_pylist() == [float(row) for row in range(60)]


def test_a_folder_for_datasets_says_what_is_in_it(published: Path, tmp_path: Path) -> None:
    export_embeddings(open_generation(published), "hf", tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    head = card.split("---")[1]
    assert "path: data/*.parquet" in head
    assert [path.name for path in (tmp_path / "out").glob("data/*.parquet")] == [
        "train-00000-of-00001.parquet"
    ]
    assert "60 products" in card


def test_the_command_writes_a_new_directory_and_never_over_one(
    published: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = run("export", out, "--store", published, "--to", "npy")
    assert (done.code, done.last["products"]) == (0, 60)
    before = (out / "vectors.npy").read_bytes()
    again = run("export", out, "--store", published)
    assert (again.code, again.out) == (1, "")
    assert "exists already" in again.err
    assert (out / "vectors.npy").read_bytes() == before
    (tmp_path / "empty").mkdir()
    none = run("export", tmp_path / "none", "--store", tmp_path / "empty")
    assert none.code == 1
    assert "holds no index yet" in none.err


def read_elasticsearch(folder: Path) -> dict[str, list[float]]:
    """The vector of each document, as the bulk bodies have them."""
    found = {}
    for path in sorted(folder.glob("bulk-*.ndjson")):
        lines = path.read_text().split("\n")
        assert lines.pop() == ""
        for action, document in zip(lines[::2], map(json.loads, lines[1::2]), strict=True):
            assert json.loads(action) == {"index": {"_id": document["product_id"]}}
            found[document["product_id"]] = document["vector"]
    return found


def read_qdrant(folder: Path) -> dict[str, list[float]]:
    """The vector of each point."""
    found = {}
    for path in sorted(folder.glob("points-*.json")):
        for point in json.loads(path.read_text())["points"]:
            assert point["id"] == point_id(point["payload"]["product_id"])
            found[point["payload"]["product_id"]] = point["vector"]
    return found


def read_pgvector(folder: Path) -> dict[str, list[float]]:
    """The vector of each row."""
    lines = (folder / "products.tsv").read_text().splitlines()
    cells = [line.split("\t") for line in lines]
    return {row[0]: json.loads(row[-1]) for row in cells}


def read_lance(folder: Path) -> dict[str, list[float]]:
    """The vector of each row, read by the library itself."""
    import lance

    rows = lance.dataset(folder / "products.lance").to_table()
    return dict(zip(rows["product_id"].to_pylist(), rows["vector"].to_pylist(), strict=True))


READERS = {
    "elasticsearch": read_elasticsearch,
    "qdrant": read_qdrant,
    "pgvector": read_pgvector,
    "lance": read_lance,
}


@pytest.mark.parametrize("form", READERS)
def test_an_exported_file_finds_what_the_index_finds(
    published: Path, vectors: np.ndarray, tmp_path: Path, form: exports.Form
) -> None:
    if form == "lance":
        pytest.importorskip("lance")
    export_embeddings(open_generation(published), form, tmp_path / "out")
    found = READERS[form](tmp_path / "out")
    assert list(found) == [f"p{row:04d}" for row in range(60)]
    exported = np.array(list(found.values()), np.float32)
    np.testing.assert_array_equal(exported, vectors)
    index = open_index(published)
    for text in ("red shirt", "blue mug number 7", "lamp"):
        query = index.encode(text)
        best = np.argsort(-(exported @ query), kind="stable")[:10]
        (expected,) = index.searcher.ann.search(query[None], 10)
        np.testing.assert_array_equal(best, expected.rows)


@pytest.mark.parametrize(("form", "name"), [("elasticsearch", "bulk"), ("qdrant", "points")])
def test_bodies_are_in_files_of_a_bounded_size(
    published: Path, tmp_path: Path, form: exports.Form, name: str
) -> None:
    export_embeddings(open_generation(published), form, tmp_path / "out")
    sizes = [path.stat().st_size for path in (tmp_path / "out").glob(f"{name}-*")]
    assert len(sizes) > 5
    assert max(sizes) < 2 * 3_000


def test_without_its_library_a_form_says_what_to_install(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ProdmatchError, match=r"pip install 'prodmatch\[lance\]'"):
        export_embeddings(open_generation(published), "lance", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
