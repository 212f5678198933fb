"""A model without a network in it: a night's run in a tenth of a second, for tests by the hundred.

A text's feature is the mean of its words' vectors, a picture's is its mean colour. The query
encoders are the same as ONNX files, so `index` and `query` run as they are.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from prodmatch.catalogue.reader import Catalogue, open_catalogue
from prodmatch.embed import EmbedReport, EmbedSettings, embed_catalogue
from prodmatch.embedding.encoding.encode import EncoderClasses
from prodmatch.index import IndexReport, index_embeddings
from prodmatch.model.description import (
    Model,
    ModelDescription,
    description_fields,
    open_model,
    write_description,
)
from prodmatch.model.heads import Heads
from prodmatch.model.preprocessing import ImageSpec, Pixels, TextSpec
from prodmatch.model.projection import Projection
from prodmatch.storage.atomic import list_files, new_directory, write_json
from prodmatch.storage.features import SHARD_ROWS
from prodmatch.storage.generations import open_generation
from prodmatch.storage.vectors import Vectors

WORDS = ("red", "blue", "green", "shirt", "mug", "chair", "lamp", "boot", "number")
WIDTH, DIM, SIDE = 6, 4, 8


def _table() -> Vectors:
    return np.random.default_rng(5).normal(size=(len(WORDS) + 2, WIDTH)).astype(np.float32)


def _tokenizer() -> Tokenizer:
    vocabulary = {word: position for position, word in enumerate(("[PAD]", "[UNK]", *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


class TinyText:
    """Stands where the BERT does."""

    def __init__(self, folder: Path, spec: TextSpec, device: object, graphs: Path) -> None:
        self.dim = WIDTH
        self.rows = 64
        self.tokenizer = _tokenizer()

    def encode(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        table = _table()
        rows = [table[self.tokenizer.encode(text).ids or [1]].mean(axis=0) for text in texts]
        return np.asarray(rows, np.float32)


class TinyImage:
    """Stands where the ResNet does."""

    def __init__(self, folder: Path, spec: ImageSpec, device: object, graphs: Path) -> None:
        self.dim = 3
        self.rows = 64
        self.spec = spec

    def encode(self, pixels: Pixels) -> Vectors:
        return np.asarray(pixels.astype(np.float64).mean(axis=(1, 2)) / 255 + 0.1, np.float32)


TINY = EncoderClasses(TinyText, TinyImage)  # type: ignore[arg-type]


def _projection(features: int) -> Projection:
    weight = np.random.default_rng(features).normal(size=(features, DIM)).astype(np.float32)
    zeros = np.zeros(DIM, np.float32)
    return Projection(weight, zeros, zeros, np.eye(DIM, dtype=np.float32))


def save_tiny_model(folder: Path, *, name: str = "tiny") -> Model:
    """A model directory whose encoders are those of this module."""
    for half in ("text", "image"):
        (folder / half).mkdir(parents=True)
        (folder / half / "config.json").write_text(json.dumps({"of": half}))
    Heads(_projection(WIDTH), _projection(3)).save(folder / "heads.safetensors")
    spec = ImageSpec(resize_pixels=SIDE, crop_pixels=SIDE)
    write_description(folder, ModelDescription(name, TextSpec(), spec))
    return open_model(str(folder))


def save_query_encoders(store: Path, model: Model) -> Path:
    """The model's query encoders, where `embed` would have put them."""
    folder = store / "encoders" / model.fingerprint[:32]
    with new_directory(folder) as temporary:
        _save_graph(temporary / "text.onnx", *_text_graph())
        _save_graph(temporary / "image.onnx", *_image_graph())
        model.heads.save(temporary / "heads.safetensors")
        _tokenizer().save(str(temporary / "tokenizer.json"))
        own = {
            "max_tokens": 64,
            "pad_id": 0,
            "dim": 1 + DIM,
            "model_fingerprint": model.fingerprint,
        }
        write_json(temporary / "encoders.json", {**description_fields(model.description), **own})
        write_json(temporary / "manifest.json", {"files": list_files(temporary)})
    return folder


Graph = tuple[list[onnx.NodeProto], list[onnx.ValueInfoProto], dict[str, np.ndarray], int]


def _text_graph() -> Graph:
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["states"]),
        helper.make_node("Cast", ["mask"], ["weights"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["weights", "last"], ["column"]),
        helper.make_node("Mul", ["states", "column"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "tokens"], ["sum"], keepdims=0),
        helper.make_node("ReduceSum", ["column", "tokens"], ["count"], keepdims=0),
        helper.make_node("Div", ["sum", "count"], ["features"]),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "t"])
        for name in ("ids", "mask")
    ]
    constants = {"table": _table(), "last": np.array([2]), "tokens": np.array([1])}
    return nodes, inputs, constants, WIDTH


def _image_graph() -> Graph:
    nodes = [
        helper.make_node("Cast", ["pixels"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values", "sides"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "most"], ["share"]),
        helper.make_node("Add", ["share", "tenth"], ["features"]),
    ]
    inputs = [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", SIDE, SIDE, 3])]
    constants = {
        "sides": np.array([1, 2]), "most": np.array([255], np.float32),
        "tenth": np.array([0.1], np.float32),
    }  # fmt: skip
    return nodes, inputs, constants, 3


def _save_graph(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    constants: dict[str, np.ndarray],
    width: int,
) -> None:
    output = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", width])
    kept = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, [output], kept)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path.write_bytes(made.SerializeToString())


def save_catalogue(path: Path, count: int, *, first: int = 0) -> Path:
    """A catalogue of products with words that the tiny model knows, and small pictures."""
    from small import SCHEMA, product

    rows = [product(number) for number in range(first, first + count)]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)
    return path


def lenient(workers: int = 0, shard_rows: int = SHARD_ROWS) -> EmbedSettings:
    """Settings that let every night through."""
    return EmbedSettings(
        device="cpu",
        workers=workers,
        max_reject=1.0,
        accept_changes=True,
        shard_rows=shard_rows,
    )


def embed_tiny(
    catalogue: Path | Catalogue, model: Model, store: Path, settings: EmbedSettings | None = None
) -> EmbedReport:
    """Embeds with the tiny encoders; by default whatever is rejected or gone."""
    opened = catalogue if isinstance(catalogue, Catalogue) else open_catalogue(catalogue)
    settings = settings or lenient()
    return embed_catalogue(opened, model, store, settings, classes=TINY)


def contents(store: Path) -> tuple[object, object]:
    """What the current generation and the current embeddings consist of."""
    embeddings = json.loads((store / "embeddings" / "CURRENT").read_text())
    return open_generation(store).files, embeddings


def night(
    catalogue: Path, model: Model, store: Path, workers: int = 0, shard_rows: int = SHARD_ROWS
) -> IndexReport:
    """The nightly run: embed, whatever is rejected or gone, then index."""
    embed_tiny(catalogue, model, store, lenient(workers, shard_rows))
    return index_embeddings(store, model=model)
