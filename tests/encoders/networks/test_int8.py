"""Texts in 8-bit integers: near float32, by each text alone, the same on any processor."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small import embed, products, write

from prodmatch.catalogue.reader import open_catalogue
from prodmatch.encoders.device import Compute
from prodmatch.encoders.fingerprint import encoder_fingerprint
from prodmatch.encoders.graph_encoders import OnnxImageEncoder
from prodmatch.encoders.networks import int8
from prodmatch.encoders.networks.int8 import Int8Linear
from prodmatch.encoders.networks.model_writer import EncoderFiles
from prodmatch.encoders.networks.text import TextEncoder
from prodmatch.encoders.precisions import picture_precision
from prodmatch.encoders.quickest import open_image_encoder, open_text_encoder
from prodmatch.model.description import Model
from prodmatch.storage.embeddings import require_embeddings
from prodmatch.train import HeadSettings, fit_heads

INT8 = Compute("cpu", "int8")
TEXTS = [f"{colour} shirt number {number}" for number in range(40) for colour in ("red", "blue")]


@pytest.mark.parametrize("integer", [False, True])
def test_a_layer_is_near_its_own_and_by_each_row_alone(integer: bool) -> None:
    torch.manual_seed(0)
    linear = torch.nn.Linear(200, 30)
    rows = torch.nn.functional.gelu(3 * torch.randn(50, 200))
    rows[7] = 0.0
    sizes = rows.square().mean(0).sqrt()
    with torch.no_grad():
        layer, exact = Int8Linear(linear, sizes, integer=integer), linear(rows)
        found = layer(rows)
        assert (found - exact).abs().max() < 0.02 * exact.abs().max()
        assert (found - exact).abs().max() > 1e-4
        torch.testing.assert_close(found[7], linear.bias, atol=1e-6, rtol=0)
        torch.testing.assert_close(layer(rows[3:4]), found[3:4], atol=0, rtol=0)


def test_a_few_large_columns_do_not_take_the_scale_from_the_others() -> None:
    torch.manual_seed(0)
    linear, rows = torch.nn.Linear(200, 30), torch.randn(50, 200)
    rows[:, ::50] *= 40
    errors = []
    for sizes in (torch.ones(200), rows.square().mean(0).sqrt()):
        with torch.no_grad():
            layer = Int8Linear(linear, sizes, integer=False)
            errors.append((layer(rows) - linear(rows)).abs().mean())
    assert errors[1] < errors[0] / 3


def test_sizes_are_measured_on_texts_that_are_always_the_same(model: Model) -> None:
    torch.manual_seed(0)
    gains = []
    for _ in range(2):
        encoder = TextEncoder(model.encoders.text_folder, model.encoders.text, INT8)
        layers = [each for each in encoder.model.modules() if isinstance(each, Int8Linear)]
        gains.append(torch.cat([layer.gains for layer in layers]))
        torch.rand(5)
    torch.testing.assert_close(*gains, atol=0, rtol=0)
    assert len(gains[0].unique()) > 3


def test_processors_without_the_instructions_give_the_same_features(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for has_int8 in (False, True):
        monkeypatch.setattr(int8, "has_int8", lambda _, has_int8=has_int8: has_int8)
        encoder = TextEncoder(model.encoders.text_folder, model.encoders.text, INT8)
        found.append(encoder.encode(TEXTS))
    np.testing.assert_allclose(*found, atol=1e-4)
    exact = TextEncoder(model.encoders.text_folder, model.encoders.text).encode(TEXTS)
    assert 1e-5 < np.abs(found[1] - exact).max() < 0.1


def test_a_text_has_the_same_feature_in_any_company(model: Model, tmp_path: Path) -> None:
    pair = model.encoders
    encoder = open_text_encoder(pair.text_folder, pair.text, INT8, tmp_path)
    loud = [*TEXTS[:20], "number " * 30]
    np.testing.assert_array_equal(encoder.encode(loud)[3], encoder.encode(TEXTS[3:4])[0])
    assert not list(tmp_path.iterdir())


def test_pictures_stay_in_float32_and_keep_their_features(model: Model, store: Path) -> None:
    pair = model.encoders
    compute = Compute(INT8.device, picture_precision("int8"))
    graphs = store / "encoders"
    encoder = open_image_encoder(pair.image_folder, pair.image, compute, graphs)
    assert isinstance(encoder, OnnxImageEncoder)
    image = encoder_fingerprint(pair.image_folder, pair.image, "int8")
    assert image == encoder_fingerprint(pair.image_folder, pair.image)
    text = encoder_fingerprint(pair.text_folder, pair.text, "int8")
    assert text != encoder_fingerprint(pair.text_folder, pair.text)


def test_a_store_is_embedded_in_int8_and_stays_so(
    store: Path, tmp_path: Path, model: Model
) -> None:
    catalogue = write(tmp_path / "c.parquet", products(12))
    embed(catalogue, model, store, precision="float32")
    first = embed(catalogue, model, store, precision="int8")
    assert (first.texts_encoded, first.images_encoded, first.precision) == (12, 0, "int8")
    assert require_embeddings(store).manifest["precision"] == "int8"
    again = embed(catalogue, model, store, precision="auto")
    assert (again.precision, again.reused, again.embeddings) == ("int8", 24, first.embeddings)


def test_heads_over_other_encoders_keep_the_precision_of_the_store(
    store: Path, tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = write(tmp_path / "c.parquet", products(12))
    embed(catalogue, model, store, precision="int8")
    planned: list[object] = []
    monkeypatch.setattr("prodmatch.train.plan_features", lambda *given: planned.append(given[-1]))
    monkeypatch.setattr("prodmatch.train.encode_missing", lambda *_, **__: _stop())
    files = EncoderFiles.of_model(model)
    with pytest.raises(KeyboardInterrupt):
        fit_heads(open_catalogue(catalogue), files, tmp_path / "other", store, HeadSettings())
    assert planned == ["int8"]


def _stop() -> None:
    raise KeyboardInterrupt
