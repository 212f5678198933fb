"""Graphs of text encoders in 8-bit integers: each row of a layer's inputs by scales of its own.

A scale over a whole batch, as onnxruntime's dynamic quantisation has, would make a text's feature
depend on its neighbours: docs/experiments.md, "What runs encoders on a CPU".
"""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from prodmatch.encoders.graphs import weights_path
from prodmatch.model.onnx_session import Session, open_session
from prodmatch.storage.atomic import link_or_copy

LARGEST = 127  # of the rounded weights; the inputs' are 0 to 255
CENTRE = 128  # taken from the inputs' in the products
SMALLEST = np.float32(1e-12)  # step of a row whose numbers are all 0
GROUP = 384  # columns of the inputs that share a step, at most
DRAWN = (64, 16)  # texts of random tokens, and tokens of each, that tell how large inputs are
LEAST_SIZE = 0.1  # of the median, of an input that the drawn texts hardly have
OPSET = 21  # the first that quantises by blocks
VENDOR = "com.microsoft"
Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Linear:
    """A product with weights in a graph, and the bias that is added to it, if any."""

    product: NodeProto
    bias: NodeProto | None
    weight: Array  # (in, out)
    offset: Array  # (out,), what the bias adds

    @property
    def output(self) -> str:
        """What the layer gives."""
        return str((self.bias or self.product).output[0])


def quantise_graph(exact: Path, out: Path) -> None:
    """Writes a text encoder's graph with its linear layers in 8-bit integers.

    The inputs of a layer are taken in groups of columns. In a group each row has a step and a zero
    point, and each output a scale for its weights. So that a few large columns do not take the
    step from the others, each is divided by a number that its weights are multiplied by, which
    makes it as large as these (SmoothQuant). The products are of integers, so they are exact and
    do not depend on the other rows.

    Args:
        exact: the graph in float32, with its weights.
        out: the file to write; its weights lie next to it.
    """
    model = load_graph(exact)
    by_input: dict[str, list[Linear]] = {}
    for linear in find_linear_layers(model):
        by_input.setdefault(linear.product.input[0], []).append(linear)
    replace_layers(model, by_input, measure_inputs(exact, list(by_input)))
    save_graph(model, out)


def save_graph(model: ModelProto, out: Path) -> None:
    """Writes a graph, and its weights next to it."""
    weights = weights_path(out)
    onnx.save_model(model, out, save_as_external_data=True, location=weights.name)
    weights.chmod(0o644)  # as any other file; the library keeps it to its owner


def load_graph(path: Path) -> ModelProto:
    """A graph with its weights; the library would not read them from a file with two names."""
    model = onnx.load(path, load_external_data=False)
    with weights_path(path).open("rb") as weights:
        for tensor in model.graph.initializer:
            if tensor.data_location == TensorProto.EXTERNAL:
                location = {entry.key: entry.value for entry in tensor.external_data}
                weights.seek(int(location["offset"]))
                tensor.raw_data = weights.read(int(location["length"]))
                tensor.ClearField("external_data")
                tensor.data_location = TensorProto.DEFAULT
    return model


def find_users(model: ModelProto) -> dict[str, list[NodeProto]]:
    """The nodes that read each tensor of a graph."""
    users: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    return users


def find_linear_layers(model: ModelProto) -> list[Linear]:
    """The products of a graph with a matrix of weights, in its order."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    users = find_users(model)
    found = []
    for node in model.graph.node:
        weight = tensors.get(node.input[1]) if node.op_type == "MatMul" else None
        if weight is None or len(weight.dims) != 2:
            continue
        matrix = numpy_helper.to_array(weight).astype(np.float32)
        bias, offset = None, np.zeros(matrix.shape[1], np.float32)
        followers = users.get(node.output[0], [])
        if len(followers) == 1 and followers[0].op_type == "Add":
            added = [name for name in followers[0].input if name in tensors]
            if added and list(tensors[added[0]].dims) == [len(offset)]:
                bias = followers[0]
                offset = numpy_helper.to_array(tensors[added[0]]).astype(np.float32)
        found.append(Linear(node, bias, matrix, offset))
    return found


def measure_inputs(exact: Path, names: Sequence[str]) -> dict[str, Array]:
    """The root mean square of each column of these tensors, over texts of random tokens."""
    model = onnx.load(exact, load_external_data=False)
    ids = np.random.default_rng(0).integers(_count_tokens(model), size=DRAWN)
    with open_inner(exact, names) as session:
        found = session.run(list(names), {"ids": ids, "mask": np.ones_like(ids)})
    return {
        name: np.sqrt(np.square(rows.reshape(-1, rows.shape[-1])).mean(axis=0))
        for name, rows in zip(names, found, strict=True)
    }


@contextlib.contextmanager
def open_inner(exact: Path, names: Sequence[str]) -> Iterator[Session]:
    """A graph ready to run that also gives these tensors, of its inside."""
    model = onnx.load(exact, load_external_data=False)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / exact.name
        onnx.save_model(model, path)
        link_or_copy(weights_path(exact), weights_path(path))
        yield open_session(path, long_lived=False)


def _count_tokens(model: ModelProto) -> int:
    """How many tokens an encoder knows: the rows that ids are looked up in."""
    rows = {tensor.name: tensor.dims[0] for tensor in model.graph.initializer if tensor.dims}
    looked_up = (node for node in model.graph.node if node.op_type == "Gather")
    return int(next(rows[node.input[0]] for node in looked_up if node.input[1] == "ids"))


def replace_layers(
    model: ModelProto, by_input: Mapping[str, Sequence[Linear]], sizes: Mapping[str, Array]
) -> None:
    """Puts products of integers in place of linear layers, in a graph with its weights.

    Args:
        by_input: the layers of each input, which is rounded once for all of them.
        sizes: how large each column of an input usually is.
    """
    layers = {each.product.output[0]: each for group in by_input.values() for each in group}
    biases = {each.bias.output[0] for each in layers.values() if each.bias is not None}
    rounded: dict[str, _RoundedInput] = {}
    nodes: list[NodeProto] = []
    tensors: list[TensorProto] = []
    for node in model.graph.node:
        layer = layers.get(node.output[0])
        if layer is None:
            nodes += [] if node.output[0] in biases else [node]
            continue
        name = node.input[0]
        made: list[Nodes] = []
        if name not in rounded:
            rounded[name] = _RoundedInput(name, by_input[name], sizes[name])
            made.append(rounded[name])
        made.append(_Int8Layer(layer, rounded[name]))
        nodes += [node for each in made for node in each.nodes]
        tensors += [tensor for each in made for tensor in each.tensors]
    put_nodes(model, nodes, tensors)
    del model.opset_import[:]
    model.opset_import.extend([helper.make_opsetid("", OPSET), helper.make_opsetid(VENDOR, 1)])


def put_nodes(
    model: ModelProto, nodes: Sequence[NodeProto], tensors: Sequence[TensorProto]
) -> None:
    """Puts nodes in place of all of a graph, with their tensors and those of it that they read."""
    used = {name for node in nodes for name in node.input}
    tensors = [*tensors, *(each for each in model.graph.initializer if each.name in used)]
    del model.graph.node[:], model.graph.initializer[:], model.graph.value_info[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(tensors)


class Nodes:
    """New nodes of a graph and their tensors, named after what they belong to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[NodeProto] = []
        self.tensors: list[TensorProto] = []

    def add(self, kind: str, *inputs: str, domain: str = "", **attributes: int) -> str:
        """The name of what a new node gives."""
        output = f"{self.name}_int8_{len(self.nodes)}"
        node = helper.make_node(kind, list(inputs), [output], domain=domain)
        node.attribute.extend(helper.make_attribute(*each) for each in attributes.items())
        self.nodes.append(node)
        return output

    def split(self, rows: str, count: int) -> list[str]:
        """Rows in so many parts of equal width."""
        if count == 1:
            return [rows]
        outputs = [f"{self.name}_int8_{len(self.nodes)}_{position}" for position in range(count)]
        self.nodes.append(helper.make_node("Split", [rows], outputs, axis=1, num_outputs=count))
        return outputs

    def keep(self, values: npt.ArrayLike) -> str:
        """The name of a new tensor."""
        name = f"{self.name}_int8_tensor_{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name


class _RoundedInput(Nodes):
    """Inputs of layers as integers, with a step and a zero point of each row and group."""

    def __init__(self, name: str, layers: Sequence[Linear], sizes: Array) -> None:
        super().__init__(name)
        self.divisors = divisors(sizes, np.concatenate([each.weight for each in layers], axis=1))
        width = len(sizes)
        self.groups = count_groups(width)
        columns = width // self.groups
        rows = self.add("Reshape", name, self.keep([-1, width]))
        rows = self.add("Mul", rows, self.keep(1 / self.divisors))
        grouped = self.add("Reshape", rows, self.keep([-1, self.groups, columns]))
        axis, zero = self.keep([2]), self.keep(np.float32(0))
        highest = self.add("Max", self.add("ReduceMax", grouped, axis, keepdims=0), zero)
        lowest = self.add("Min", self.add("ReduceMin", grouped, axis, keepdims=0), zero)
        step = self.add("Sub", highest, lowest)
        step = self.add("Mul", step, self.keep(np.float32(1 / 255)))
        step = self.add("Max", step, self.keep(SMALLEST))
        zero_point = self.add("Round", self.add("Div", lowest, step))  # of 0, from -255 to 0
        point = self.add("Cast", self.add("Neg", zero_point), to=TensorProto.UINT8)
        whole = self.add("QuantizeLinear", rows, step, point, axis=1, block_size=columns)
        middle = self.add("Mul", self.add("Add", zero_point, self.keep(np.float32(CENTRE))), step)
        one = self.keep(np.float32(1))
        self.middles = self.add("Pad", middle, self.keep([0, 0, 0, 1]), one)  # (n, groups + 1)
        self.shape = self.add("Shape", name, start=0, end=-1)
        self.parts, self.steps = self.split(whole, self.groups), self.split(step, self.groups)


class _Int8Layer(Nodes):
    """A layer by products of integers."""

    def __init__(self, layer: Linear, inputs: _RoundedInput) -> None:
        super().__init__(layer.output)
        unit, centre = self.keep(np.float32(1)), self.keep(np.uint8(CENTRE))
        groups = np.split(layer.weight * inputs.divisors[:, None], inputs.groups)
        sums, total = [], ""
        for part, step, weight in zip(inputs.parts, inputs.steps, groups, strict=True):
            scale = np.maximum(np.abs(weight).max(axis=0), SMALLEST) / np.float32(LARGEST)
            whole = np.rint(weight / scale)
            sums.append(whole.sum(axis=0) * scale)
            weights, scales = self.keep(whole.astype(np.int8)), self.keep(scale)
            none = self.keep(np.int8(0))  # of each its own: onnxruntime may make weights unsigned
            tensors = (part, weights, unit, scales, centre, none)
            product = self.add("MatMulIntegerToFloat", *tensors, domain=VENDOR)
            product = self.add("Mul", product, step)
            total = self.add("Add", total, product) if total else product
        offsets = self.keep(np.stack([*sums, layer.offset]).astype(np.float32))
        rows = self.add("Gemm", inputs.middles, offsets, total)
        shape = self.add("Concat", inputs.shape, self.keep([len(layer.offset)]), axis=0)
        self.nodes.append(helper.make_node("Reshape", [rows, shape], [layer.output]))


def divisors(sizes: Array, weight: Array) -> Array:
    """Fourths of powers of two `(in,)`, which other rounding of the sizes hardly changes."""
    least = LEAST_SIZE * max(np.median(sizes), SMALLEST)
    largest = np.maximum(np.abs(weight).max(axis=1), SMALLEST)
    fourths = np.rint(4 * np.log2(np.sqrt(np.maximum(sizes, least) / largest)))
    found: Array = np.exp2(fourths / 4).astype(np.float32)
    return found


def count_groups(columns: int) -> int:
    """How many groups of equal size the columns of a layer's inputs are taken in."""
    fewest = -(-columns // GROUP)
    return next(count for count in range(fewest, columns + 1) if columns % count == 0)
