"""A picture that ends its decoder costs itself alone, in every job that decodes a catalogue's."""

import multiprocessing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Counting
from deadly import deadly, spoil
from small import products, save_encoders, write

from prodmatch.catalogue.pictures.thumbnails import make_thumbnails
from prodmatch.catalogue.reader import open_catalogue
from prodmatch.check import check_catalogue
from prodmatch.embedding.encoding.image_loader import preprocess_bytes
from prodmatch.encoders.networks.model_writer import EncoderFiles
from prodmatch.errors import QueryError
from prodmatch.explain import explain_product
from prodmatch.model.preprocessing import ImageSpec
from prodmatch.pretraining.data import read_training_set
from prodmatch.search.product_index import open_index
from prodmatch.search.queries import Query
from prodmatch.train import HeadSettings, fit_heads


@pytest.fixture(autouse=True)
def no_process_is_left(count_cases: Counting) -> None:
    yield
    assert not multiprocessing.active_children()
    count_cases("jobs that meet a picture that ends its decoder", 1)


@pytest.mark.parametrize("workers", [1, 2])
def test_check_counts_it_as_unusable(tmp_path: Path, workers: int) -> None:
    catalogue = spoil(open_catalogue(write(tmp_path / "c.parquet", products(5))), 2, "exit")
    report = check_catalogue(catalogue, workers=workers)
    assert (report.rows, report.embeddable, report.rejected) == (5, 5, 0)
    assert report.images_unusable == {"image_crashed": 1}
    assert report.without_image == 1


def test_a_page_leaves_it_out() -> None:
    pictures = {str(row["product_id"]): bytes(row["image"]) for row in products(5)}  # type: ignore[call-overload]
    shown = make_thumbnails({**pictures, "p0002": deadly("exit")}, 16)
    assert list(shown) == ["p0000", "p0001", "p0003", "p0004"]
    assert all(webp[8:12] == b"WEBP" for webp in shown.values())


def test_explain_says_that_it_cannot_be_used(published: Path) -> None:
    with open_index(published) as index, pytest.raises(QueryError, match=r"cannot be used \(crash"):
        explain_product(index, Query(text="red shirt"), "p0002", pictures=[deadly("exit")])


def test_fitting_heads_leaves_it_out(tmp_path: Path) -> None:
    encoders = save_encoders(tmp_path)
    catalogue = spoil(open_catalogue(write(tmp_path / "c.parquet", products(90))), 2, "exit")
    files = EncoderFiles.of_files(encoders.text, encoders.resnet, encoders.weights)
    settings = HeadSettings(dim=8, epochs=1, workers=1)
    report = fit_heads(catalogue, files, tmp_path / "model", tmp_path / "store", settings)
    assert report.pairs + report.held_out == 89


def test_training_encoders_leaves_it_out(tmp_path: Path) -> None:
    pictures = [row["image"] for row in products(5)]
    pictures[2] = deadly("exit")
    rows = [
        {**row, "image": image, "split": "train"}
        for row, image in zip(products(5), pictures, strict=True)
    ]
    path, spec = tmp_path / "c.parquet", ImageSpec(crop_pixels=16)
    pq.write_table(pa.Table.from_pylist(rows), path)
    for workers in (1, 2):
        found = read_training_set(path, "train", spec, tmp_path / f"{workers}.npy", workers)
        assert found.titles == [str(row["title"]) for row in rows[:2] + rows[3:]]
        expected = preprocess_bytes(bytes(rows[3]["image"]), spec).pixels  # type: ignore[call-overload]
        np.testing.assert_array_equal(found.pictures[2], expected)
