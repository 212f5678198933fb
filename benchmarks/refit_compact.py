"""The last stage of the shipped model: its heads once more, over the finished encoders.

Batches are four times those of the stage before, and each is of one source alone, so that a colour
does not suffice to tell a product from the others of its batch.
"""

import argparse
import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from prodmatch.assemble import EncoderFiles, write_model
from prodmatch.encoders import ImageEncoder, TextEncoder
from prodmatch.heads import Heads
from prodmatch.images import decode_image
from prodmatch.models import open_model
from prodmatch.preprocessing import frame_picture
from prodmatch.training.linear import Examples, LinearSettings, train_linear
from prodmatch.training.measures import HeldOut, draw_queries, fit_calibration, recall_of_pairs
from prodmatch.training.pairs import TrainingProduct
from prodmatch.training.views import TextViews

ROWS = {"fashion": 20_000, "tops": 8_000, "electronics": 5_000, "drawn": 2_500}
TIMES = {"drawn": 4}  # how often a source is seen in an epoch
SETTINGS = LinearSettings(epochs=6, batch_rows=512, rate=4e-4, weight_decay=0.0)
WEIGHTS = {"lexical": 0.2, "text": 0.3, "image": 0.5}  # chosen on val
ATTRIBUTES = ("brand", "type", "colour", "pattern", "gender")


def read_sources(path: Path, split: str) -> pd.DataFrame:
    rows = pd.read_parquet(path)
    rows = rows[(rows["split"] == split) & rows["title"].notna()]
    source = rows["product_id"].str.split("-").str[0]
    parts = [
        rows[source == name]
        .assign(source=name)
        .sample(min(count, (source == name).sum()), random_state=0)
        for name, count in ROWS.items()
    ]
    return pd.concat(parts)


def as_products(rows: pd.DataFrame) -> list[TrainingProduct]:
    return [
        TrainingProduct(
            row["title"],
            row["description"] if isinstance(row["description"], str) else "",
            {name: row[name] for name in ATTRIBUTES if isinstance(row[name], str)},
        )
        for row in rows.to_dict("records")
    ]


def number(contents: Iterable[object]) -> np.ndarray:
    digests = [hashlib.blake2b(str(each).encode(), digest_size=7).digest() for each in contents]
    return np.array([int.from_bytes(digest, "little") for digest in digests], np.int64)


def main() -> None:
    """Trains the heads, fits the calibration on the val rows, writes the model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--material", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    model = open_model(options.model)
    pair, cpu = model.encoders, torch.device("cpu")
    texts = TextEncoder(pair.text_folder, pair.text, cpu)
    images = ImageEncoder(pair.image_folder, pair.image, cpu)

    def see(rows: pd.DataFrame) -> np.ndarray:
        framed = [frame_picture(decode_image(data), pair.image) for data in rows["image"]]
        return images.encode(np.stack(framed))

    rows = read_sources(options.material / "products.parquet", "train")
    products, views = as_products(rows), TextViews(np.random.default_rng(5))
    pictures = see(rows)
    long = texts.encode([views.long(product) for product in products])
    short = [texts.encode([views.short(product) for product in products]) for _ in range(2)]
    titles = number(title.lower() for title in rows["title"])
    kinds = number(  # a query of colour and kind fits all products of both
        (row["source"], row["colour"], row["type"])
        if isinstance(row["colour"], str) and isinstance(row["type"], str)
        else (row["source"], row["title"].lower())
        for row in rows.to_dict("records")
    )
    ones = np.ones(len(rows), np.float32)
    paired = Examples(long, long, pictures, ones, titles, titles)
    asked = [
        Examples(queries, long, pictures, ones, kinds, titles, share)
        for queries in short
        for share in (0.0, 0.4)
    ]
    sets = [paired]
    for name in ROWS:
        chosen = np.flatnonzero(rows["source"] == name)
        sets += [each.take(chosen) for each in asked * TIMES.get(name, 1)]
        sets.append(paired.take(chosen))
    held = read_sources(options.material / "products.parquet", "val")
    said, seen = list(held["title"]), see(held)
    groups, features = number(title.lower() for title in said), texts.encode(said)

    def measure(heads: Heads) -> float:
        return recall_of_pairs(heads.text(features), heads.image(seen), groups)

    heads, _ = train_linear(sets, measure, SETTINGS, start=model.heads)
    queries = draw_queries(said)
    found = fit_calibration(
        HeldOut(said, heads.text(features), heads.image(seen), groups),
        queries,
        heads.text(texts.encode(queries, query=True)),
        (WEIGHTS["text"], WEIGHTS["image"]),
    )
    description = replace(
        model.description,
        name=options.out.name,
        weights=WEIGHTS,
        calibration=found.calibration,
    )
    card = (model.folder / "README.md").read_text()
    write_model(options.out, EncoderFiles.of_model(model), heads, description, card)


if __name__ == "__main__":
    main()
