"""EfficientNet-Lite0 beside the ResNet: features of pictures that know classes."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small import random_lite0
from torch.nn import functional

from prodmatch.encoders.device import CPU, Compute
from prodmatch.encoders.efficientnet import (
    CLASSES,
    POOLED,
    ClassFeatures,
    load_classes,
    rename_published,
    save_classes,
)
from prodmatch.encoders.image import ImageEncoder
from prodmatch.encoders.quickest import open_image_encoder
from prodmatch.errors import ModelError
from prodmatch.model.description import Model
from prodmatch.model.preprocessing import ImageSpec

DIM = 12
COUNT = 150  # of classes


@pytest.fixture(scope="module")
def folder(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image encoder of the small model with a random classifier beside it."""
    folder = tmp_path_factory.mktemp("classes") / "image"
    shutil.copytree(model.encoders.image_folder, folder)
    vectors = torch.randn(COUNT, DIM, generator=torch.Generator().manual_seed(1))
    save_classes(random_lite0(COUNT), vectors, folder / CLASSES)
    return folder


@pytest.fixture(scope="module")
def spec(model: Model) -> ImageSpec:
    return replace(model.encoders.image, crop_pixels=64, resize_pixels=64, resnet_pixels=32)


def opened(folder: Path) -> ClassFeatures:
    found = load_classes(folder)
    assert found is not None
    return found.eval()


def coarse_pictures(count: int) -> np.ndarray:
    """Pictures `(n, 64, 64, 3)` of squares of two by two pixels."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (count, 32, 32, 3), dtype=np.uint8)
    small[:, :8] = 255
    return np.kron(small, np.ones((1, 2, 2, 1), np.uint8))


def test_normalisation_is_folded_and_padding_is_that_of_tensorflow(folder: Path) -> None:
    state = {name: value.half().float() for name, value in random_lite0(COUNT).items()}
    net = opened(folder).net
    images = torch.randn(2, 3, 33, 64, generator=torch.Generator().manual_seed(2))
    # a side of 33 has 17 outputs of stride 2: one pixel before and one after; of 64, one after
    maps = functional.conv2d(
        functional.pad(images, [0, 1, 1, 1]), state["stem.conv.weight"], stride=2
    )
    norm = [
        state[f"stem.norm.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
    ]
    expected = functional.batch_norm(maps, *norm, eps=1e-3).clamp(0, 6)
    assert 0 < (expected == 6).float().mean() < 0.5
    with torch.inference_mode():
        torch.testing.assert_close(net.stem(images), expected, rtol=1e-4, atol=1e-4)
        block = net.blocks[2]  # the first with a skip
        assert block.has_skip
        maps = torch.randn(1, 24, 8, 8)
        changed = block.project(block.depth(block.expand(maps)))
        torch.testing.assert_close(block(maps), maps + changed)
        assert changed.min() < 0


def test_a_class_vector_is_a_mean_of_the_likeliest_names(folder: Path) -> None:
    classes, pixels = opened(folder), torch.from_numpy(coarse_pictures(5))
    with torch.inference_mode():
        found = classes(pixels).numpy()
        pooled = classes.net((pixels.permute(0, 3, 1, 2).float() - 127) / 128)
        logits = classes.net.fc(pooled).numpy() / 2
    np.testing.assert_allclose(found[:, :POOLED], pooled.numpy(), rtol=1e-5)
    for row, values in zip(found[:, POOLED:], logits, strict=True):
        best = np.argsort(-values)[:100]
        shares = np.exp(values[best] - values.max())
        expected = shares @ classes.class_vectors.numpy()[best]
        np.testing.assert_allclose(row, expected / np.linalg.norm(expected), atol=1e-5)


def test_features_are_those_of_the_resnet_and_then_those_of_classes(
    folder: Path, spec: ImageSpec, model: Model
) -> None:
    pixels = coarse_pictures(5)
    encoder = ImageEncoder(folder, spec)
    assert encoder.dim == 512 + POOLED + DIM
    features = encoder.encode(pixels)
    alone = ImageEncoder(model.encoders.image_folder, model.encoders.image)
    np.testing.assert_allclose(
        features[:, :512], alone.encode(pixels[:, ::2, ::2]), rtol=1e-4, atol=1e-5
    )
    with torch.inference_mode():
        expected = opened(folder)(torch.from_numpy(pixels)).numpy()
    np.testing.assert_allclose(features[:, 512:], expected, rtol=1e-3, atol=1e-4)
    rounded = ImageEncoder(folder, spec, Compute(torch.device("cpu"), "bf16")).encode(pixels)
    np.testing.assert_allclose(rounded[:, -DIM:], features[:, -DIM:], atol=0.05)


def test_the_graph_gives_the_same_features_in_any_batch(
    folder: Path, spec: ImageSpec, tmp_path: Path
) -> None:
    pixels = coarse_pictures(70)
    graph = open_image_encoder(folder, spec, CPU, tmp_path)
    features = graph.encode(pixels)
    expected = ImageEncoder(folder, spec).encode(pixels)
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(graph.encode(pixels[69:])[0], features[69])


def test_published_names_are_those_of_the_modules(folder: Path) -> None:
    published = {
        "_conv_stem.weight": 0, "_bn0.running_var": 1, "_bn0.num_batches_tracked": 2,
        "_blocks.0._depthwise_conv.weight": 3, "_blocks.0._bn1.bias": 4,
        "_blocks.0._project_conv.weight": 5, "_blocks.0._bn2.weight": 6,
        "_blocks.15._expand_conv.weight": 7, "_blocks.15._bn0.running_mean": 8,
        "_blocks.15._bn2.num_batches_tracked": 9, "_conv_head.weight": 10, "_bn1.weight": 11,
        "_fc.weight": 12, "_fc.bias": 13,
    }  # fmt: skip
    renamed = rename_published({name: torch.tensor(value) for name, value in published.items()})
    assert set(renamed) < set(random_lite0(COUNT))
    assert {name: int(value) for name, value in renamed.items()} == {
        "stem.conv.weight": 0, "stem.norm.running_var": 1, "blocks.0.depth.conv.weight": 3,
        "blocks.0.depth.norm.bias": 4, "blocks.0.project.conv.weight": 5,
        "blocks.0.project.norm.weight": 6, "blocks.15.expand.conv.weight": 7,
        "blocks.15.expand.norm.running_mean": 8, "head.conv.weight": 10, "head.norm.weight": 11,
        "fc.weight": 12, "fc.bias": 13,
    }  # fmt: skip


def test_a_file_that_holds_something_else_is_refused(folder: Path, tmp_path: Path) -> None:
    assert load_classes(tmp_path) is None
    state = random_lite0(COUNT)
    del state["head.conv.weight"]
    save_classes(state, torch.ones(COUNT, DIM), tmp_path / CLASSES)
    with pytest.raises(ModelError, match=r"classes\.safetensors: does not hold an EfficientNet"):
        load_classes(tmp_path)


def test_sides_that_are_no_multiples_are_refused(spec: ImageSpec) -> None:
    assert ImageSpec.from_dict(spec.as_dict(), "model.json") == spec
    content = {**spec.as_dict(), "resnet_pixels": 48}
    with pytest.raises(ModelError, match="crop_pixels=64 must be a multiple of resnet_pixels=48"):
        ImageSpec.from_dict(content, "model.json")
