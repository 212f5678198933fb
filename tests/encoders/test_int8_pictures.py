"""Pictures in 8-bit integers: near float32, each alone, the same on any processor."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from small import embed, products, write

from prodmatch.encoders.device import CPU, Compute, has_int8, picture_precision
from prodmatch.encoders.graphs import OnnxImageEncoder, encoder_fingerprint
from prodmatch.encoders.int8_graphs import load_graph, save_graph
from prodmatch.encoders.int8_pictures import (
    WIDTHS,
    Range,
    draw_pictures,
    find_convolutions,
    measure_ranges,
    quantise_resnet,
    replace_convolutions,
)
from prodmatch.encoders.networks.efficientnet import LITE0
from prodmatch.encoders.quickest import open_image_encoder, ready_graph
from prodmatch.model.description import Model
from prodmatch.model.onnx_session import open_session, run_session
from prodmatch.model.preprocessing import ImageSpec

INT8 = Compute("cpu", "int8")
WIDTH = 8


def pictures(count: int, side: int = 32) -> np.ndarray:
    cells = np.random.default_rng(1).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return cells.repeat(side // 4, axis=1).repeat(side // 4, axis=2)


class Block:
    """A block of a ResNet as a graph: two convolutions that are added to that of a shortcut."""

    def __init__(self, path: Path) -> None:
        rng = np.random.default_rng(0)
        self.path = path
        shapes = {"first": 3, "second": 3, "shortcut": 1}
        self.tensors = {
            name: rng.normal(0, 0.2, (WIDTH, WIDTH, side, side)).astype(np.float32)
            for name, side in shapes.items()
        }
        self.tensors["bias"] = rng.normal(0, 0.5, WIDTH).astype(np.float32)

    def model(self) -> onnx.ModelProto:
        nodes = [
            helper.make_node("Relu", ["rows"], ["input"]),
            helper.make_node("Conv", ["input", "first", "bias"], ["a"], pads=[1] * 4),
            helper.make_node("Relu", ["a"], ["inner"]),
            helper.make_node("Conv", ["inner", "second"], ["b"], pads=[1] * 4),
            helper.make_node("Conv", ["input", "shortcut"], ["c"]),
            helper.make_node("Add", ["b", "c"], ["features"]),
        ]
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, WIDTH, None, None])
            for name in ("rows", "features")
        ]
        kept = [numpy_helper.from_array(values, name) for name, values in self.tensors.items()]
        return helper.make_model(
            helper.make_graph(nodes, "block", ends[:1], ends[1:], kept),
            opset_imports=[helper.make_opsetid("", 20)],
            ir_version=10,
        )

    def run(self, model: onnx.ModelProto, rows: np.ndarray, *, wide: bool = False) -> np.ndarray:
        onnx.save_model(model, self.path)
        session = open_session(self.path, long_lived=True, threads=1, wide_integers=wide)
        return run_session(session, {"rows": rows})


@pytest.mark.parametrize("wide", sorted({not has_int8("cpu"), True}))
def test_a_block_is_near_its_own_but_for_its_shortcut_and_sum(wide: bool, tmp_path: Path) -> None:
    block = Block(tmp_path / "block.onnx")
    rows = np.random.default_rng(2).normal(size=(3, WIDTH, 12, 12)).astype(np.float32)
    model = block.model()
    names = ("input", "a", "inner", "b")
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    onnx.save_model(model, block.path)
    exact, *inside = open_session(block.path, long_lived=False).run(None, {"rows": rows})
    ranges = {
        name: Range(values.min(axis=(0, 2, 3)), values.max(axis=(0, 2, 3)))
        for name, values in zip(names, inside, strict=True)
    }
    model = block.model()
    replaced = find_convolutions(model)
    assert [each.output for each in replaced] == ["a", "b"]
    replace_convolutions(model, replaced, ranges)
    kinds = [node.op_type for node in model.graph.node]
    assert (kinds.count("QLinearConv"), kinds.count("Conv")) == (2, 1)
    assert kinds.count("QuantizeLinear") == 1  # the inner one is of integers alone
    found = block.run(model, rows, wide=wide)
    assert 1e-4 < np.abs(found - exact).max() < 0.03 * np.abs(exact).max()


def test_resnets_are_near_float32_and_the_same_on_any_processor(model: Model, store: Path) -> None:
    pair, graphs, pixels = model.encoders, store / "encoders", pictures(9)
    graph = ready_graph(pair.image_folder, pair.image, graphs, "int8")
    found = [
        OnnxImageEncoder(pair.image, graph, "int8", wide_integers=wide).encode(pixels)
        for wide in (None, True)
    ]
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-5)
    exact = open_image_encoder(pair.image_folder, pair.image, CPU, graphs).encode(pixels)
    error = np.square(found[1] - exact).sum() / np.square(exact - exact.mean(axis=0)).sum()
    assert 1e-8 < error < 0.02
    encoder = open_image_encoder(pair.image_folder, pair.image, INT8, graphs)
    np.testing.assert_array_equal(encoder.encode(pixels[6:7])[0], encoder.encode(pixels)[6])


def test_the_width_that_loses_least_of_drawn_pictures_is_taken(
    model: Model, store: Path, tmp_path: Path
) -> None:
    spec = model.encoders.image
    exact = ready_graph(model.encoders.image_folder, spec, store / "encoders")
    pixels = draw_pictures(spec.crop_pixels)
    layers = find_convolutions(load_graph(exact))
    names = list(dict.fromkeys(name for each in layers for name in (each.input, each.output)))
    ranges = measure_ranges(exact, names, pixels)

    def features(path: Path) -> np.ndarray:
        session = open_session(path, long_lived=False, wide_integers=not has_int8(CPU.device))
        return run_session(session, {"pixels": pixels})

    losses = []
    for width in WIDTHS:
        graph, path = load_graph(exact), tmp_path / f"{width}.onnx"
        replace_convolutions(graph, find_convolutions(graph), ranges, width)
        save_graph(graph, path)
        losses.append(np.square(features(path) - features(exact)).sum())
    quantise_resnet(exact, tmp_path / "written.onnx", spec.crop_pixels)
    found = np.square(features(tmp_path / "written.onnx") - features(exact)).sum()
    assert found == pytest.approx(min(losses), rel=1e-3)
    assert found < 0.99 * sorted(losses)[1]


def test_other_networks_stay_in_float32_and_keep_their_features(model: Model) -> None:
    folder = model.encoders.image_folder
    lite = ImageSpec(LITE0)
    assert picture_precision("int8", lite) == "float32"
    assert encoder_fingerprint(folder, lite, "int8") == encoder_fingerprint(folder, lite)
    assert picture_precision("bf16", lite) == "bf16"
    resnet = model.encoders.image
    assert encoder_fingerprint(folder, resnet, "int8") != encoder_fingerprint(folder, resnet)


def test_pictures_of_a_store_in_int8_are_never_mixed(
    store: Path, tmp_path: Path, model: Model
) -> None:
    catalogue = write(tmp_path / "c.parquet", products(12))
    embed(catalogue, model, store, precision="float32")
    first = embed(catalogue, model, store, precision="int8")
    assert (first.images_encoded, first.precision) == (12, "int8")
    again = embed(catalogue, model, store, precision="auto")
    assert (again.precision, again.reused, again.embeddings) == ("int8", 24, first.embeddings)
