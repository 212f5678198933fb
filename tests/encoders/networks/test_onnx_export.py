"""Exported encoders are compared with torch in float32; what bf16 loses is another figure."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from prodmatch.encoders import device
from prodmatch.encoders.networks.image import ImageEncoder
from prodmatch.encoders.query_encoders import check_precision, export_encoders
from prodmatch.errors import ModelError
from prodmatch.model.description import Model
from prodmatch.model.onnx_encoders import QueryEncoders


def test_the_export_agrees_with_torch_in_float32_where_products_are_encoded_in_bf16(
    model: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "prodmatch.encoders.query_encoders"):
        folder = export_encoders(model, tmp_path, "bf16")
    own = [record.getMessage() for record in caplog.records if "in bf16" in record.getMessage()]
    assert [message.split(" encoder")[0][-5:] for message in own] == [" text", "image"]
    pixels = np.random.default_rng(1).integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)
    pair = model.encoders
    exact = ImageEncoder(pair.image_folder, pair.image, device.CPU).encode(pixels)
    np.testing.assert_allclose(
        QueryEncoders(folder).pictures(pixels), model.heads.pictures(exact), atol=2e-3
    )


@pytest.mark.parametrize(
    ("has_bf16", "has_amx", "encoders", "training"),
    [
        (False, False, "float32", "float32"),
        (True, False, "float32", "bf16"),
        (True, True, "bf16", "bf16"),
    ],
)
def test_the_quickest_precision_follows_from_the_processor(
    has_bf16: bool, has_amx: bool, encoders: str, training: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "_cpu_has_bf16", lambda: has_bf16)
    monkeypatch.setattr(device, "_cpu_has_amx", lambda: has_amx)
    assert device.choose_precision("auto", "cpu") == encoders
    assert device.torch_precision("cpu") == training
    with device.autocast("cpu"):
        assert torch.is_autocast_enabled("cpu") is (training == "bf16")


def test_float32_is_float32_whatever_the_processor_has(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)
    pair = model.encoders
    found = []
    for has_bf16 in (False, True):
        monkeypatch.setattr(device, "_cpu_has_bf16", lambda has_bf16=has_bf16: has_bf16)
        found.append(ImageEncoder(pair.image_folder, pair.image).encode(pixels))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("cosine", [0.5, float("nan")])
def test_a_precision_that_loses_nearly_everything_is_refused(cosine: float, model: Model) -> None:
    with pytest.raises(ModelError, match=r"image encoder .* Embed with `precision=float32`"):
        check_precision(model, {"text": 0.999, "image": cosine}, "bf16")


def test_a_precision_that_loses_something_is_a_warning(
    model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    check_precision(model, {"text": 0.999, "image": 0.95}, "bf16")
    (record,) = (each for each in caplog.records if each.levelno >= logging.WARNING)
    assert "in bf16 the image encoder agrees with float32 to a cosine of 0.9500" in record.message
