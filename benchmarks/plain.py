"""The peer of `make bench`: the same model and the same work, written the ordinary way.

transformers and torchvision in float32, batches in the catalogue's order, pictures decoded
between the batches, everything in memory, one FAISS index written at the end.
"""

import io
import json
import sys
from pathlib import Path

import faiss
import numpy as np
import pyarrow.parquet as pq
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

from prodmatch.model.spatial import Layout, LayoutComponents, layout_features, look

BATCH = 64


def main() -> None:
    """Runs as plain.py CATALOGUE MODEL OUT."""
    catalogue, model, out = (Path(argument) for argument in sys.argv[1:])
    settings = json.loads((model / "model.json").read_text())
    heads = load_file(model / "heads.safetensors")
    tokenizer = AutoTokenizer.from_pretrained(model / "text")
    bert = AutoModel.from_pretrained(model / "text", dtype=torch.float32).eval()
    resnet = getattr(torchvision.models, settings["image"]["architecture"])()
    resnet.fc = torch.nn.Identity()
    table = load_file(model / "text" / "words.safetensors")
    words = table["rows"].float() * table["scale"]
    weights = load_file(model / "image" / "model.safetensors")
    resnet.load_state_dict({name: value.float() for name, value in weights.items()})
    resnet.eval()
    path = model / "image" / "layout.safetensors"
    layout = LayoutComponents(Layout.open(path, layout_features(resnet)))
    mean = torch.tensor(settings["image"]["mean"]).view(3, 1, 1)
    std = torch.tensor(settings["image"]["std"]).view(3, 1, 1)
    side = settings["image"]["crop_pixels"]
    rows = pq.read_table(catalogue, columns=["title", "description", "image"]).to_pylist()
    parts: dict[str, list[torch.Tensor]] = {"text": [], "image": []}
    with torch.inference_mode():
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            said = [". ".join(filter(None, (row["title"], row["description"]))) for row in batch]
            tokens = tokenizer(
                said, return_tensors="pt", padding=True, truncation=True, max_length=64
            )
            states = bert(**tokens).last_hidden_state
            mask = tokens["attention_mask"].unsqueeze(-1)
            both = torch.cat([states, words[tokens["input_ids"]]], dim=2)
            parts["text"].append((both * mask).sum(1) / mask.sum(1))
            pictures, pixels = [], []
            for row in batch:
                picture = Image.open(io.BytesIO(row["image"])).convert("RGB")
                picture.thumbnail((side, side))
                canvas = Image.new("RGB", (side, side), "white")
                canvas.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
                pixels.append(torch.from_numpy(np.asarray(canvas).copy()))
                pictures.append((pixels[-1].permute(2, 0, 1) / 255 - mean) / std)
            pooled, middle = look(resnet, torch.stack(pictures))
            seen = layout(torch.stack(pixels), middle)
            parts["image"].append(torch.cat([pooled, seen], dim=1))
    parts = []
    for name, features in parts.items():
        stacked = (
            torch.cat(features) @ heads[f"{name}.weight"].float() + heads[f"{name}.bias"].float()
        )
        inner = torch.nn.functional.normalize(stacked, dim=-1) - heads[f"{name}.centre"].float()
        parts.append(
            torch.nn.functional.normalize(inner @ heads[f"{name}.rotation"].float(), dim=-1)
        )
    vectors = torch.nn.functional.normalize(torch.cat(parts, dim=1), dim=-1).numpy()
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, str(out))


if __name__ == "__main__":
    main()
