"""Training encoders, small: from scratch, and from a model to the mean of two runs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from small import products
from training_data import CLASSES, SHAPE, save_start, training_rows

from prodmatch.encoders.networks.efficientnet import load_lite0, read_class_names
from prodmatch.encoders.networks.text import TextEncoder, load_bert
from prodmatch.errors import ModelError
from prodmatch.model.description import Model, open_model
from prodmatch.pretrain import EncoderSettings, encoder_settings, train_encoders
from prodmatch.pretraining.contrastive import mean_weights
from prodmatch.storage.vectors import normalise


def small_settings(*, scratch: bool) -> EncoderSettings:
    settings = encoder_settings(epochs=1, seed=3, device="cpu", batch_rows=32, scratch=scratch)
    contrast = replace(settings.contrast, inner_dim=16)
    return replace(settings, contrast=contrast, shape=SHAPE, dim=8)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The three files that encoders are trained from."""
    folder = tmp_path_factory.mktemp("data")
    titles = [str(row["title"]) for row in products(40)]
    pq.write_table(training_rows(120), folder / "products.parquet")
    pq.write_table(pa.table({"text": titles}), folder / "texts.parquet")
    pairs = pa.table({"left": titles, "right": [f"a {title}" for title in titles]})
    pq.write_table(pairs, folder / "pairs.parquet")
    return {name: folder / f"{name}.parquet" for name in ("products", "texts", "pairs")}


def test_training_from_scratch_makes_a_model_that_works(
    data: dict[str, Path], tmp_path: Path
) -> None:
    settings = replace(small_settings(scratch=True), dim=24)  # wider than what is learned else
    report = train_encoders(data["products"], tmp_path / "one", settings, texts=data["texts"])
    assert (report.pairs, report.held_out) == (102, 18)
    assert report.after == report.val_recall_at_10 > report.before == round(10 / 18, 4)
    model = open_model(str(tmp_path / "one"))
    assert model.heads.dim == 24
    assert model.heads.bank is not None
    assert "from scratch on 102 products" in (tmp_path / "one" / "README.md").read_text()
    with pytest.raises(ModelError, match=r"`runs=2`: only runs from one `model` have a mean"):
        train_encoders(data["products"], tmp_path / "mean", replace(settings, runs=2))


def test_one_row_to_judge_by_is_refused_before_the_training(tmp_path: Path) -> None:
    pq.write_table(training_rows(7), tmp_path / "products.parquet")
    with pytest.raises(ModelError, match="split 'val' has 1 row with a title and a usable picture"):
        train_encoders(tmp_path / "products.parquet", tmp_path / "m", small_settings(scratch=True))
    assert not (tmp_path / "m").exists()


@pytest.fixture
def start(tmp_path: Path) -> Model:
    """A small model of random encoders."""
    return save_start(tmp_path / "start")


def test_a_model_is_fine_tuned_to_the_mean_of_two_runs(
    data: dict[str, Path], start: Model, tmp_path: Path
) -> None:
    settings = replace(small_settings(scratch=False), runs=2)
    files = {name: data[name] for name in ("texts", "pairs")}
    out = tmp_path / "tuned"
    report = train_encoders(data["products"], out, settings, start=start, **files)
    assert report.after > report.before
    tuned = open_model(str(out))
    assert tuned.description.weights == start.description.weights
    assert tuned.description.text == start.description.text
    assert f"of {start.label}, fine-tuned on 102 products" in (out / "README.md").read_text()
    runs = [
        torch.load(tmp_path / "tuned.work" / f"seed-{seed}.pt", weights_only=True)[-1]
        for seed in (3, 4)
    ]
    mean, name = mean_weights(runs), "encoder.layer.0.output.dense.weight"
    bert, _ = load_bert(tuned.encoders.text_folder)
    expected = mean[f"text.encoder.{name}"].half().float()
    torch.testing.assert_close(bert.state_dict()[name], expected, rtol=0, atol=0)
    assert not torch.equal(runs[0][f"text.encoder.{name}"], runs[1][f"text.encoder.{name}"])
    image = load_lite0(tuned.encoders.image_folder, folded=False)
    weight = image.net.stem.conv.weight
    torch.testing.assert_close(weight, mean["image.net.stem.conv.weight"].half().float())
    # the classes speak the language of the tuned text encoder
    assert read_class_names(tuned.encoders.image_folder) == CLASSES
    encoded = TextEncoder(tuned.encoders.text_folder, tuned.encoders.text).encode(CLASSES)
    np.testing.assert_allclose(image.class_vectors, normalise(encoded[:, :32]), atol=1e-3)
    assert not torch.allclose(
        image.class_vectors, load_lite0(start.encoders.image_folder).class_vectors, atol=0.01
    )


def test_batches_are_as_large_as_the_device_has_memory_for() -> None:
    given = [
        encoder_settings(epochs=1, seed=0, device="cpu", batch_rows=n, scratch=False)
        for n in (None, 7)
    ]
    assert [settings.contrast.batch_rows for settings in given] == [256, 7]
