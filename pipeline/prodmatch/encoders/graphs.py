"""Graphs of encoders below a store, and encoders that run by them, without torch.

Graphs are called like the features that they give, by all that these depend on. Of a shipped
encoder the package holds the graph without its weights, and where in the model's file each of
them is. Writing them takes a fraction of a second where exporting takes ten.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from prodmatch.encoders.batches import ImageBatches, TextBatches, TokenLimits, Tokens
from prodmatch.encoders.device import CPU, Precision, has_int8, picture_precision
from prodmatch.model.onnx_session import Session, open_session, output_width, run_session
from prodmatch.model.preprocessing import ImageSpec, Pixels, TextSpec
from prodmatch.storage.atomic import (
    copy_file,
    digest_bytes,
    file_digests,
    list_files,
    new_directory,
    read_json,
    remove_path,
    verify_or_remove,
    write_file,
    write_json,
)
from prodmatch.storage.vectors import Vectors

FORMAT = b"features-3"  # raise it when the same files would give other features
NAMES = {"int8": "int8-2"}  # of precisions whose features have become others
OF_QUERIES = ("query_prefix", "query_words")  # fields of a spec that products' texts do not pass
logger = logging.getLogger(__name__)

SHIPPED = Path(__file__).parent.parent / "models" / "graphs"
TEXT, IMAGE = "text.onnx", "image.onnx"
TOKENS = "tokens.json"
WEIGHTS = "model.safetensors"
DESCRIBED = "weights.json"  # what of its tensors is where in the file of a graph's weights
NORM_EPSILON = 1e-3  # of the batch normalisation of EfficientNet-Lite0
Array = npt.NDArray[np.float32]
Tensors = Mapping[str, npt.NDArray[np.generic]]
SAMPLE_TEXTS = (
    "red t-shirt",
    "women's leather handbag, black",
    "usb-c cable 2 m",
    "Stuhl für Gäste",
)
INT8_IMAGE_ROWS = 4  # whose maps stay in the cache: a tenth less of a processor than 16 take


def encoder_fingerprint(
    folder: Path, spec: TextSpec | ImageSpec, precision: Precision = "float32"
) -> str:
    """What features depend on, as 64 hexadecimal digits: files, spec, precision."""
    stated = asdict(spec)
    if isinstance(spec, TextSpec):
        stated = {name: value for name, value in stated.items() if name not in OF_QUERIES}
    else:
        precision = picture_precision(precision, spec)
    parts = [FORMAT, json.dumps(stated, sort_keys=True).encode(), *file_digests(folder)]
    if precision != "float32":  # which had no name of its own before there was another
        parts.append(NAMES.get(precision, precision).encode())
    return digest_bytes(*parts)


def feature_name(folder: Path, spec: TextSpec | ImageSpec, precision: Precision = "float32") -> str:
    """What a store calls the features of an encoder, and the graph that gives them."""
    kind = "text" if isinstance(spec, TextSpec) else "image"
    return f"{kind}-{encoder_fingerprint(folder, spec, precision)[:32]}"


def graph_path(
    root: Path, folder: Path, spec: TextSpec | ImageSpec, precision: Precision = "float32"
) -> Path:
    """Where below `root` the graph of an encoder is, once it is made."""
    name = TEXT if isinstance(spec, TextSpec) else IMAGE
    return root / feature_name(folder, spec, precision) / name


def is_ready(graph: Path, folder: Path, shipped: Path = SHIPPED) -> bool:
    """Whether a graph is there and whole, or is one of the shipped ones and now written."""
    if verify_or_remove(graph.parent):
        if graph.name != TEXT or graph.with_name(TOKENS).exists():
            return True
        remove_path(graph.parent)  # of an earlier version
    own = shipped / graph.parent.name
    return own.is_dir() and _write_shipped(own, graph, folder)


def write_token_limits(folder: Path, limits: TokenLimits) -> None:
    """Writes next to a text encoder's graph what it reads of a text."""
    write_json(folder / TOKENS, asdict(limits))


def read_token_limits(graph: Path) -> TokenLimits:
    """What the encoder of a graph reads of a text.

    Raises:
        DamagedError: the file is missing, or does not say it.
    """
    content = read_json(graph.with_name(TOKENS))
    return TokenLimits(int(str(content["most"])), int(str(content["pad_id"])))


def weights_path(graph: Path) -> Path:
    """The file of a graph's weights, which are mapped and not read."""
    return graph.with_name(f"{graph.name}.data")


def _write_shipped(shipped: Path, graph: Path, folder: Path) -> bool:
    """Writes a shipped graph with its weights; False where these are not what they should be."""
    weights = read_json(shipped / DESCRIBED)
    content = fill_weights(weights, load_file(folder / WEIGHTS))
    if digest_bytes(content) != weights["digest"]:
        return False
    logger.info("writing %s, once for this store", graph.name, extra={"phase": "write graph"})
    with new_directory(graph.parent) as temporary:
        for path in shipped.iterdir():
            if path.name != DESCRIBED:
                copy_file(path, temporary / path.name)
        write_file(weights_path(temporary / graph.name), content)
        write_json(temporary / "manifest.json", {"files": list_files(temporary)})
    return True


def fill_weights(weights: Mapping[str, Any], tensors: Tensors) -> bytes:
    """The content of a graph's file of weights.

    Args:
        weights: `size` of the file, and of each tensor in it `offset`, `how` and `of`.
        tensors: of the encoder's file, by their names.
    """
    content = np.zeros(weights["size"], np.uint8)
    for entry in weights["tensors"]:
        values = [tensors[name].astype(np.float32) for name in entry["of"]]
        made = np.ascontiguousarray(MAKE[entry["how"]](*values)).view(np.uint8).reshape(-1)
        content[entry["offset"] :][: made.size] = made
    return content.tobytes()


def fold_weight(weight: Array, scale: Array, variance: Array) -> Array:
    """The weight of a convolution with its batch normalisation folded in, as torch folds it."""
    factors = scale * _inverse_deviation(variance)
    return weight * factors.reshape(-1, *[1] * (weight.ndim - 1))


def fold_bias(bias: Array, mean: Array, scale: Array, variance: Array) -> Array:
    """The bias of such a convolution, which had none of its own."""
    return -mean * _inverse_deviation(variance) * scale + bias


def _inverse_deviation(variance: Array) -> Array:
    deviation: Array = np.sqrt(variance + np.float32(NORM_EPSILON))
    return np.float32(1.0) / deviation


#: How a tensor of a graph is made of those of the encoder's file.
MAKE: Mapping[str, Callable[..., Array]] = {
    "same": lambda values: values,
    "transposed": np.transpose,
    "folded weight": fold_weight,
    "folded bias": fold_bias,
}


def sample_pictures(spec: ImageSpec) -> Pixels:
    """Four pictures of noise, three of them half white, in the size that an encoder sees."""
    side = spec.crop_pixels
    pixels = np.random.default_rng(0).integers(0, 255, (4, side, side, 3), dtype=np.uint8)
    pixels[1:, : side // 2] = 255  # most products stand on plain white
    return pixels


def open_graph(graph: Path, wide_integers: bool | None = None) -> Session:
    """A graph ready to run, batch by batch, each on one thread.

    Args:
        wide_integers: multiply 8-bit integers as wider ones, which no processor does with overflow;
            by default where this one does not multiply 8-bit ones itself.
    """
    wide = not has_int8(CPU.device) if wide_integers is None else wide_integers
    return open_session(graph, long_lived=True, threads=1, wide_integers=wide)


class OnnxTextEncoder(TextBatches):
    """Texts to features through `text.onnx`."""

    def __init__(
        self, folder: Path, spec: TextSpec, graph: Path, *, wide_integers: bool | None = None
    ) -> None:
        """Opens a model directory for its tokenizer, and its graph as `open_graph` does."""
        self.session = open_graph(graph, wide_integers)
        super().__init__(spec, read_token_limits(graph), output_width(self.session))
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(self.max_tokens)

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, cut to `max_tokens`."""
        return [encoded.ids for encoded in self.tokenizer.encode_batch(list(texts))]

    def run(self, ids: Tokens, mask: Tokens) -> Vectors:
        """Features `(n, dim)` of `(n, tokens)` ids under an attention mask of the same shape."""
        return run_session(self.session, {"ids": ids, "mask": mask})


class OnnxImageEncoder(ImageBatches):
    """Pictures to features through `image.onnx`."""

    def __init__(
        self,
        spec: ImageSpec,
        graph: Path,
        precision: Precision = "float32",
        *,
        wide_integers: bool | None = None,
    ) -> None:
        """Opens a graph as `open_graph` does."""
        self.session = open_graph(graph, wide_integers)
        super().__init__(spec, output_width(self.session))
        if precision == "int8":
            self.rows = INT8_IMAGE_ROWS

    def run(self, pixels: Pixels) -> Vectors:
        """Features `(n, dim)` of a batch `(n, side, side, 3)`."""
        return run_session(self.session, {"pixels": pixels})
