"""Text encoders that users bring: what is missing or of another kind is named, never guessed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file
from small import save_encoders
from transformers import (
    AutoModel,
    BertConfig,
    BertModel,
    CLIPConfig,
    PreTrainedConfig,
    RobertaConfig,
    RobertaModel,
    T5Config,
    ViTConfig,
)

from prodmatch.encoders.graphs import OnnxTextEncoder
from prodmatch.encoders.networks.model_writer import EncoderFiles, find_text_spec
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


def write_settings(folder: Path, **files: object) -> None:
    """Writes files of sentence-transformers into an encoder's folder, by the names given here."""
    names = {
        "pooling": "1_Pooling/config.json",
        "prompts": "config_sentence_transformers.json",
        "reading": "sentence_bert_config.json",
    }
    (folder / "1_Pooling").mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / names[name]).write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("prompts", "query", "passage"),
    [
        ({"prompts": {"query": None, "document": None}}, "", ""),
        ({"prompts": {"query": "q: ", "document": "", "passage": "p: "}}, "q: ", "p: "),
        ({"prompts": {"query": "q: ", "corpus": "c: "}}, "q: ", "c: "),
        ({"prompts": {"any": "a: "}, "default_prompt_name": "any"}, "a: ", "a: "),
        ({"prompts": {"any": "a: ", "query": "q: "}, "default_prompt_name": "any"}, "q: ", "a: "),
        ({"prompts": {"any": "a: "}, "default_prompt_name": None}, "", ""),
        ({"prompts": {"any": "a: "}, "default_prompt_name": ["any"]}, "", ""),
    ],
)
def test_prefixes_are_those_that_sentence_transformers_reads(
    prompts: object, query: str, passage: str, bert: Path, tmp_path: Path
) -> None:
    folder = other(bert, tmp_path / "own")
    write_settings(folder, prompts=prompts)
    spec = find_text_spec(folder)
    assert (spec.query_prefix, spec.passage_prefix) == (query, passage)


def test_a_prefix_that_is_not_to_be_pooled_is_refused(bert: Path, tmp_path: Path) -> None:
    folder = other(bert, tmp_path / "own")
    pooling = {"pooling_mode_mean_tokens": True, "include_prompt": False}
    write_settings(folder, pooling=pooling)
    assert find_text_spec(folder).pooling == "mean"  # no prefix
    write_settings(folder, prompts={"prompts": {"query": "query: "}})
    with pytest.raises(ModelError, match=r"1_Pooling/config.json: leaves the prefixes out"):
        find_text_spec(folder)


def test_an_encoder_of_small_letters_whose_tokenizer_keeps_capitals_is_refused(
    bert: Path, tmp_path: Path
) -> None:
    folder = other(bert, tmp_path / "own")
    write_settings(folder, reading={"max_seq_length": 32, "do_lower_case": True})
    find_text_spec(folder)  # the tokenizer makes letters small itself
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    content["normalizer"] = None
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError, match=r"`do_lower_case` is true.*keeps capital letters"):
        find_text_spec(folder)


def test_positions_of_a_roberta_begin_after_that_of_the_padding(bert: Path, tmp_path: Path) -> None:
    folder = other(bert, tmp_path / "own")
    config = RobertaConfig(vocab_size=200, max_position_embeddings=20, pad_token_id=1, **SMALL)
    RobertaModel(config).save_pretrained(folder)
    encoder = TextEncoder(folder, TextSpec(max_tokens=20))
    assert encoder.max_tokens == 18
    assert np.isfinite(encoder.encode(["red shirt " * 30])).all()


def test_graph_and_torch_cut_long_texts_at_the_same_end(bert: Path, tmp_path: Path) -> None:
    folder, spec = other(bert, tmp_path / "own"), TextSpec(max_tokens=8)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "truncation_side": "left"}))
    graph = OnnxTextEncoder(folder, spec, ready_graph(folder, spec, tmp_path / "graphs"))
    text = "red shirt, green chair number 12 and a blue lamp"
    assert graph.tokenize([text]) == TextEncoder(folder, spec).tokenize([text])


def test_a_text_without_tokens_has_features(bert: Path, tmp_path: Path) -> None:
    """As of a tokenizer that adds none at a text's ends."""
    folder = other(bert, tmp_path / "own")
    path = folder / "tokenizer.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "post_processor": None}))
    encoder = TextEncoder(folder, TextSpec(max_tokens=8))
    assert encoder.token_ids(["\u200b"]) == [[]]
    assert np.isfinite(encoder.encode(["\u200b", "red shirt"])).all()


@pytest.mark.parametrize("pooling", [None, "cls", "mean"])
def test_a_decoder_is_taken_only_where_its_files_say_how_it_pools(
    pooling: str | None, bert: Path, tmp_path: Path
) -> None:
    """A word's state has nothing of what follows: the first one's is of no text but its own."""
    folder, weights = other(bert, tmp_path / "own"), tmp_path / "resnet18.pth"
    BertModel(BertConfig(vocab_size=200, is_decoder=True, **SMALL)).save_pretrained(folder)
    torch.save(torchvision.models.resnet18().state_dict(), weights)
    if pooling:
        write_settings(folder, pooling={"pooling_mode": pooling})
    if pooling == "mean":
        assert EncoderFiles.of_files(folder, "resnet18", weights).text.pooling == "mean"
        return
    with pytest.raises(ModelError, match="reads each word without those after it, as decoders do"):
        EncoderFiles.of_files(folder, "resnet18", weights)
