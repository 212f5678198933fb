"""The night's encoders on a CPU in float32: exported once, and the same as torch's."""

from pathlib import Path

import numpy as np
import pytest

from prodmatch.encoders.device import CPU, Compute
from prodmatch.encoders.graphs import OnnxImageEncoder, OnnxTextEncoder
from prodmatch.encoders.networks import onnx_export
from prodmatch.encoders.networks.image import ImageEncoder
from prodmatch.encoders.networks.text import TextEncoder
from prodmatch.encoders.query_encoders import export_encoders
from prodmatch.encoders.quickest import open_image_encoder, open_text_encoder
from prodmatch.errors import ModelError
from prodmatch.model.description import Model

TEXTS = [f"{colour} shirt number {number}" for number in range(70) for colour in ("red", "blue")]


def random_pictures(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (count, 32, 32, 3), dtype=np.uint8)


def graphs_of(store: Path) -> Path:
    return store / "encoders"


def test_graphs_give_the_features_of_torch(model: Model, store: Path) -> None:
    pair, pixels = model.encoders, random_pictures(70)
    text = open_text_encoder(pair.text_folder, pair.text, CPU, graphs_of(store))
    image = open_image_encoder(pair.image_folder, pair.image, CPU, graphs_of(store))
    assert isinstance(text, OnnxTextEncoder)
    assert isinstance(image, OnnxImageEncoder)
    exact = TextEncoder(pair.text_folder, pair.text)
    assert (text.dim, text.max_tokens, text.pad_id) == (exact.dim, exact.max_tokens, exact.pad_id)
    np.testing.assert_allclose(text.encode(TEXTS), exact.encode(TEXTS), atol=1e-4)
    found = ImageEncoder(pair.image_folder, pair.image).encode(pixels)
    np.testing.assert_allclose(image.encode(pixels), found, rtol=1e-3, atol=1e-4)
    assert image.encode(pixels[:0]).shape == (0, image.dim)


def test_a_feature_depends_on_its_own_content_alone(model: Model, store: Path) -> None:
    pair, pixels = model.encoders, random_pictures(70)
    text = open_text_encoder(pair.text_folder, pair.text, CPU, graphs_of(store))
    image = open_image_encoder(pair.image_folder, pair.image, CPU, graphs_of(store))
    np.testing.assert_array_equal(text.encode(TEXTS)[69], text.encode(TEXTS[69:70])[0])
    np.testing.assert_array_equal(image.encode(pixels)[69], image.encode(pixels[69:])[0])
    np.testing.assert_array_equal(image.encode(pixels)[::-1], image.encode(pixels[::-1]))


def test_bf16_is_torch(model: Model, tmp_path: Path) -> None:
    pair, compute = model.encoders, Compute("cpu", "bf16")
    text = open_text_encoder(pair.text_folder, pair.text, compute, tmp_path)
    image = open_image_encoder(pair.image_folder, pair.image, compute, tmp_path)
    assert isinstance(text, TextEncoder)
    assert isinstance(image, ImageEncoder)
    assert not list(tmp_path.iterdir())


def test_models_with_the_same_encoders_share_their_graphs(model: Model, store: Path) -> None:
    folder = export_encoders(model, graphs_of(store))
    (graph,) = graphs_of(store).glob("text-*/text.onnx.data")
    assert graph.samefile(folder / "text.onnx.data")
    exported = graph.stat()
    (folder / "manifest.json").write_text("{}")  # removed as damaged, and made of the same graphs
    again = export_encoders(model, graphs_of(store))
    assert graph.samefile(again / "text.onnx.data")
    assert graph.stat().st_ino == exported.st_ino  # it was not exported again


def test_a_graph_that_gives_other_features_is_refused() -> None:
    exact = np.random.default_rng(0).normal(10, 1, (4, 30)).astype(np.float32)
    onnx_export._compare("a graph", exact, exact + 1e-3)
    for other in (exact + 0.3, exact * np.nan):
        with pytest.raises(ModelError, match="a graph agrees with torch only to a cosine of"):
            onnx_export._compare("a graph", exact, other)
