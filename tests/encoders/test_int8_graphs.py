"""Texts in 8-bit integers: near float32, by each text alone, the same on any processor."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from small import embed, products, write

from prodmatch.catalogue.reader import open_catalogue
from prodmatch.encoders.device import CPU, Compute, has_int8
from prodmatch.encoders.graphs import OnnxTextEncoder
from prodmatch.encoders.int8_graphs import GROUP, count_groups, find_linear_layers, replace_layers
from prodmatch.encoders.networks.model_writer import EncoderFiles
from prodmatch.encoders.quickest import open_text_encoder, ready_graph
from prodmatch.model.description import Model
from prodmatch.model.onnx_session import open_session, run_session
from prodmatch.storage.embeddings import require_embeddings
from prodmatch.train import HeadSettings, fit_heads

INT8 = Compute("cpu", "int8")
TEXTS = [f"{colour} shirt number {number}" for number in range(40) for colour in ("red", "blue")]
Rows = np.ndarray


class Layer:
    """A linear layer as a graph, with two outputs of the same inputs: with a bias, and without."""

    def __init__(self, width: int, path: Path) -> None:
        rng = np.random.default_rng(0)
        self.path = path
        self.weight = rng.normal(0, 0.1, (width, 30)).astype(np.float32)
        self.bias = rng.normal(0, 0.1, 30).astype(np.float32)

    def exact(self, rows: Rows) -> Rows:
        return np.concatenate([rows @ self.weight + self.bias, rows @ self.weight], axis=-1)

    def run(self, rows: Rows, sizes: Rows, *, wide: bool = False) -> Rows:
        """What the graph gives in 8-bit integers."""
        nodes = [
            helper.make_node("MatMul", ["rows", "weight"], ["product"]),
            helper.make_node("Add", ["product", "bias"], ["first"]),
            helper.make_node("MatMul", ["rows", "weight"], ["second"]),
            helper.make_node("Concat", ["first", "second"], ["features"], axis=-1),
        ]
        shapes = {"rows": [None, None, len(self.weight)], "features": [None, None, 60]}
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in shapes.items()
        ]
        tensors = {"weight": self.weight, "bias": self.bias}
        kept = [numpy_helper.from_array(values, name) for name, values in tensors.items()]
        model = helper.make_model(
            helper.make_graph(nodes, "layer", ends[:1], ends[1:], kept), ir_version=10
        )
        layers = find_linear_layers(model)
        assert [layer.output for layer in layers] == ["first", "second"]
        replace_layers(model, {"rows": layers}, {"rows": sizes})
        kinds = [node.op_type for node in model.graph.node]
        assert kinds.count("QuantizeLinear") == 1  # once for both
        assert "MatMul" not in kinds
        onnx.save_model(model, self.path)
        session = open_session(self.path, long_lived=True, threads=1, wide_integers=wide)
        return run_session(session, {"rows": rows})


def gelu_rows(width: int) -> Rows:
    """Rows nearly all of one sign, and one of zeros."""
    rows = 3 * np.random.default_rng(1).standard_normal((2, 25, width)).astype(np.float32)
    rows = (rows / (1 + np.exp(-1.7 * rows))).astype(np.float32)
    rows[0, 7] = 0.0
    return rows


@pytest.mark.parametrize("wide", sorted({not has_int8("cpu"), True}))
@pytest.mark.parametrize("width", [200, 2 * GROUP])
def test_a_layer_is_near_its_own_and_by_each_row_alone(
    width: int, wide: bool, tmp_path: Path
) -> None:
    layer, rows = Layer(width, tmp_path / "layer.onnx"), gelu_rows(width)
    sizes = np.sqrt(np.square(rows).mean(axis=(0, 1)))
    exact, found = layer.exact(rows), layer.run(rows, sizes, wide=wide)
    assert found.shape == exact.shape
    assert np.abs(found - exact).max() < 0.02 * np.abs(exact).max()
    assert np.abs(found - exact).max() > 1e-4
    np.testing.assert_allclose(found[0, 7, :30], layer.bias, atol=1e-6)
    loud = rows.copy()
    loud[1] *= 50
    np.testing.assert_allclose(layer.run(loud, sizes, wide=wide)[0], found[0], atol=1e-6)


@pytest.mark.parametrize("wide", sorted({not has_int8("cpu"), True}))
def test_the_largest_integers_do_not_overflow(wide: bool, tmp_path: Path) -> None:
    layer, rows = Layer(200, tmp_path / "layer.onnx"), np.ones((1, 4, 200), np.float32)
    layer.weight[:] = 1.0
    found = layer.run(rows, np.ones(200, np.float32), wide=wide)
    np.testing.assert_allclose(found, layer.exact(rows), rtol=1e-5)


def test_a_few_large_columns_do_not_take_the_scale_from_the_others(tmp_path: Path) -> None:
    layer = Layer(200, tmp_path / "layer.onnx")
    rows = np.random.default_rng(1).standard_normal((2, 25, 200)).astype(np.float32)
    rows[..., ::50] *= 40
    errors = [
        np.abs(layer.run(rows, sizes) - layer.exact(rows)).mean()
        for sizes in (np.ones(200, np.float32), np.sqrt(np.square(rows).mean(axis=(0, 1))))
    ]
    assert errors[1] < errors[0] / 3


def test_columns_are_taken_in_equal_groups() -> None:
    assert [count_groups(columns) for columns in (32, 384, 768, 1000, 1536)] == [1, 1, 2, 4, 4]


def test_graphs_are_the_same_whenever_they_are_made(model: Model, tmp_path: Path) -> None:
    pair, found = model.encoders, []
    for name in ("first", "second"):
        open_text_encoder(pair.text_folder, pair.text, INT8, tmp_path / name)
        folders = [path.parent for path in (tmp_path / name).glob("text-*/text.onnx")]
        found.append({path.read_bytes() for folder in folders for path in folder.glob("text.*")})
    assert found[0] == found[1]


def test_processors_without_the_instructions_give_the_same_features(
    model: Model, store: Path
) -> None:
    pair, graphs = model.encoders, store / "encoders"
    graph = ready_graph(pair.text_folder, pair.text, graphs, "int8")
    found = [
        OnnxTextEncoder(pair.text_folder, pair.text, graph, wide_integers=wide).encode(TEXTS)
        for wide in (None, True)
    ]
    np.testing.assert_allclose(*found, atol=1e-5)
    exact = open_text_encoder(pair.text_folder, pair.text, CPU, graphs).encode(TEXTS)
    assert 1e-5 < np.abs(found[1] - exact).max() < 0.1


def test_texts_are_encoded_without_torch_once_the_graph_is_there(model: Model, store: Path) -> None:
    pair, graphs = model.encoders, store / "encoders"
    exact = open_text_encoder(pair.text_folder, pair.text, INT8, graphs).encode(TEXTS[:1])
    program = (
        "import sys; from pathlib import Path; from prodmatch.encoders.device import Compute\n"
        "from prodmatch.encoders.quickest import open_text_encoder\n"
        "from prodmatch.model.description import open_model\n"
        f"pair = open_model({str(model.folder)!r}).encoders\n"
        "encoder = open_text_encoder(\n"
        f"    pair.text_folder, pair.text, Compute('cpu', 'int8'), Path({str(graphs)!r})\n)\n"
        f"number = encoder.encode([{TEXTS[0]!r}])[0, 0]\n"
        "print(float(number), {'torch', 'onnx'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    number, _, loaded = done.stdout.strip().partition(" ")
    assert (float(number), loaded) == (pytest.approx(float(exact[0, 0]), abs=1e-6), "set()")


def test_a_text_has_the_same_feature_in_any_company(model: Model, store: Path) -> None:
    pair = model.encoders
    encoder = open_text_encoder(pair.text_folder, pair.text, INT8, store / "encoders")
    loud = [*TEXTS[:20], "number " * 30]
    np.testing.assert_array_equal(encoder.encode(loud)[3], encoder.encode(TEXTS[3:4])[0])


def test_a_store_is_embedded_in_int8_and_stays_so(
    store: Path, tmp_path: Path, model: Model
) -> None:
    catalogue = write(tmp_path / "c.parquet", products(12))
    embed(catalogue, model, store, precision="float32")
    first = embed(catalogue, model, store, precision="int8")
    assert (first.texts_encoded, first.precision) == (12, "int8")
    assert require_embeddings(store).manifest["precision"] == "int8"
    again = embed(catalogue, model, store, precision="auto")
    assert (again.precision, again.reused, again.embeddings) == ("int8", 24, first.embeddings)


def test_heads_over_other_encoders_keep_the_precision_of_the_store(
    store: Path, tmp_path: Path, model: Model
) -> None:
    catalogue = write(tmp_path / "c.parquet", products(80))
    embed(catalogue, model, store, precision="int8")
    features = sorted((store / "features").rglob("*"))
    files, settings = EncoderFiles.of_model(model), HeadSettings(dim=8, epochs=1)
    fit_heads(open_catalogue(catalogue), files, tmp_path / "other", store, settings)
    assert sorted((store / "features").rglob("*")) == features  # nothing in another precision
