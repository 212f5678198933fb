"""Encoders as a hub lays them out, heads, and what a model directory must be."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torchvision
from small import embed, products, run, save_encoders, write
from transformers import AutoModel, BertConfig, BertModel

from prodmatch.catalogue.reader import open_catalogue
from prodmatch.encoders.graphs import encoder_fingerprint
from prodmatch.encoders.networks.image import ImageEncoder
from prodmatch.encoders.networks.model_writer import (
    EncoderFiles,
    find_image_spec,
    find_text_spec,
    read_image_weights,
)
from prodmatch.encoders.networks.text import TextEncoder
from prodmatch.errors import ModelError, StoreError
from prodmatch.index import index_embeddings
from prodmatch.model.calibration import Calibration
from prodmatch.model.description import Model, open_model
from prodmatch.model.preprocessing import ImageSpec, TextSpec
from prodmatch.search.product_index import open_index
from prodmatch.search.scoring import Ranked, Signals, learn, rank
from prodmatch.train import HeadSettings, fit_heads


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoders(tmp_path_factory.mktemp("encoders"), seed=3).text


def test_mean_pooling_leaves_padding_out(bert: Path) -> None:
    encoder = TextEncoder(bert, TextSpec(pooling="mean", max_tokens=32))
    texts = ["red shirt", "green chair number 12 and a blue lamp"]
    found = encoder.encode(texts)
    model = AutoModel.from_pretrained(bert).eval()
    for text, vector in zip(texts, found, strict=True):
        ids = torch.tensor([encoder.tokenizer(text)["input_ids"]])
        with torch.no_grad():
            expected = model(ids).last_hidden_state.mean(dim=1)[0].numpy()
        np.testing.assert_allclose(vector, expected, atol=1e-5)


def test_a_feature_does_not_depend_on_its_neighbours(bert: Path) -> None:
    encoder = TextEncoder(bert, TextSpec(max_tokens=32))
    texts = [
        f"{row['title']} {'and more ' * (number % 5)}" for number, row in enumerate(products(90))
    ]
    together = encoder.encode(texts)
    for position in (0, 17, 89):
        np.testing.assert_array_equal(encoder.encode([texts[position]])[0], together[position])


def test_prefixes_and_pooling_are_those_of_the_models_own_configuration(
    bert: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "bge"
    shutil.copytree(bert, folder)
    assert find_text_spec(folder) == TextSpec(pooling="mean", max_tokens=40)
    (folder / "1_Pooling").mkdir()
    pooling = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    prompts = {"prompts": {"query": "query: ", "passage": "passage: "}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 24}')
    spec = find_text_spec(folder)
    assert spec == TextSpec("cls", 24, passage_prefix="passage: ", query_prefix="query: ")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": null}')
    assert find_text_spec(folder).max_tokens == 40


@pytest.mark.parametrize(
    ("content", "pooling"),
    [
        ({"pooling_mode": "cls", "include_prompt": True}, "cls"),  # as newer libraries write it
        ({"pooling_mode": ["cls"]}, "cls"),
        ({"pooling_mode": "mean"}, "mean"),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode": "lasttoken"}, None),
        ({"pooling_mode": ["cls", "mean"]}, None),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}, None),
        ({"pooling_mode_max_tokens": True}, None),
    ],
)
def test_pooling_is_read_in_either_form_and_never_guessed(
    content: object, pooling: str | None, bert: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "own"
    shutil.copytree(bert, folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(content))
    if pooling:
        assert find_text_spec(folder).pooling == pooling
        return
    with pytest.raises(ModelError, match="only mean and cls are known"):
        find_text_spec(folder)


def test_of_a_long_query_the_first_words_are_read(bert: Path) -> None:
    spec = TextSpec(max_tokens=32, passage_prefix="p: ", query_prefix="q: ", query_words=3)
    encoder = TextEncoder(bert, spec)
    long, short = "red  shirt for a chair", "red  shirt, blue"
    assert spec.query(long) == "q: red shirt for"
    assert spec.query(short) == f"q: {short}"
    assert spec.passage(long) == f"p: {long}"
    assert replace(spec, query_words=None).query(long) == f"q: {long}"
    cut, whole, product = (
        encoder.tokenize([text], query=asked)
        for text, asked in (("red shirt for", True), (long, True), (long, False))
    )
    assert cut == whole != product
    assert len(product[0]) > len(whole[0])
    # features of products are kept whatever is read of queries
    assert encoder_fingerprint(bert, spec) == encoder_fingerprint(
        bert, replace(spec, query_words=9)
    )


def test_pictures_are_seen_as_the_weights_were_trained() -> None:
    spec = find_image_spec("resnet50")
    weights = torchvision.models.ResNet50_Weights.DEFAULT.transforms()
    assert (spec.resize_pixels, spec.crop_pixels) == (weights.resize_size[0], weights.crop_size[0])
    assert (list(spec.mean), list(spec.std)) == (weights.mean, weights.std)
    for name in ("vgg16", "resnet", "no-such"):
        with pytest.raises(ModelError, match="is no ResNet of torchvision"):
            find_image_spec(name)


def test_picture_features_are_pooled_and_not_class_scores(tmp_path: Path) -> None:
    torch.manual_seed(0)
    resnet = torchvision.models.resnet18().eval()
    torch.save(resnet.state_dict(), tmp_path / "w.pth")
    folder = tmp_path / "image"
    folder.mkdir()
    from safetensors.torch import save_file

    save_file(dict(read_image_weights(tmp_path / "w.pth")), folder / "model.safetensors")
    spec = ImageSpec(architecture="resnet18", resize_pixels=32, crop_pixels=32)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    found = ImageEncoder(folder, spec).encode(pixels)
    resnet.fc = torch.nn.Identity()
    shown = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
    mean, std = torch.tensor(spec.mean).view(3, 1, 1), torch.tensor(spec.std).view(3, 1, 1)
    with torch.no_grad():
        expected = resnet((shown - mean) / std).numpy()
    assert found.shape == (2, 512)
    cosines = (
        (found * expected).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)
    )
    assert cosines.min() > 0.999


def test_weights_that_run_code_are_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "ran",)  # type: ignore[return-value]

    torch.save({"conv1.weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ModelError, match="no state_dict that is safe to read"):
        read_image_weights(tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()
    torch.save(torch.nn.Linear(2, 2), tmp_path / "whole.pth")
    with pytest.raises(ModelError, match=r"Write it with torch\.save") as found:
        read_image_weights(tmp_path / "whole.pth")
    assert "weights_only" not in str(found.value)


def test_a_new_head_encodes_nothing_again(model: Model, tmp_path: Path) -> None:
    catalogue = open_catalogue(write(tmp_path / "c.parquet", products(80)))
    store = tmp_path / "store"
    first = embed(catalogue.path, model, store)
    settings = HeadSettings(dim=6, workers=0)
    files = replace(EncoderFiles.of_model(model), heads=None)
    report = fit_heads(catalogue, files, tmp_path / "new", store, settings)
    other = open_model(str(tmp_path / "new"))
    second = embed(catalogue.path, other, store)
    assert first.texts_encoded == first.images_encoded == 80
    assert (second.texts_encoded, second.images_encoded) == (0, 0)
    assert report.pairs + report.held_out == 80
    assert other.heads.dim == 6
    assert second.embeddings != first.embeddings


def test_a_model_is_never_overwritten(model: Model, tmp_path: Path) -> None:
    catalogue = open_catalogue(write(tmp_path / "c.parquet", products(80)))
    with pytest.raises(StoreError, match="never overwritten"):
        fit_heads(catalogue, EncoderFiles.of_model(model), tmp_path, tmp_path / "store")


@pytest.mark.parametrize(
    ("field", "change", "message"),
    [
        ("calibration", {"scale": "steep"}, "could not convert"),
        ("calibration", {"scale": float("nan")}, "'calibration' must be numbers named scale, bias"),
        ("weights", {"image": -1.0}, "none may be negative"),
        ("weights", {"image": 0.0, "text": 0.0}, "text or image must count"),
        ("weights", {"brand": 0.5}, "'weights' must be numbers named lexical, text, image"),
        ("text", {"pooling": "max"}, "'text': 'pooling' cannot be 'max'"),
        ("text", {"max_tokens": 0}, "'text': 'max_tokens' cannot be 0"),
        ("text", {"max_tokens": True}, "'text': 'max_tokens' cannot be True"),
        ("text", {"max_tokens": 10**9}, "'text': 'max_tokens' cannot be 1000000000"),
        ("text", {"query_words": 0}, "'text': 'query_words' cannot be 0"),
        ("text", {"query_words": "9"}, "'text': 'query_words' cannot be '9'"),
        ("text", {"passage_prefix": None}, "'text': 'passage_prefix' cannot be None"),
        ("text", {"layers": [-1]}, r"'text': 'layers' cannot be \[-1\]"),
        ("text", {"layers": []}, r"'text': 'layers' cannot be \[\]"),
        ("text", {"layers": [0.5]}, r"'text': 'layers' cannot be \[0.5\]"),
        ("image", {"std": [0.2, 0, 0.2]}, r"'image': 'std' cannot be \[0.2, 0, 0.2\]"),
        ("image", {"std": [0.2, -0.2, 0.2]}, "'image': 'std' cannot be"),
        ("image", {"std": [0.2, 0.2]}, "'image': 'std' cannot be"),
        ("image", {"std": 0.2}, "'image': 'std' cannot be 0.2"),
        ("image", {"std": ["0.2", 0.2, 0.2]}, "'image': 'std' cannot be"),
        ("image", {"mean": [0.5, float("nan"), 0.5]}, "'image': 'mean' cannot be"),
        ("image", {"mean": [0.5, float("inf"), 0.5]}, "'image': 'mean' cannot be"),
        ("image", {"crop_pixels": 10**6}, "'image': 'crop_pixels' cannot be 1000000"),
        ("image", {"architecture": 50}, "'image': 'architecture' cannot be 50"),
        ("weights", {"text": 1e308, "image": 1e308}, "none may be negative or above 1e"),
    ],
)
def test_a_description_changed_by_hand_is_refused(
    model: Model, tmp_path: Path, field: str, change: dict[str, object], message: str
) -> None:
    shutil.copytree(model.folder, tmp_path / "m")
    path = tmp_path / "m/model.json"
    content = json.loads(path.read_bytes())
    path.write_text(json.dumps({**content, field: {**content[field], **change}}))
    with pytest.raises(ModelError, match=message) as found:
        open_model(tmp_path / "m")
    assert str(path) in str(found.value)


@pytest.mark.parametrize("name", [None, 7, "", "  "])
def test_a_model_without_a_name_is_refused(model: Model, tmp_path: Path, name: object) -> None:
    shutil.copytree(model.folder, tmp_path / "m")
    path = tmp_path / "m/model.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "name": name}))
    with pytest.raises(ModelError, match="'name' must be text"):
        open_model(tmp_path / "m")


def test_a_text_encoder_copied_in_part_is_named(bert: Path, tmp_path: Path) -> None:
    shutil.copytree(bert, tmp_path / "bert")
    weights = tmp_path / "bert/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelError, match="bert: the text encoder cannot be loaded"):
        TextEncoder(tmp_path / "bert", TextSpec())
    weights.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ModelError, match="bert: the text encoder cannot be loaded"):
        TextEncoder(tmp_path / "bert", TextSpec())


def test_heads_need_enough_products(model: Model, tmp_path: Path) -> None:
    catalogue = open_catalogue(write(tmp_path / "c.parquet", products(20)))
    settings = HeadSettings(workers=0)
    with pytest.raises(ModelError, match="only 20 distinct products"):
        fit_heads(catalogue, EncoderFiles.of_model(model), tmp_path / "m", tmp_path / "s", settings)


def test_the_shipped_model_is_small_and_has_a_card() -> None:
    shipped = open_model("compact")
    files = [path for path in shipped.folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 70_000_000
    card = (shipped.folder / "README.md").read_text()
    for word in ("Sources", "CC0", "split", "English", "clothing", "SHA-256"):
        assert word in card
    assert AutoModel.from_pretrained(shipped.folder / "text").config.hidden_size == 384


@pytest.mark.slow
def test_bert_base_and_resnet50_go_the_way_of_any_model(tmp_path: Path) -> None:
    tokenizer = save_encoders(tmp_path).text
    torch.manual_seed(0)
    BertModel(BertConfig()).save_pretrained(tmp_path / "bert-base-uncased")  # its architecture
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tokenizer / name, tmp_path / "bert-base-uncased")
    torch.save(torchvision.models.resnet50().state_dict(), tmp_path / "resnet50.pth")
    catalogue = write(tmp_path / "c.parquet", products(60))
    trained = run(
        "train", catalogue, "--out", tmp_path / "large", "--store", tmp_path / "store",
        "--text-encoder", tmp_path / "bert-base-uncased", "--image-encoder", "resnet50",
        "--image-weights", tmp_path / "resnet50.pth", "--dim", "16",
    )  # fmt: skip
    assert trained.code == 0, trained.err
    report = embed(catalogue, open_model(str(tmp_path / "large")), tmp_path / "store")
    assert (report.texts_encoded, report.images_encoded, report.embedded) == (0, 0, 60)
    index_embeddings(tmp_path / "store")
    words = {"lexical": 0.8, "text": 0.1, "image": 0.1}  # encoders of random weights know nothing
    hits = open_index(tmp_path / "store").search("blue mug number 1", top=60, weights=words)
    assert (len(hits), hits[0].product_id) == (60, "p0001")


def signals(**changes: object) -> Signals:
    parts: dict[str, object] = {
        "lexical": np.array([1.0, 0.5, 0], np.float32),
        "text": np.array([0.1, 0.5, 0.3], np.float32),
        "image": np.array([0.2, 0.0, 0.4], np.float32),
        "has_text": np.array([True, True, True]),
        "has_image": np.array([True, True, True]),
        "has_words": True,
    }
    return Signals(**{**parts, **changes})  # type: ignore[arg-type]


def score(
    rows: npt.NDArray[np.int64],
    found: Signals,
    weights: Mapping[str, float],
    calibration: Calibration,
) -> Ranked:
    return rank(rows, found, learn(found, weights, ()), calibration)


def test_scores_are_the_weighted_sum_of_the_legs(model: Model) -> None:
    weights = {"lexical": 1.0, "text": 0.4, "image": 0.6}
    ranked = score(np.arange(3), signals(), weights, model.description.calibration)
    np.testing.assert_allclose(
        ranked.score, [0.5 + 0.02 + 0.06, 0.25 + 0.1 + 0, 0 + 0.06 + 0.12], atol=1e-6
    )
    np.testing.assert_allclose(ranked.score, ranked.lexical + ranked.text + ranked.image, atol=1e-6)


def many_signals(rng: np.random.Generator, *, without: str, share: float = 0.3) -> Signals:
    """A thousand candidates whose parts agree somewhat, a share of them without one half."""
    common = rng.normal(size=1000)
    text, image = (common + rng.normal(size=1000) for _ in range(2))
    lexical = np.maximum(common + rng.normal(size=1000), 0.0)
    present = rng.random(1000) > share
    has_text = present if without == "text" else np.ones(1000, bool)
    has_image = present if without == "image" else np.ones(1000, bool)
    return Signals(
        lexical=(0.3 * lexical * has_text).astype(np.float32),
        text=((0.4 + 0.1 * text) * has_text).astype(np.float32),
        image=((0.2 + 0.05 * image) * has_image).astype(np.float32),
        has_text=has_text,
        has_image=has_image,
        has_words=True,
    )


@pytest.mark.parametrize("without", ["text", "image"])
def test_a_missing_half_neither_favours_nor_punishes(without: str) -> None:
    weights = {"lexical": 0.2, "text": 0.4, "image": 0.4}
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(50):
        found = many_signals(rng, without=without)
        ranked = score(np.arange(1000), found, weights, Calibration())
        lacking = ~(found.has_text & found.has_image)
        shares.append(lacking[np.argsort(-ranked.score)[:100]].mean())
        part = ranked.text if without == "text" else ranked.image
        np.testing.assert_array_equal(part[lacking], 0.0)
    assert 0.2 < float(np.mean(shares)) < 0.4  # 0.3 lack the half


def test_a_half_without_weight_stands_in_for_nothing() -> None:
    found = many_signals(np.random.default_rng(0), without="image")
    ranked = score(np.arange(1000), found, {"lexical": 0, "text": 0, "image": 1}, Calibration())
    np.testing.assert_array_equal(ranked.score[~found.has_image], 0.0)


def test_a_leg_that_is_asked_for_alone_ranks_alone(model: Model) -> None:
    ranked = score(np.arange(3), signals(), {"lexical": 0, "text": 0, "image": 1}, Calibration())
    np.testing.assert_allclose(ranked.score, [0.2, 0.0, 0.4], atol=1e-6)
    pictures = signals(lexical=np.zeros(3, np.float32), has_words=False)
    ranked = score(np.arange(3), pictures, {"lexical": 2, "text": 1, "image": 1}, Calibration())
    np.testing.assert_allclose(ranked.score, [0.15, 0.25, 0.35], atol=1e-6)
