"""The baseline of `make bench`: the same model and the same work, written plainly.

transformers and torchvision in float32, batches in the catalogue's order, pictures decoded
between the batches, everything in memory, one FAISS index written at the end.
"""

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import normalize
from transformers import AutoModel, AutoTokenizer

from prodmatch.encoders.spatial import (
    SpatialComponents,
    SpatialProjection,
    pooled_and_grid,
    spatial_feature_count,
)

BATCH_ROWS = 64


class PlainModel:
    """The encoders and heads of the shipped model."""

    def __init__(self, folder: Path) -> None:
        image = json.loads((folder / "model.json").read_text())["image"]
        self.tokenizer = AutoTokenizer.from_pretrained(folder / "text")
        self.bert = AutoModel.from_pretrained(folder / "text", dtype=torch.float32).eval()
        table = load_file(folder / "text" / "words.safetensors")
        self.token_bag = table["rows"].float() * table["scale"]  # (tokens, width)
        self.resnet = getattr(torchvision.models, image["architecture"])()
        self.resnet.fc = torch.nn.Identity()
        weights = load_file(folder / "image" / "model.safetensors")
        self.resnet.load_state_dict({name: value.float() for name, value in weights.items()})
        self.resnet.eval()
        path = folder / "image" / "layout.safetensors"
        self.spatial = SpatialComponents(
            SpatialProjection.open(path, spatial_feature_count(self.resnet))
        )
        self.heads = load_file(folder / "heads.safetensors")
        self.side = image["crop_pixels"]
        self.mean = torch.tensor(image["mean"]).view(3, 1, 1)
        self.std = torch.tensor(image["std"]).view(3, 1, 1)

    def text_features(self, texts: Sequence[str]) -> Tensor:
        """`(n, text features)`."""
        tokens = self.tokenizer(
            texts, return_tensors="pt", padding=True, truncation=True, max_length=64
        )
        states = self.bert(**tokens).last_hidden_state
        both = torch.cat([states, self.token_bag[tokens["input_ids"]]], dim=2)
        mask = tokens["attention_mask"].unsqueeze(-1)
        return (both * mask).sum(1) / mask.sum(1)

    def image_features(self, images: Sequence[bytes]) -> Tensor:
        """`(n, image features)`."""
        pixels = torch.stack([self._pixels(data) for data in images])
        pictures = (pixels.permute(0, 3, 1, 2) / 255 - self.mean) / self.std
        pooled, middle = pooled_and_grid(self.resnet, pictures)
        return torch.cat([pooled, self.spatial(pixels, middle)], dim=1)

    def project(self, name: str, features: Tensor) -> Tensor:
        """Unit rows of a modality."""
        weight, bias, centre, rotation = (
            self.heads[f"{name}.{part}"].float()
            for part in ("weight", "bias", "centre", "rotation")
        )
        return normalize((normalize(features @ weight + bias, dim=-1) - centre) @ rotation, dim=-1)

    def _pixels(self, data: bytes) -> Tensor:
        picture = Image.open(io.BytesIO(data)).convert("RGB")
        picture.thumbnail((self.side, self.side))
        canvas = Image.new("RGB", (self.side, self.side), "white")
        left, top = (self.side - picture.width) // 2, (self.side - picture.height) // 2
        canvas.paste(picture, (left, top))
        return torch.from_numpy(np.asarray(canvas).copy())


@torch.inference_mode()
def embed(model: PlainModel, rows: Sequence[dict[str, object]]) -> np.ndarray:
    """Unit rows `[text part ; image part]`."""
    parts = []
    for start in range(0, len(rows), BATCH_ROWS):
        batch = rows[start : start + BATCH_ROWS]
        texts = [". ".join(filter(None, (row["title"], row["description"]))) for row in batch]
        text = model.project("text", model.text_features(texts))
        image = model.project("image", model.image_features([row["image"] for row in batch]))
        parts.append(torch.cat([text, image], dim=1))
    return normalize(torch.cat(parts), dim=-1).numpy()


def main() -> None:
    """Runs as plain.py CATALOGUE MODEL OUT."""
    catalogue, folder, out = (Path(argument) for argument in sys.argv[1:])
    rows = pq.read_table(catalogue, columns=["title", "description", "image"]).to_pylist()
    vectors = embed(PlainModel(folder), rows)
    import faiss  # after torch

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, str(out))


if __name__ == "__main__":
    main()
