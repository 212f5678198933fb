"""Embeddings for other programs: the index's own vectors, row for row, in three formats."""

from pathlib import Path

import faiss
import numpy as np
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from small import run

from prodmatch import export as deliver
from prodmatch.storage.generations import open_generation


@pytest.fixture(scope="module")
def vectors(published: Path) -> np.ndarray:
    index = faiss.read_index(str(open_generation(published).folder / "index.faiss"))
    return index.reconstruct_n(0, 60)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver, "BATCH_ROWS", 17)


def test_arrays_are_the_vectors_in_the_order_of_the_products(
    published: Path, vectors: np.ndarray, tmp_path: Path
) -> None:
    report = deliver.export_embeddings(open_generation(published), "npy", tmp_path / "out")
    assert (report.products, report.dim, report.generation) == (60, 16, 1)
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "vectors.npy"), vectors)
    table = pq.read_table(tmp_path / "out" / "products.parquet")
    assert table["product_id"].to_pylist() == [f"p{row:04d}" for row in range(60)]


@pytest.mark.parametrize(("form", "folder"), [("parquet", ""), ("hf", "data")])
def test_a_table_holds_every_products_columns_and_vector(
    published: Path, vectors: np.ndarray, tmp_path: Path, form: deliver.Form, folder: str
) -> None:
    deliver.export_embeddings(open_generation(published), form, tmp_path / "out")
    table = ds.dataset(tmp_path / "out" / folder, format="parquet").to_table()
    found = table["vector"].combine_chunks().flatten().to_numpy().reshape(60, -1)
    np.testing.assert_array_equal(found, vectors)
    assert table["product_id"].to_pylist() == [f"p{row:04d}" for row in range(60)]
    assert table["price"].to_pylist() == [float(row) for row in range(60)]


def test_a_folder_for_datasets_says_what_is_in_it(published: Path, tmp_path: Path) -> None:
    deliver.export_embeddings(open_generation(published), "hf", tmp_path / "out")
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
    none = run("export", tmp_path / "none", "--store", tmp_path)
    assert none.code == 1
    assert "holds no index yet" in none.err
