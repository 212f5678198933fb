"""Text features of several layers: their pooled states, concatenated in the order named."""

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from small import save_encoders
from transformers import BertConfig, BertModel

from prodmatch.encoders.device import CPU
from prodmatch.encoders.graphs import OnnxTextEncoder, encoder_fingerprint
from prodmatch.encoders.networks.model_writer import read_image_weights
from prodmatch.encoders.networks.text import TextEncoder, load_bert
from prodmatch.encoders.quickest import open_text_encoder
from prodmatch.errors import ModelError
from prodmatch.model.preprocessing import TextSpec, read_spec

SPEC = TextSpec(max_tokens=32, layers=(2, 0, 1))
TEXTS = ["red shirt", "green chair number 12", "a lamp to try, and a boot, and a blue mug"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers, 32 wide."""
    return save_encoders(tmp_path_factory.mktemp("bert")).text


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_pooled_states_of_the_layers_are_concatenated_in_order(bert: Path, pooling: str) -> None:
    spec = replace(SPEC, pooling=pooling)  # type: ignore[arg-type]
    encoder = TextEncoder(bert, spec)
    assert encoder.dim == 3 * 32
    features = encoder.encode(TEXTS)
    network, tokenizer = load_bert(bert)
    for text, row in zip(TEXTS, features, strict=True):
        tokens = tokenizer(text, return_tensors="pt")
        with torch.inference_mode():
            states = network.eval()(**tokens, output_hidden_states=True).hidden_states
        pooled = [
            (states[layer][0].mean(0) if pooling == "mean" else states[layer][0, 0]).numpy()
            for layer in (2, 0, 1)
        ]
        np.testing.assert_allclose(row, np.concatenate(pooled), atol=1e-5)
    last = TextEncoder(bert, replace(spec, layers=None)).encode(TEXTS)
    np.testing.assert_allclose(features[:, :32], last, atol=1e-6)
    alone = TextEncoder(bert, replace(spec, layers=(2,))).encode(TEXTS)
    np.testing.assert_allclose(alone, last, atol=1e-6)


def test_the_graph_gives_the_same_layers(bert: Path, tmp_path: Path) -> None:
    graph = open_text_encoder(bert, SPEC, CPU, tmp_path)
    assert isinstance(graph, OnnxTextEncoder)
    exact = TextEncoder(bert, SPEC)
    assert graph.dim == exact.dim
    np.testing.assert_allclose(graph.encode(TEXTS), exact.encode(TEXTS), atol=1e-4)


def test_layers_are_read_back_and_part_of_the_fingerprint(bert: Path) -> None:
    content = {**asdict(SPEC), "layers": [2, 0, 1]}
    assert read_spec(TextSpec, content, "model.json") == SPEC
    fingerprints = {
        encoder_fingerprint(bert, replace(SPEC, layers=layers)) for layers in (None, (2, 0), (0, 2))
    }
    assert len(fingerprints) == 3


@pytest.mark.parametrize("layers", [(3,), (2, -4), ()])
def test_a_layer_that_the_encoder_lacks_is_named(bert: Path, layers: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match=rf"{bert}: .*layers.*0 to 2"):
        TextEncoder(bert, replace(SPEC, layers=layers))


def test_a_tokenizer_of_more_words_than_the_encoder_is_refused(bert: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(bert, tmp_path / "bert")
    encoder, tokenizer = load_bert(folder)
    config = BertConfig(**{**encoder.config.to_dict(), "vocab_size": 20})
    BertModel(config).save_pretrained(folder)
    message = rf"{folder}: its tokenizer has {tokenizer.vocab_size} words, its encoder 20"
    with pytest.raises(ModelError, match=message):
        load_bert(folder)


def test_weights_that_are_no_numbers_are_refused(bert: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(bert, tmp_path / "bert")
    weights = load_file(folder / "model.safetensors")
    name = next(each for each in weights if each.endswith("layer.1.output.dense.weight"))
    weights[name][0] = np.nan
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=rf"{folder}: 1 of its .* such as '.*layer.1.output"):
        load_bert(folder)
    torch.save({"conv1.weight": torch.full((2, 2), np.inf)}, tmp_path / "resnet.pth")
    with pytest.raises(ModelError, match=r"resnet.pth: 1 of its 1 weights hold NaN or infinity"):
        read_image_weights(tmp_path / "resnet.pth")
