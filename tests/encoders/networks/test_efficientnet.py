"""EfficientNet-Lite0: pooled features, grids, and a class vector of the likeliest classes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from small import random_lite0, save_lite0_folder
from torch.nn import functional

from prodmatch.encoders.device import CPU, Compute
from prodmatch.encoders.graphs import encoder_fingerprint
from prodmatch.encoders.networks.efficientnet import (
    CLASS_NAMES,
    GRIDS,
    LITE0,
    POOLED,
    WEIGHTS,
    Lite0Features,
    load_lite0,
    read_class_names,
    save_lite0,
)
from prodmatch.encoders.networks.image import ImageEncoder
from prodmatch.encoders.quickest import open_image_encoder
from prodmatch.errors import ModelError
from prodmatch.model.preprocessing import ImageSpec

DIM = 12
COUNT = 150  # of classes
CELLS = 40 * 4**2 + 112 * 2**2  # channels of stages 3 and 5, by the cells of their grids
SPEC = ImageSpec(LITE0, resize_pixels=64, crop_pixels=64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image folder of random weights."""
    return save_lite0_folder(tmp_path_factory.mktemp("lite0"), COUNT, DIM)


@pytest.fixture(scope="module")
def lite(folder: Path) -> Lite0Features:
    return load_lite0(folder).eval()


def coarse_pictures(count: int) -> np.ndarray:
    """Pictures `(n, 64, 64, 3)` of squares of two by two pixels."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (count, 32, 32, 3), dtype=np.uint8)
    small[:, :8] = 255
    return np.kron(small, np.ones((1, 2, 2, 1), np.uint8))


def scaled(pixels: np.ndarray) -> torch.Tensor:
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 127) / 128


def test_normalisation_is_folded_and_padding_is_that_of_tensorflow(lite: Lite0Features) -> None:
    state = {name: value.half().float() for name, value in random_lite0(COUNT).items()}
    net = lite.net
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


def test_what_is_trained_gives_the_same_features_and_keeps_its_normalisation(
    folder: Path, lite: Lite0Features
) -> None:
    apart, pixels = load_lite0(folder, folded=False).eval(), torch.from_numpy(coarse_pictures(3))
    with torch.inference_mode():
        expected = lite(pixels)
        torch.testing.assert_close(apart(pixels), expected, rtol=1e-3, atol=1e-3)
        features, logits = apart.learn(pixels)
    torch.testing.assert_close(features, expected[:, : lite.learnable], rtol=1e-3, atol=1e-3)
    assert logits.shape == (3, COUNT)
    norms = {name for name in apart.net.state_dict() if "running_var" in name}
    assert norms == {name for name in random_lite0(COUNT) if "running_var" in name}
    assert not any(".norm." in name for name in lite.net.state_dict())


def test_a_class_vector_is_a_unit_mean_of_the_likeliest_names(lite: Lite0Features) -> None:
    pixels = coarse_pictures(5)
    with torch.inference_mode():
        found = lite(torch.from_numpy(pixels)).numpy()
        pooled, grids = lite.net(scaled(pixels))
        logits = lite.net.fc(pooled).numpy() / 2
    assert lite.learnable == POOLED + CELLS
    assert lite.dim == found.shape[1] == POOLED + CELLS + DIM
    np.testing.assert_allclose(found[:, :POOLED], pooled.numpy(), rtol=1e-5)
    np.testing.assert_allclose(found[:, POOLED:-DIM], grids.numpy(), rtol=1e-5)
    for row, values in zip(found[:, -DIM:], logits, strict=True):
        best = np.argsort(-values)[:100]
        shares = np.exp(values[best] - values.max())
        expected = shares @ lite.class_vectors.numpy()[best]
        np.testing.assert_allclose(row, expected / np.linalg.norm(expected), atol=1e-5)


def test_grids_are_means_of_the_cells_of_two_stages(lite: Lite0Features) -> None:
    images = scaled(coarse_pictures(2))
    with torch.inference_mode():
        _, grids = lite.net(images)
        maps, expected = lite.net.stem(images), []
        for last, block in enumerate(lite.net.blocks):
            maps = block(maps)
            if last in (4, 10):  # the ends of stages 3 and 5
                cells = 4 if last == 4 else 2
                side = maps.shape[-1] // cells
                rows = [maps[:, :, y * side :][:, :, :side] for y in range(cells)]
                parts = [row[..., x * side :][..., :side] for row in rows for x in range(cells)]
                expected.append(torch.stack([part.mean((2, 3)) for part in parts], 2).flatten(1))
    assert sorted(GRIDS) == [3, 5]
    torch.testing.assert_close(grids, torch.cat(expected, dim=1), rtol=1e-4, atol=1e-4)


def test_the_graph_gives_the_same_features_in_any_batch(
    folder: Path, lite: Lite0Features, tmp_path: Path
) -> None:
    pixels = coarse_pictures(70)
    graph = open_image_encoder(folder, SPEC, CPU, tmp_path)
    features = graph.encode(pixels)
    encoder = ImageEncoder(folder, SPEC)
    expected = encoder.encode(pixels)
    assert graph.dim == encoder.dim == lite.dim
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=2e-3)
    np.testing.assert_array_equal(graph.encode(pixels[69:])[0], features[69])
    with torch.inference_mode():
        alone = lite(torch.from_numpy(pixels[:3])).numpy()
    np.testing.assert_allclose(expected[:3], alone, rtol=1e-3, atol=1e-3)


def test_a_class_vector_has_unit_length_in_any_precision(folder: Path) -> None:
    pixels = coarse_pictures(5)
    exact = ImageEncoder(folder, SPEC).encode(pixels)
    rounded = ImageEncoder(folder, SPEC, Compute("cpu", "bf16")).encode(pixels)
    np.testing.assert_allclose(rounded[:, -DIM:], exact[:, -DIM:], atol=0.05)
    for features in (exact, rounded):
        np.testing.assert_allclose(np.linalg.norm(features[:, -DIM:], axis=1), 1.0, atol=1e-5)


def test_a_file_that_holds_something_else_is_named(tmp_path: Path) -> None:
    path = tmp_path / WEIGHTS
    with pytest.raises(ModelError, match=f"{path}: is missing; the picture encoder has no weights"):
        load_lite0(tmp_path)
    state = random_lite0(COUNT)
    del state["head.conv.weight"]
    save_lite0(state, torch.ones(COUNT, DIM), tmp_path)
    with pytest.raises(
        ModelError, match=rf"{path}: does not hold an EfficientNet-Lite0 \((?s:.*)head"
    ):
        load_lite0(tmp_path)
    path.write_bytes(b"no tensors")
    with pytest.raises(ModelError, match=f"{path}: does not hold an EfficientNet-Lite0"):
        ImageEncoder(tmp_path, SPEC)


def test_class_names_are_the_lines_of_a_file_and_part_of_the_fingerprint(folder: Path) -> None:
    assert read_class_names(folder / "none") == []
    without = encoder_fingerprint(folder, SPEC)
    (folder / CLASS_NAMES).write_text("a photo of a café\na photo of a mug\n", "utf-8")
    assert read_class_names(folder) == ["a photo of a café", "a photo of a mug"]
    assert encoder_fingerprint(folder, SPEC) != without


def test_it_is_loaded_without_the_models_of_torchvision() -> None:
    program = "import sys, prodmatch.encoders.networks.image; print('torchvision' in sys.modules)"
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"
