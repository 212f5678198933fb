"""Training encoders, small: it learns, goes on after a kill, and starts from a model."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from small import embed, products, write
from training_data import SHAPE, training_rows

from prodmatch.encoders.image import load_resnet
from prodmatch.encoders.text import TextEncoder
from prodmatch.model.description import open_model
from prodmatch.model.heads import add_residual_texts
from prodmatch.pretrain import train_encoders
from prodmatch.pretraining import head_fitting
from prodmatch.pretraining.contrastive import (
    ContrastSettings,
    Work,
)
from prodmatch.pretraining.dual_encoder import tokenize
from prodmatch.pretraining.ensemble import HeadRun
from prodmatch.pretraining.head_fitting import (
    FrozenFeatures,
    HeadFittingSettings,
    fit_ensemble,
)
from prodmatch.pretraining.job import ScratchSettings, read_training_set, train_further
from prodmatch.storage.vectors import normalise


def test_training_from_scratch_makes_a_model_that_works_and_goes_on_after_a_kill(
    tmp_path: Path,
) -> None:
    pq.write_table(training_rows(120), tmp_path / "products.parquet")
    contrast = ContrastSettings(epochs=1, batch_rows=32, side_pixels=32, early_side_pixels=32)
    settings = ScratchSettings(SHAPE, contrast, masked_epochs=1, kept_dim=8)
    texts = tmp_path / "texts.parquet"
    pq.write_table(pa.table({"text": [str(row["title"]) for row in products(60)]}), texts)
    train_encoders(tmp_path / "products.parquet", tmp_path / "one", settings, texts=texts)
    # a killed run leaves its work; the next one goes on from there
    (tmp_path / "one.work").rename(tmp_path / "two.work")
    longer = replace(settings, contrast=replace(contrast, epochs=2))
    train_encoders(tmp_path / "products.parquet", tmp_path / "two", longer, texts=texts)
    saved = torch.load(tmp_path / "two.work" / "checkpoint.pt", weights_only=True)
    assert [row["epoch"] for row in saved["report"]] == [0, 1]
    model = open_model(str(tmp_path / "two"))
    assert model.heads.dim == 8
    assert model.heads.bank is not None
    report = embed(write(tmp_path / "c.parquet", products(10)), model, tmp_path / "store")
    assert report.embedded == 10


def test_a_model_is_trained_further_from_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[FrozenFeatures, FrozenFeatures]] = []

    def fit_and_record(
        encoder: TextEncoder, seen: FrozenFeatures, judged: FrozenFeatures, *rest: Any
    ) -> head_fitting.EnsembledHeads:
        given.append((seen, judged))
        return fit_ensemble(encoder, seen, judged, *rest)

    monkeypatch.setattr("prodmatch.pretrain.fit_ensemble", fit_and_record)
    pq.write_table(training_rows(120), tmp_path / "products.parquet")
    contrast = ContrastSettings(epochs=3, batch_rows=32, side_pixels=32, early_side_pixels=32)
    settings = ScratchSettings(SHAPE, contrast, masked_epochs=1, kept_dim=8)
    texts = tmp_path / "texts.parquet"
    pq.write_table(pa.table({"text": [str(row["title"]) for row in products(60)]}), texts)
    first = train_encoders(tmp_path / "products.parquet", tmp_path / "one", settings, texts=texts)
    ((seen, judged),) = given
    assert seen.augmented is not None  # heads see other views too, and are judged by whole pictures
    assert seen.augmented.shape == seen.pictures.shape
    assert not np.allclose(seen.augmented, seen.pictures)
    assert judged.augmented is None
    start = open_model(str(tmp_path / "one"))
    data = read_training_set(tmp_path / "products.parquet", "val", [])
    still = replace(settings, contrast=replace(contrast, epochs=1, text_rate=0.0, image_rate=0.0))
    dual_encoder = train_further(start, data, data, still, Work(tmp_path / "still"))
    # the dual_encoder as they start: the parts of the model before its rotation
    rows = tokenize(dual_encoder.tokenizer, [product.title for product in data.products])
    with torch.no_grad():
        text = dual_encoder.model.eval().encode_texts(rows).numpy()
    encoder = TextEncoder(start.encoders.text_folder, start.encoders.text)
    features = encoder.encode([product.title for product in data.products])
    expected = normalise(features @ start.heads.text.weight + start.heads.text.bias)
    np.testing.assert_allclose(text, expected, atol=0.01)
    # what texts have beside it is left out
    looks = np.random.default_rng(0).normal(size=(len(features), len(start.heads.image.weight)))
    wide = replace(start, heads=add_residual_texts(start.heads, features, looks.astype(np.float32)))
    assert wide.heads.text.weight.shape[1] == expected.shape[1] + features.shape[1]
    dual_encoder = train_further(wide, data, data, still, Work(tmp_path / "wide"))
    with torch.no_grad():
        text = dual_encoder.model.eval().encode_texts(rows).numpy()
    np.testing.assert_allclose(text, expected, atol=0.01)
    # and as they end: half-way between there and where the steps led
    moved = replace(settings, contrast=replace(contrast, epochs=1))
    ended = train_further(start, data, data, moved, Work(tmp_path / "moved")).model.state_dict()
    led = torch.load(tmp_path / "moved" / "checkpoint.pt", weights_only=True)["average"]
    name = "text.embeddings.word_embeddings.weight"
    began = dual_encoder.model.state_dict()[name]
    assert not torch.equal(led[name], began)
    torch.testing.assert_close(ended[name], (began + led[name]) / 2)
    # batch normalisation goes by the model's statistics where they are kept, else by the batches'
    frozen = replace(settings, contrast=replace(contrast, epochs=1, frozen_norms=True))
    kept = train_further(start, data, data, frozen, Work(tmp_path / "kept")).model.state_dict()
    resnet, _ = load_resnet(start.encoders.image_folder, start.encoders.image.architecture)
    statistics = resnet.state_dict()["bn1.running_mean"]
    torch.testing.assert_close(kept["image.bn1.running_mean"], statistics)
    assert not torch.allclose(led["image.bn1.running_mean"], statistics)
    further = train_encoders(tmp_path / "products.parquet", tmp_path / "two", settings, start=start)
    assert further.val_recall_at_10 >= 0.5 * first.val_recall_at_10
    assert "trained further" in (tmp_path / "two" / "README.md").read_text()


def test_towers_keep_their_own_heads_where_no_fit_is_as_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HeadRun, "recall", lambda *_: 0.0)
    pq.write_table(training_rows(150), tmp_path / "products.parquet")
    contrast = ContrastSettings(epochs=2, batch_rows=32, side_pixels=32, early_side_pixels=32)
    fit = HeadFittingSettings(runs=1, epochs=1, batch_rows=32)
    settings = ScratchSettings(SHAPE, contrast, fit, masked_epochs=1, kept_dim=8)
    texts = tmp_path / "texts.parquet"
    pq.write_table(pa.table({"text": [str(row["title"]) for row in products(60)]}), texts)
    report = train_encoders(tmp_path / "products.parquet", tmp_path / "m", settings, texts=texts)
    assert report.after == report.before > 0
    pair = open_model(str(tmp_path / "m")).encoders
    assert not (pair.text_folder / "words.safetensors").exists()
    assert not (pair.image_folder / "layout.safetensors").exists()
