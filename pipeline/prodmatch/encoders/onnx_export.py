"""The query encoders: a model's encoders and heads as ONNX files, checked against torch."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional

from prodmatch.encoders.device import CPU, Compute
from prodmatch.encoders.image import ImageEncoder
from prodmatch.encoders.text import TextEncoder
from prodmatch.errors import ModelError
from prodmatch.model.description import Model
from prodmatch.model.heads import Projection
from prodmatch.model.hubness import LARGEST_PENALTY, SCALE, SHARPNESS, QueryBank
from prodmatch.model.onnx_encoders import QueryEncoders
from prodmatch.model.preprocessing import Pixels
from prodmatch.storage.atomic import (
    copy_file,
    list_files,
    new_directory,
    verify_or_remove,
    write_json,
)
from prodmatch.storage.vectors import Vectors

logger = logging.getLogger(__name__)

SAMPLE_TEXTS = ("red t-shirt", "women's leather handbag, black", "usb-c cable 2 m", "stuhl")
COSINE = 0.999  # what an exported encoder must reach against torch
BF16_COSINE = 0.98  # what bf16 should reach against float32; below it a warning says so
ABSURD_COSINE = 0.8


class _Projected(nn.Module):
    """Features and a head in one graph, so that ONNX gives unit parts."""

    def __init__(
        self, features: nn.Module, projection: Projection, bank: QueryBank | None = None
    ) -> None:
        super().__init__()
        self.bank = None if bank is None else _HubnessPenalty(bank)
        self.features = features
        self.weight: Tensor
        self.bias: Tensor
        self.centre: Tensor
        self.rotation: Tensor
        for name in ("weight", "bias", "centre", "rotation"):
            self.register_buffer(name, torch.from_numpy(getattr(projection, name)).clone())

    def forward(self, *inputs: Tensor) -> Tensor:
        """Unit rows `(n, dim)`."""
        inner = functional.normalize(self.features(*inputs) @ self.weight + self.bias, dim=-1)
        rows = functional.normalize((inner - self.centre) @ self.rotation, dim=-1)
        first = torch.zeros_like(rows[:, :1]) if self.bank is None else self.bank(rows)
        return torch.cat([first, rows * (1 - first.square()).sqrt()], dim=1)


class _HubnessPenalty(nn.Module):
    """`QueryBank.penalties` of unit rows, as a column."""

    def __init__(self, bank: QueryBank) -> None:
        super().__init__()
        self.texts: Tensor
        self.logits: Tensor
        self.usual: Tensor
        self.register_buffer("texts", torch.from_numpy(bank.texts.T.astype(np.float32)))
        self.register_buffer("logits", torch.from_numpy(bank.logits).clone())
        self.register_buffer("usual", torch.from_numpy(bank.usual).clone())

    def forward(self, rows: Tensor) -> Tensor:
        """`(n, 1)`."""
        logits = SHARPNESS * (rows @ self.texts) + self.logits
        nearness = logits.logsumexp(dim=1, keepdim=True) / SHARPNESS
        return (SCALE * (self.usual - nearness)).clamp(-LARGEST_PENALTY, LARGEST_PENALTY)


def export_encoders(model: Model, root: Path, precision: str = "float32") -> Path:
    """The directory below `root` with the model's query encoders; made once for each model.

    It holds `text.onnx` (ids, mask -> unit half), `image.onnx` (bytes `(n, side, side, 3)` ->
    unit half), the weights of each next to it in `.onnx.data`, which are mapped and not read,
    `tokenizer.json`, and `encoders.json`, which says how to use them.

    Args:
        model: whose encoders.
        root: the store's directory of query encoders.
        precision: that products are encoded in; what bf16 loses is logged when it is made.

    Raises:
        ModelError: the exported encoders do not agree with torch, or bf16 not with float32.
    """
    folder = root / model.fingerprint[:32]
    if verify_or_remove(folder):
        return folder
    description, encoders = model.description, model.encoders
    text = TextEncoder(encoders.text_folder, encoders.text)
    image = ImageEncoder(encoders.image_folder, encoders.image)
    with new_directory(folder) as temporary:
        ids = torch.randint(5, 50, (2, 8))
        rows, tokens = torch.export.Dim("rows"), torch.export.Dim("tokens")
        _export(
            _Projected(text.model, model.heads.text),
            {"ids": ids, "mask": torch.ones_like(ids)},
            [{0: rows, 1: tokens}, {0: rows, 1: tokens}],
            temporary / "text.onnx",
        )
        side = description.image.crop_pixels
        pixels = torch.randint(0, 255, (2, side, side, 3), dtype=torch.uint8)
        _export(
            _Projected(image.model, model.heads.image, model.heads.bank),
            {"pixels": pixels},
            [{0: rows}],
            temporary / "image.onnx",
        )
        copy_file(encoders.text_folder / "tokenizer.json", temporary / "tokenizer.json")
        write_json(
            temporary / "encoders.json",
            {
                **description.as_dict(),
                "max_tokens": text.max_tokens,
                "pad_id": text.pad_id,
                "dim": model.heads.dim,
                "model_fingerprint": model.fingerprint,
            },
        )
        write_json(temporary / "manifest.json", {"files": list_files(temporary)})
        _compare(temporary, model, text, image, precision)
    return folder


def _export(
    module: nn.Module, inputs: dict[str, Tensor], shapes: list[dict[int, object]], path: Path
) -> None:
    with _quiet():
        program = torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=["vectors"],
            dynamo=True,
            dynamic_shapes=(tuple(shapes),),
            verbose=False,
        )
    if program is None:
        raise ModelError(f"{path}: PyTorch gave no ONNX program for this encoder.")
    weights = path.with_name(f"{path.name}.data")
    onnx.save_model(program.model_proto, path, save_as_external_data=True, location=weights.name)
    weights.chmod(0o644)  # as any other file; the library keeps it to its owner


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter narrates; what it says matters to its authors alone."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)


@dataclass(frozen=True)
class _Samples:
    """What encoders are compared on, through torch: unit parts of texts and of pictures."""

    texts: Vectors
    pictures: Vectors

    @classmethod
    def encode(
        cls, model: Model, text: TextEncoder, image: ImageEncoder, pixels: Pixels
    ) -> "_Samples":
        return cls(
            model.heads.texts(text.encode(SAMPLE_TEXTS, query=True)),
            model.heads.pictures(image.encode(pixels)),
        )

    def cosines(self, other: "_Samples") -> dict[str, float]:
        """The lowest cosine of each kind with that of the same sample in another."""
        return {
            "text": float((self.texts * other.texts).sum(axis=1).min()),
            "image": float((self.pictures * other.pictures).sum(axis=1).min()),
        }


def _compare(
    folder: Path, model: Model, text: TextEncoder, image: ImageEncoder, precision: str
) -> None:
    """Compares float32 with float32 whatever the processor; what bf16 loses is another figure."""
    side = model.description.image.crop_pixels
    pixels = np.random.default_rng(0).integers(0, 255, (4, side, side, 3), dtype=np.uint8)
    pixels[1:, : side // 2] = 255  # most products stand on plain white
    text.rows, image.rows = len(SAMPLE_TEXTS), len(pixels)
    exact = _Samples.encode(model, text, image, pixels)
    exported = QueryEncoders(folder)
    ours = _Samples(exported.texts(SAMPLE_TEXTS), exported.pictures(pixels))
    for name, lowest in ours.cosines(exact).items():
        if not lowest >= COSINE:  # nor what is no number
            raise ModelError(
                f"{model.folder}: the exported {name}.onnx agrees with torch only to a cosine of "
                f"{lowest:.5f}; {COSINE} is needed."
            )
    if precision == "bf16":
        text.compute = image.compute = Compute(CPU.device, "bf16")
        check_bf16(model, exact.cosines(_Samples.encode(model, text, image, pixels)))


def check_bf16(model: Model, cosines: dict[str, float]) -> None:
    """Logs what products' features lose in bf16, while queries are encoded in float32.

    Raises:
        ModelError: they lose nearly everything.
    """
    for name, lowest in cosines.items():
        found = f"{model.folder}: in bf16 the {name} encoder agrees with float32 to a cosine of"
        if not lowest >= ABSURD_COSINE:
            raise ModelError(f"{found} {lowest:.3f}. Embed with `precision=float32`.")
        level = logging.INFO if lowest >= BF16_COSINE else logging.WARNING
        logger.log(level, "%s %.4f; `precision=float32` loses nothing.", found, lowest)
