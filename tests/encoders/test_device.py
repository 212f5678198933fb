"""Precisions: both run on any processor, and what they give is never mixed."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from small import embed, products, save_encoders, write

from prodmatch.catalogue.reader import open_catalogue
from prodmatch.embed import EmbedSettings, plan_embedding
from prodmatch.encoders import device
from prodmatch.encoders.device import CPU, Compute, choose_device, choose_precision
from prodmatch.encoders.graphs import encoder_fingerprint
from prodmatch.encoders.networks.text import TextEncoder
from prodmatch.errors import ModelError, NotInstalledError
from prodmatch.model.description import Model
from prodmatch.model.preprocessing import ImageSpec, TextSpec
from prodmatch.storage.embeddings import require_embeddings

BF16 = Compute("cpu", "bf16")


def test_bf16_is_near_float32_on_any_processor_and_not_the_same(tmp_path: Path) -> None:
    bert = save_encoders(tmp_path).text
    texts = ["red shirt", "green chair number 12"]
    exact = TextEncoder(bert, TextSpec(max_tokens=32), CPU).encode(texts)
    rounded = TextEncoder(bert, TextSpec(max_tokens=32), BF16).encode(texts)
    np.testing.assert_allclose(rounded, exact, atol=0.03)
    assert np.abs(rounded - exact).max() > 1e-5


@pytest.mark.parametrize(("name", "found"), [("float32", "float32"), ("bf16", "bf16")])
def test_a_named_precision_is_taken_whatever_the_processor_has(name: str, found: str) -> None:
    assert choose_precision(name, "cpu") == found


def test_an_unknown_precision_and_a_missing_device_are_named() -> None:
    names = "auto, float32, bf16 or int8"
    with pytest.raises(ModelError, match=rf"^`precision=fp16`: must be {names}\.$"):
        choose_precision("fp16", "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="`device=cuda`: no CUDA device was found"):
            choose_device("cuda")


def test_a_driver_without_torch_is_a_cpu_and_says_what_a_gpu_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device, "has_torch", lambda: False)
    monkeypatch.setattr(device, "_has_cuda_driver", lambda: True)
    monkeypatch.setitem(sys.modules, "torch", None)  # type: ignore[arg-type]  # cannot be imported
    assert choose_device("auto") == "cpu"
    assert choose_precision("auto", "cpu") == "float32"
    with pytest.raises(NotInstalledError, match=r"pip install 'prodmatch\[embed\]'"):
        choose_device("cuda")


def test_precisions_have_features_of_their_own(model: Model) -> None:
    pair = model.encoders
    specs: tuple[tuple[Path, TextSpec | ImageSpec], ...] = (
        (pair.text_folder, pair.text),
        (pair.image_folder, pair.image),
    )
    for folder, spec in specs:
        exact = encoder_fingerprint(folder, spec)
        assert encoder_fingerprint(folder, spec, "bf16") != exact
        assert encoder_fingerprint(folder, spec, "float32") == exact


def test_another_precision_encodes_again_and_auto_stays_with_the_stores(
    store: Path, tmp_path: Path, model: Model
) -> None:
    catalogue = write(tmp_path / "c.parquet", products(12))
    first = embed(catalogue, model, store, precision="float32")
    exact = require_embeddings(store)
    other = embed(catalogue, model, store, precision="bf16")
    assert (other.texts_encoded, other.images_encoded) == (12, 12)
    assert other.embeddings != first.embeddings
    assert len(list((store / "features").iterdir())) == 4
    assert require_embeddings(store).manifest["precision"] == "bf16"
    for precision, reused in (("auto", "bf16"), ("float32", "float32"), ("auto", "float32")):
        plan = plan_embedding(
            open_catalogue(catalogue), model, store, EmbedSettings(precision=precision)
        )
        assert (plan.texts_to_encode, plan.images_to_encode) == (0, 0)
        again = embed(catalogue, model, store, precision=precision)
        assert (again.precision, again.reused) == (reused, 24)
    assert require_embeddings(store).digest == exact.digest == first.embeddings
