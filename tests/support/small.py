"""Small catalogues and small random models, made the way a user's own would be."""

import io
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import torchvision
from PIL import Image
from transformers import BertConfig, BertModel

from prodmatch.catalogue.reader import CatalogueOptions, open_catalogue
from prodmatch.embed import EmbedReport, EmbedSettings, embed_catalogue
from prodmatch.encoders.networks.efficientnet import EfficientNetLite0, save_lite0
from prodmatch.model.description import Model
from prodmatch.pretraining.tokenizer import train_tokenizer

COLOURS = {"red": (210, 20, 30), "blue": (20, 60, 200), "green": (20, 150, 60)}
KINDS = ("shirt", "mug", "chair", "lamp", "boot")
Row = dict[str, object]


def draw(colour: tuple[int, int, int], seed: int, *, form: str = "PNG", side: int = 24) -> bytes:
    """A noisy square of a colour, another one for every seed."""
    rng = np.random.default_rng(seed)
    pixels = np.clip(np.array(colour) + rng.integers(-20, 21, (side, side, 3)), 0, 255)
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, form)
    return out.getvalue()


def product(number: int) -> Row:
    """The product of a number: its own title, picture and price."""
    colour = list(COLOURS)[number % len(COLOURS)]
    kind = KINDS[number % len(KINDS)]
    return {
        "product_id": f"p{number:04d}",
        "title": f"{colour} {kind} number {number}",
        "description": f"A {kind} to try.",
        "colour": colour,
        "price": float(number),
        "image": draw(COLOURS[colour], number),
    }


def products(count: int) -> list[Row]:
    """The first `count` products."""
    return [product(number) for number in range(count)]


SCHEMA = pa.schema(
    [
        ("product_id", pa.string()),
        ("title", pa.string()),
        ("description", pa.string()),
        ("colour", pa.string()),
        ("price", pa.float64()),
        ("image", pa.binary()),
    ]
)


def write(path: Path, rows: Iterable[Row], *, leave_out: Sequence[str] = ()) -> Path:
    """Writes rows as a Parquet catalogue of several row groups."""
    schema = pa.schema([column for column in SCHEMA if column.name not in leave_out])
    kept = [{name: row.get(name) for name in schema.names} for row in rows]
    pq.write_table(pa.Table.from_pylist(kept, schema=schema), path, row_group_size=40)
    return path


def embed(
    catalogue: Path,
    model: Model,
    store: Path,
    *,
    max_reject: float = 1.0,
    options: CatalogueOptions | None = None,
    precision: str = "float32",
) -> EmbedReport:
    """Embeds as any processor would, without another process and without the gate."""
    settings = EmbedSettings(
        workers=0, max_reject=max_reject, accept_changes=True, precision=precision
    )
    return embed_catalogue(open_catalogue(catalogue, options), model, store, settings)


@dataclass(frozen=True)
class Encoders:
    """Files of random encoders, as hub models are laid out."""

    text: Path
    resnet: str
    weights: Path


def save_encoders(folder: Path, *, seed: int = 0) -> Encoders:
    """A BERT and a ResNet with random weights, saved by the libraries' own means."""
    torch.manual_seed(seed)
    texts = [str(row["title"]) for row in products(60)]
    tokenizer = train_tokenizer(texts, vocabulary_size=200, max_tokens=32)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=40,
    )
    BertModel(config).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    weights = folder / "resnet18.pth"
    torch.save(torchvision.models.resnet18().state_dict(), weights)
    return Encoders(folder / "bert", "resnet18", weights)


def shrink_pictures(model: Path, side: int) -> None:
    """Has a model directory's pictures seen smaller, so that tests are quick.

    Its random encoders know nothing, so words get nearly all the weight.
    """
    path = model / "model.json"
    content = json.loads(path.read_text())
    content["image"].update(resize_pixels=side, crop_pixels=side)
    content["weights"] = {"lexical": 0.8, "text": 0.1, "image": 0.1}
    path.write_text(json.dumps(content))


@dataclass(frozen=True)
class Ran:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> dict[str, object]:
        """The last line of stdout, which is JSON."""
        content: dict[str, object] = json.loads(self.out.splitlines()[-1])
        return content


def run(*arguments: str | Path, cwd: Path | None = None) -> Ran:
    """Runs `prodmatch` in a process of its own, as a shell would."""
    done = subprocess.run(
        [sys.executable, "-m", "prodmatch_cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def random_lite0(classes: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """The state of an EfficientNet-Lite0 of random weights, under the names of a model's file."""
    drawn = torch.Generator().manual_seed(seed)
    state = {}
    for name, value in EfficientNetLite0(classes).state_dict().items():
        if not value.is_floating_point():
            continue
        random = torch.randn(value.shape, generator=drawn)
        if name.endswith("conv.weight"):
            random = random * (2 / value[0].numel()) ** 0.5
        elif name.endswith(("norm.weight", "norm.running_var")):
            random = 1 + 0.1 * random.abs()
        elif ".norm." in name:
            random = 0.5 * random
        else:
            random = 0.03 * random  # so that no class is certain
        state[name] = random
    return state


def save_lite0_folder(folder: Path, classes: int, dim: int) -> Path:
    """An image folder with an EfficientNet-Lite0 of random weights and class vectors."""
    vectors = torch.randn(classes, dim, generator=torch.Generator().manual_seed(1))
    save_lite0(random_lite0(classes), torch.nn.functional.normalize(vectors, dim=1), folder)
    return folder
