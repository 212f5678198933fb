"""The baseline of `make bench`: the same model and the same work, written plainly.

transformers and torch in float32, batches in the catalogue's order, pictures decoded
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
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn.functional import normalize
from transformers import AutoModel, AutoTokenizer

from prodmatch.encoders.networks.image import load_network
from prodmatch.model.heads import Heads
from prodmatch.model.preprocessing import ImageSpec, read_spec

BATCH_ROWS = 64
COLUMNS = ("title", "description", "image")  # of a catalogue, where it has them


class PlainModel:
    """The encoders and heads of a model."""

    def __init__(self, folder: Path) -> None:
        description = json.loads((folder / "model.json").read_text())
        self.tokenizer = AutoTokenizer.from_pretrained(folder / "text")
        self.bert = AutoModel.from_pretrained(folder / "text", dtype=torch.float32).eval()
        self.layers = description["text"]["layers"] or [-1]
        spec = read_spec(ImageSpec, description["image"], "model.json")
        self.network = load_network(folder / "image", spec).eval()
        self.heads = Heads.open(folder / "heads.safetensors")
        self.side = spec.crop_pixels

    def text_features(self, texts: Sequence[str]) -> Tensor:
        """`(n, text features)`."""
        tokens = self.tokenizer(
            texts, return_tensors="pt", padding=True, truncation=True, max_length=64
        )
        states = self.bert(**tokens, output_hidden_states=True).hidden_states
        mask = tokens["attention_mask"].unsqueeze(-1)
        pooled = [(states[layer] * mask).sum(1) / mask.sum(1) for layer in self.layers]
        return torch.cat(pooled, dim=1)

    def image_features(self, images: Sequence[bytes]) -> Tensor:
        """`(n, image features)`."""
        found: Tensor = self.network(torch.stack([self._pixels(data) for data in images]))
        return found

    def _pixels(self, data: bytes) -> Tensor:
        picture = Image.open(io.BytesIO(data)).convert("RGB")
        square = ImageOps.pad(picture, (self.side, self.side), color="white")
        return torch.from_numpy(np.asarray(square).copy())


@torch.inference_mode()
def embed(model: PlainModel, rows: Sequence[dict[str, object]]) -> np.ndarray:
    """Unit rows `[text part ; image part]`."""
    parts = []
    for start in range(0, len(rows), BATCH_ROWS):
        batch = rows[start : start + BATCH_ROWS]
        texts = [". ".join(filter(None, (row["title"], row.get("description")))) for row in batch]
        text = model.heads.text(model.text_features(texts).numpy())
        image = model.heads.image(model.image_features([row["image"] for row in batch]).numpy())
        parts.append(torch.from_numpy(np.concatenate([text, image], axis=1)))
    return normalize(torch.cat(parts), dim=-1).numpy()


def main() -> None:
    """Runs as plain.py CATALOGUE MODEL OUT."""
    catalogue, folder, out = (Path(argument) for argument in sys.argv[1:])
    there = [name for name in COLUMNS if name in pq.read_schema(catalogue).names]
    rows = pq.read_table(catalogue, columns=there).to_pylist()
    vectors = embed(PlainModel(folder), rows)
    import faiss  # after torch

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, str(out))


if __name__ == "__main__":
    main()
