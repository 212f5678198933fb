"""Spatial features and the token embedding bag."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import torchvision
from small import products
from training_data import SHAPE, training_rows

from prodmatch.encoders.image import ImageEncoder
from prodmatch.encoders.onnx_export import export_encoders
from prodmatch.encoders.spatial import (
    BINS,
    CELLS,
    DIRECTIONS,
    LARGEST,
    MASK_CELLS,
    MIDDLE,
    SpatialComponents,
    SpatialFeatures,
    SpatialProjection,
    fit_spatial,
    pooled_and_grid,
    reduce_spatial,
    spatial_feature_count,
)
from prodmatch.encoders.text import TextEncoder
from prodmatch.errors import ModelError
from prodmatch.model.description import open_model
from prodmatch.model.heads import Heads, Projection
from prodmatch.model.onnx_encoders import QueryEncoders
from prodmatch.pretrain import SPATIAL_DIM, train_encoders
from prodmatch.pretraining.contrastive import ContrastSettings
from prodmatch.pretraining.head_fitting import HeadFittingSettings
from prodmatch.pretraining.job import ScratchSettings
from prodmatch.storage.atomic import digest_bytes

EDGES = CELLS**2 * DIRECTIONS
COLOURS = CELLS**2 * 3


def parts_of(picture: np.ndarray) -> dict[str, np.ndarray]:
    """The parts of a picture's features."""
    found = SpatialFeatures()(torch.from_numpy(picture[None]))[0].numpy()
    positions = np.cumsum([EDGES, COLOURS, MASK_CELLS**2])
    edges, colours, solid, histograms = np.split(found, positions)
    return {
        "edges": edges.reshape(DIRECTIONS, CELLS, CELLS),
        "colours": colours.reshape(3, CELLS, CELLS),
        "solid": solid.reshape(MASK_CELLS, MASK_CELLS),
        "histograms": histograms.reshape(2, -1),
    }


def half_red() -> np.ndarray:
    """Red on the left, white on the right."""
    picture = np.full((80, 80, 3), 255, np.uint8)
    picture[:, :40] = (200, 0, 0)
    return picture


def test_colours_edges_and_the_outline_are_told_where_they_lie() -> None:
    seen = parts_of(half_red())
    lightness, red, _ = seen["colours"]
    np.testing.assert_allclose(lightness[:, :5], 200 / 255 / 3, rtol=1e-5)
    np.testing.assert_allclose(lightness[:, 5:], 1.0, rtol=1e-5)
    assert (red[:, :5] > 0.85).all()
    np.testing.assert_allclose(red[:, 5:], 0.5, atol=1e-6)
    np.testing.assert_allclose(seen["solid"], np.repeat([[1.0] * 8 + [0.0] * 8], 16, axis=0))
    # a step from left to right: direction 0, in the two columns of cells beside it
    assert (seen["edges"][0][:, 4:6] > 0.3).all()
    assert seen["edges"][0][:, [0, 1, 2, 7, 8, 9]].max() < 1e-3
    assert (seen["edges"][DIRECTIONS // 2] < 0.1 * seen["edges"][0].max()).all()
    lying = parts_of(np.ascontiguousarray(half_red().transpose(1, 0, 2)))
    assert lying["edges"][0].max() < 0.1 * lying["edges"][[4, 5]].max()


def test_histograms_count_the_product_and_not_the_white_around_it() -> None:
    whole, middle = parts_of(half_red())["histograms"]
    shares = whole**2
    assert shares.sum() == pytest.approx(1.0, abs=0.01)
    assert len(whole) == np.prod(BINS)
    blue = np.full((80, 80, 3), 255, np.uint8)
    blue[:, :40] = (0, 0, 200)
    assert (shares * parts_of(blue)["histograms"][0] ** 2).sum() < 0.01
    assert middle.shape == whole.shape
    # of a white picture there is nothing to count
    assert parts_of(np.full((80, 80, 3), 255, np.uint8))["histograms"].max() < 0.01


def test_a_picture_of_another_size_is_told_alike() -> None:
    large = np.kron(half_red(), np.ones((2, 2, 1), np.uint8))
    for name, part in parts_of(half_red()).items():
        np.testing.assert_allclose(parts_of(large)[name], part, atol=0.05, err_msg=name)


def test_components_keep_what_varies_and_come_back_from_the_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    causes = rng.normal(size=(300, 3)) @ rng.normal(size=(3, SpatialFeatures.dim))
    rows = (causes + 0.01 * rng.normal(size=causes.shape)).astype(np.float32)
    spatial = fit_spatial(rows, 3)
    scaled = (rows - spatial.mean) / spatial.deviation
    found = scaled @ spatial.components
    back = np.linalg.lstsq(found, scaled, rcond=None)[0]
    assert np.linalg.norm(found @ back - scaled) < 0.05 * np.linalg.norm(scaled)
    spatial.save(tmp_path / "layout.safetensors")
    opened = SpatialProjection.open(tmp_path / "layout.safetensors", SpatialFeatures.dim)
    assert opened is not None
    pixels, middle = torch.from_numpy(half_red()[None]), torch.zeros(1, 0)
    torch.testing.assert_close(
        SpatialComponents(opened)(pixels, middle),
        SpatialComponents(spatial)(pixels, middle),
        rtol=0.01,
        atol=0.05,
    )
    assert SpatialProjection.open(tmp_path / "none.safetensors", SpatialFeatures.dim) is None


def small_resnet() -> torchvision.models.ResNet:
    """A ResNet-18 of random weights, without its classifier."""
    torch.manual_seed(0)
    resnet = torchvision.models.resnet18(weights=None)
    resnet.fc = torch.nn.Identity()
    return resnet.eval()


def test_middle_maps_are_told_on_a_grid_beside_what_the_resnet_gives() -> None:
    resnet = small_resnet()
    images = torch.randn(2, 3, 256, 256)
    images[1, :, :, :192] = images[0, :, :, :192]  # they differ in their right quarter
    with torch.inference_mode():
        pooled, middle = pooled_and_grid(resnet, images)
        torch.testing.assert_close(pooled, resnet(images))
    assert spatial_feature_count(resnet) == SpatialFeatures.dim + middle.shape[1]
    side = MIDDLE["layer2"]
    cells = middle[:, : 128 * side**2].view(2, 128, side, side)
    unlike = (cells[0] - cells[1]).abs().amax((0, 1))  # by column
    assert unlike[0] < 1e-5, "the left edge of both pictures is the same"
    assert unlike[-1] > 0.1


def test_heads_over_many_components_are_the_same_over_the_layout_that_they_need() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, SpatialFeatures.dim)).astype(np.float32)
    wide = fit_spatial(rows, 60)
    pooled = rng.normal(size=(400, 5)).astype(np.float32)
    weight = rng.normal(size=(65, 12)).astype(np.float32)
    zeros, eye = np.zeros(12, np.float32), np.eye(12, dtype=np.float32)
    head = Projection(weight, zeros, zeros, eye)
    spatial, heads = reduce_spatial(wide, Heads(head, head), 20)
    assert spatial.dim == 20
    assert heads.text is head
    scaled = np.clip((rows - wide.mean) / wide.deviation, -LARGEST, LARGEST)
    before = head(np.concatenate([pooled, scaled @ wide.components], axis=1))
    after = heads.image(np.concatenate([pooled, scaled @ spatial.components], axis=1))
    np.testing.assert_allclose(before, after, atol=1e-5)
    np.testing.assert_array_equal(spatial.components[:, 12:], wide.components[:, :8])


def test_files_that_hold_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "layout.safetensors"
    path.write_bytes(b"no spatial")
    with pytest.raises(ModelError, match="does not hold spatial features"):
        SpatialProjection.open(path, SpatialFeatures.dim)
    few = np.ones((5, 2), np.float32)
    SpatialProjection(few[:, 0], few[:, 0], few).save(path)
    with pytest.raises(ModelError, match="is for 5 features; with this ResNet there are 1946"):
        SpatialProjection.open(path, SpatialFeatures.dim)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with a spatial and a table of words."""
    folder = tmp_path_factory.mktemp("trained")
    pq.write_table(training_rows(150), folder / "products.parquet")
    contrast = ContrastSettings(epochs=1, batch_rows=32, side_pixels=32, early_side_pixels=32)
    head_fitting = HeadFittingSettings(inner_dim=8, runs=2, epochs=30, batch_rows=32, rate=1e-2)
    settings = ScratchSettings(SHAPE, contrast, head_fitting, masked_epochs=1, kept_dim=8)
    texts = folder / "texts.parquet"
    pq.write_table(pa.table({"text": [str(row["title"]) for row in products(60)]}), texts)
    train_encoders(folder / "products.parquet", folder / "model", settings, texts=texts)
    return folder


def test_features_are_states_and_words_and_pooled_maps_and_layout(trained: Path) -> None:
    model = open_model(str(trained / "model"))
    pair = model.encoders
    assert (pair.text_folder / "words.safetensors").is_file()
    assert (pair.image_folder / "layout.safetensors").is_file()
    text = TextEncoder(pair.text_folder, pair.text)
    table = text.model.words
    assert table is not None
    titles = ["red shirt", "a blue chair that is blue"]
    features = text.encode(titles)
    assert features.shape == (2, text.dim) == (2, SHAPE.hidden_size + 8)
    for row, ids in zip(features, text.tokenize(titles), strict=True):
        mean = table.weight[torch.tensor(ids)].mean(0)
        np.testing.assert_allclose(row[-8:], mean.detach().numpy(), rtol=1e-4, atol=1e-5)
    image = ImageEncoder(pair.image_folder, pair.image)
    pixels = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)
    spatial = image.model.spatial
    assert spatial is not None
    seen = image.encode(pixels)
    assert seen.shape == (3, 512 + spatial.projection.dim)
    assert spatial.projection.dim <= SPATIAL_DIM
    with torch.inference_mode():
        images = (torch.from_numpy(pixels).permute(0, 3, 1, 2) - image.model.mean) / image.model.std
        _, middle = pooled_and_grid(image.model.resnet, images)
        expected = spatial(torch.from_numpy(pixels), middle).numpy()
    np.testing.assert_allclose(seen[:, 512:], expected, rtol=1e-3, atol=1e-3)


def test_query_encoders_give_the_same_halves(trained: Path, tmp_path: Path) -> None:
    model = open_model(str(trained / "model"))
    exported = QueryEncoders(export_encoders(model, tmp_path))
    pair = model.encoders
    text = TextEncoder(pair.text_folder, pair.text)
    titles = ["red shirt", "a blue chair that is blue"]
    np.testing.assert_allclose(
        exported.texts(titles), model.heads.texts(text.encode(titles)), atol=0.01
    )
    image = ImageEncoder(pair.image_folder, pair.image)
    pixels = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)
    pixels[1:, :16], pixels[2] = 255, 255  # nothing to see in parts, or at all
    np.testing.assert_allclose(
        exported.pictures(pixels), model.heads.pictures(image.encode(pixels)), atol=0.01
    )


def test_without_an_epoch_the_encoders_stay_and_words_and_heads_are_fitted(trained: Path) -> None:
    start = open_model(str(trained / "model"))
    contrast = ContrastSettings(epochs=0, side_pixels=32, early_side_pixels=32)
    head_fitting = HeadFittingSettings(runs=1, epochs=2, batch_rows=32)
    settings = ScratchSettings(SHAPE, contrast, head_fitting, kept_dim=8)
    train_encoders(trained / "products.parquet", trained / "again", settings, start=start)
    for name in ("text/model.safetensors", "image/model.safetensors"):
        old, new = ((trained / folder / name).read_bytes() for folder in ("model", "again"))
        assert digest_bytes(old) == digest_bytes(new), name
