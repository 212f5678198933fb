"""Graphs of ResNets in 8-bit integers: a step for each tensor, and for each channel of a sum.

What loses most stays in float32 and costs little: the first convolution, those of shortcuts, and
the sums. Figures: docs/experiments.md, "What runs encoders on a CPU".
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper

from prodmatch.encoders.device import CPU, has_int8
from prodmatch.encoders.int8_graphs import (
    CENTRE,
    LARGEST,
    SMALLEST,
    Array,
    Nodes,
    find_users,
    load_graph,
    open_inner,
    put_nodes,
    save_graph,
)
from prodmatch.model.onnx_session import open_session, run_session
from prodmatch.model.preprocessing import Pixels
from prodmatch.storage.vectors import Vectors

DRAWN = 64  # pictures that tell how large the numbers of a network are
MEASURED = 4  # of them at a time
ROOM = 2.0  # of what is added up: photographs reach beyond the ranges of drawn pictures
WIDTHS = (1.0, 0.95, 0.9, 0.85, 0.8)  # of the inputs' ranges, that are tried
STEPS = np.float32(255)  # of an input, from 0 on


@dataclass(frozen=True)
class Range:
    """Of a tensor, by its channels."""

    least: Array
    most: Array


@dataclass(frozen=True)
class Convolution:
    """A convolution whose input is not negative, as it comes from a ReLU."""

    node: NodeProto
    weight: Array  # (out, in, height, width)
    bias: Array  # (out,)

    @property
    def input(self) -> str:
        """What the layer reads."""
        return str(self.node.input[0])

    @property
    def output(self) -> str:
        """What the layer gives."""
        return str(self.node.output[0])


def quantise_resnet(exact: Path, out: Path, side: int) -> None:
    """Writes a ResNet's graph with most of its convolutions in 8-bit integers.

    The ranges are those of drawn pictures, so a graph depends on the weights alone. Of a few
    widths of the inputs' ranges that is taken which loses least of these pictures: plain white,
    rounded the same way all over a picture, makes the loss jump from width to width.

    Args:
        exact: the graph in float32, with its weights.
        out: the file to write; its weights lie next to it.
        side: of the pictures that the network reads.
    """
    pixels = draw_pictures(side)
    convolutions = find_convolutions(load_graph(exact))
    names = list(dict.fromkeys(name for each in convolutions for name in (each.input, each.output)))
    ranges = measure_ranges(exact, names, pixels)
    features = _run(exact, pixels)
    losses = {}
    with tempfile.TemporaryDirectory() as temporary:
        for width in WIDTHS:
            path = Path(temporary) / f"{width}.onnx"
            _write(exact, ranges, width, path)
            losses[width] = float(np.square(_run(path, pixels) - features).sum())
    _write(exact, ranges, min(WIDTHS, key=lambda width: losses[width]), out)


def _write(exact: Path, ranges: Mapping[str, Range], width: float, out: Path) -> None:
    model = load_graph(exact)
    replace_convolutions(model, find_convolutions(model), ranges, width)
    save_graph(model, out)


def _run(graph: Path, pixels: Pixels) -> Vectors:
    session = open_session(graph, long_lived=True, wide_integers=not has_int8(CPU.device))
    parts = [pixels[start : start + MEASURED] for start in range(0, len(pixels), MEASURED)]
    return np.concatenate([run_session(session, {"pixels": part}) for part in parts])


def draw_pictures(side: int) -> Pixels:
    """Pictures of few colours, sharp or soft, with grain, half of them on white."""
    rng, drawn = np.random.default_rng(0), []
    for number in range(DRAWN):
        cells = int(rng.integers(2, 13))
        places = np.linspace(0, cells - 1, side)
        if number % 2:
            places = np.rint(places)
        weights = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(cells)))  # (side, cells)
        colours = rng.integers(0, 256, (3, cells, cells))
        picture = (weights @ colours @ weights.T).transpose(1, 2, 0)
        picture += rng.integers(-12, 13, (side, side, 1))
        if number % 4 >= 2:
            margin = side // 5
            inner = slice(margin, side - margin)
            white = np.full_like(picture, 255)
            white[inner, inner] = picture[inner, inner]
            picture = white
        drawn.append(np.clip(picture, 0, 255).astype(np.uint8))
    return np.stack(drawn)


def find_convolutions(model: ModelProto) -> list[Convolution]:
    """The convolutions to replace, in a graph's order."""
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    makers = {node.output[0]: node for node in model.graph.node}
    users = find_users(model)
    found = []
    for node in model.graph.node:
        if node.op_type != "Conv" or makers[node.input[0]].op_type not in ("Relu", "MaxPool"):
            continue
        is_shortcut = len(users[node.input[0]]) > 1 and users[node.output[0]][0].op_type == "Add"
        if not is_shortcut:
            weight = tensors[node.input[1]].astype(np.float32)
            given = [tensors[name].astype(np.float32) for name in node.input[2:]]
            bias = given[0] if given else np.zeros(len(weight), np.float32)
            found.append(Convolution(node, weight, bias))
    return found


def measure_ranges(exact: Path, names: Sequence[str], pixels: Pixels) -> dict[str, Range]:
    """The least and the largest number of each channel of these tensors, over pictures."""
    ranges: dict[str, Range] = {}
    with open_inner(exact, names) as session:
        for start in range(0, len(pixels), MEASURED):
            given = {"pixels": pixels[start : start + MEASURED]}
            for name, found in zip(names, session.run(list(names), given), strict=True):
                least, most = found.min(axis=(0, 2, 3)), found.max(axis=(0, 2, 3))
                before = ranges.get(name, Range(least, most))
                ranges[name] = Range(np.minimum(before.least, least), np.maximum(before.most, most))
    return ranges


def replace_convolutions(
    model: ModelProto,
    convolutions: Sequence[Convolution],
    ranges: Mapping[str, Range],
    width: float = 1.0,
) -> None:
    """Puts convolutions of integers in place of those in float32.

    Args:
        ranges: of the inputs and outputs of the convolutions.
        width: of the inputs' ranges, what is above is cut off.
    """
    layers = {each.output: each for each in convolutions}
    steps = {
        each.input: np.maximum(ranges[each.input].most.max() * np.float32(width), SMALLEST) / STEPS
        for each in convolutions
    }
    inner = _find_inner(model, layers)
    rounded: dict[str, str] = {}  # tensors by those in float32 that they stand for
    nodes, tensors = [], []
    for node in model.graph.node:
        layer = layers.get(node.output[0])
        if layer is None:
            nodes += [] if node.output[0] in inner.values() else [node]
            continue
        made = _Int8Convolution(layer, steps[layer.input])
        if layer.input not in rounded:
            rounded[layer.input] = made.round_input()
        relu = inner.get(layer.output)
        if relu:
            rounded[relu] = made.convolve(rounded[layer.input], steps[relu])
        else:
            made.convolve_to_float(rounded[layer.input], ranges[layer.output])
        nodes += made.nodes
        tensors += made.tensors
    put_nodes(model, nodes, tensors)


def _find_inner(model: ModelProto, layers: Mapping[str, Convolution]) -> dict[str, str]:
    """Outputs of convolutions, and of their ReLUs, that only other convolutions read."""
    users = find_users(model)
    found = {}
    for name in layers:
        follower = users[name][0]
        readers = users.get(follower.output[0], [])
        if (
            follower.op_type == "Relu"
            and readers
            and all(each.output[0] in layers for each in readers)
        ):
            found[name] = follower.output[0]
    return found


class _Int8Convolution(Nodes):
    """A convolution by products of integers."""

    def __init__(self, layer: Convolution, step: np.float32) -> None:
        super().__init__(layer.output)
        self.layer, self.step = layer, step
        largest = np.abs(layer.weight).max(axis=(1, 2, 3))
        self.scales = np.maximum(largest, SMALLEST) / np.float32(LARGEST)

    def round_input(self) -> str:
        """The input as integers from 0 on."""
        step, zero = self.keep(self.step), self.keep(np.uint8(0))
        return self.add("QuantizeLinear", self.layer.input, step, zero)

    def convolve(self, whole: str, step: np.float32) -> str:
        """The output after its ReLU, which is that nothing is below the zero point, 0."""
        return self._multiply(whole, self.scales, step, 0)

    def convolve_to_float(self, whole: str, sizes: Range) -> None:
        """The output in float32, through integers with a step and a middle of each channel."""
        middle: Array = (sizes.most + sizes.least) / np.float32(2)
        half: Array = (sizes.most - sizes.least) / np.float32(2)
        steps = np.maximum(half, SMALLEST + half.max() / STEPS) * np.float32(ROOM / LARGEST)
        found = self._multiply(whole, self.scales / steps, np.float32(1), CENTRE, middle)
        unit, centre = self.keep(np.float32(1)), self.keep(np.uint8(CENTRE))
        centred = self.add("DequantizeLinear", found, unit, centre)  # of each channel it is slow
        scaled = self.add("Mul", centred, self.keep(steps.reshape(-1, 1, 1)))
        moved = [scaled, self.keep(middle.reshape(-1, 1, 1))]
        self.nodes.append(helper.make_node("Add", moved, [self.layer.output]))

    def _multiply(
        self, whole: str, scales: Array, step: np.float32, centre: int, middle: Array | None = None
    ) -> str:
        weight = np.rint(self.layer.weight / self.scales.reshape(-1, 1, 1, 1)).astype(np.int8)
        added = self.layer.bias if middle is None else self.layer.bias - middle
        bias = np.rint(added / (self.step.astype(np.float64) * self.scales))
        limits = np.iinfo(np.int32)
        kept = (
            (self.step, np.uint8(0)),
            (weight, scales, np.zeros(len(weight), np.int8)),
            (step, np.uint8(centre), np.clip(bias, limits.min, limits.max).astype(np.int32)),
        )
        names = [self.keep(values) for group in kept for values in group]
        found = self.add("QLinearConv", whole, *names)
        self.nodes[-1].attribute.extend(self.layer.node.attribute)
        return found
