"""Text encoders that users bring: what is missing or of another kind is named, never guessed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file
from small import save_encoders
from transformers import AutoModel, CLIPConfig, PreTrainedConfig, T5Config, ViTConfig

from prodmatch.encoders.graphs import OnnxTextEncoder
from prodmatch.encoders.networks.model_writer import EncoderFiles
from prodmatch.encoders.networks.text import TextEncoder, load_bert, load_tokenizer
from prodmatch.encoders.quickest import ready_graph
from prodmatch.errors import ModelError
from prodmatch.model.preprocessing import TextSpec

SMALL = {
    "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8
}  # fmt: skip


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers, 32 wide."""
    return save_encoders(tmp_path_factory.mktemp("bert")).text


def other(bert: Path, folder: Path) -> Path:
    """A copy of the encoder, to be changed."""
    shutil.copytree(bert, folder)
    return folder


def rename_weights(folder: Path, rename: Callable[[str], str]) -> None:
    """Gives the weights of an encoder other names, or none where that is empty."""
    weights = folder / "model.safetensors"
    state = {rename(name): value for name, value in load_file(weights).items() if rename(name)}
    save_file(state, weights, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("rename", "count"),
    [
        (lambda name: f"module.{name}", "37 of 39"),  # as a training on several GPUs saves them
        (lambda name: "" if "layer.1" in name else name, "16 of 39"),
    ],
)
def test_an_encoder_is_never_random_in_part(
    rename: Callable[[str], str], count: str, bert: Path, tmp_path: Path
) -> None:
    folder = other(bert, tmp_path / "own")
    rename_weights(folder, rename)
    with pytest.raises(ModelError, match=f"files lack {count} weights, such as '"):
        load_bert(folder)
    shutil.copy(bert / "model.safetensors", folder)
    rename_weights(folder, lambda name: "" if name.startswith("pooler.") else name)
    load_bert(folder)  # the pooler is not used


def test_weights_in_another_form_are_named_with_what_rewrites_them(
    bert: Path, tmp_path: Path
) -> None:
    folder = other(bert, tmp_path / "own")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"are no safetensors.*save_pretrained"):
        load_bert(folder)


@pytest.mark.parametrize(
    "config",
    [
        T5Config(vocab_size=50, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2),
        CLIPConfig(text_config=SMALL, vision_config={**SMALL, "image_size": 32}),
        ViTConfig(**SMALL, image_size=32),
    ],
    ids=lambda config: str(config.model_type),
)
def test_what_is_no_encoder_of_texts_is_named(
    config: PreTrainedConfig, bert: Path, tmp_path: Path
) -> None:
    folder = other(bert, tmp_path / "own")
    AutoModel.from_config(config).save_pretrained(folder)
    kind = config.model_type
    with pytest.raises(ModelError, match=f"is a {kind}, and no text encoder of the BERT family"):
        load_bert(folder)


def test_a_tokenizer_is_written_for_graphs_where_there_are_only_its_words(
    bert: Path, tmp_path: Path
) -> None:
    folder, spec = other(bert, tmp_path / "own"), TextSpec(max_tokens=32)
    tokenizer = load_tokenizer(folder)
    words = sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word, _ in words))
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    weights = tmp_path / "resnet18.pth"
    torch.save(torchvision.models.resnet18().state_dict(), weights)
    files = EncoderFiles.of_files(folder, "resnet18", weights)
    copy = tmp_path / "copy"
    copy.mkdir()
    files.write_text(copy)
    found = OnnxTextEncoder(copy, spec, ready_graph(copy, spec, tmp_path / "graphs"))
    texts = ["Red shirt", "a blue lamp number 12"]
    assert found.tokenize(texts) == TextEncoder(bert, spec).tokenize(texts)


def test_an_encoder_without_words_is_named(bert: Path, tmp_path: Path) -> None:
    folder = other(bert, tmp_path / "own")
    for path in folder.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(ModelError, match="its tokenizer has no words"):
        load_bert(folder)


def test_tokens_that_differ_between_graph_and_torch_are_named(bert: Path, tmp_path: Path) -> None:
    folder = other(bert, tmp_path / "own")
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    content["normalizer"] = {"type": "Replace", "pattern": {"String": "t"}, "content": "x"}
    path.write_text(json.dumps(content))
    own = {"tokenizer_class": "BertTokenizer", "do_lower_case": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(own))
    with pytest.raises(ModelError, match="do not read texts the same way"):
        ready_graph(folder, TextSpec(max_tokens=32), tmp_path / "graphs")
