"""A small folder of data as the recipes and `make evaluate` read it: DATA of the Makefile."""

from pathlib import Path

import pandas as pd
from small import COLOURS, KINDS, draw

CATALOGUES = ("fashion", "tops", "electronics")
SPLITS = ("train", "train", "train", "val")


def save_shared_data(folder: Path, *, rows: int = 32) -> Path:
    """Three catalogues of `rows` products, texts, and two evaluation sets of their `val` rows."""
    for name in ("catalogue", "pretrain", "text", "eval", "matching"):
        (folder / name).mkdir(parents=True)
    shops = {name: _catalogue(name, rows) for name in CATALOGUES}
    for name, shop in shops.items():
        shop.to_parquet(folder / "catalogue" / f"{name}.parquet")
    photographs = {"label": KINDS * 2, "image": [draw((9, 9, 9), n) for n in range(2 * len(KINDS))]}
    pd.DataFrame(photographs).to_parquet(folder / "pretrain" / "clothing_5k.parquet")
    titles = [title for shop in shops.values() for title in shop["title"]]
    pairs = pd.DataFrame({"left": titles, "right": [f"{title} new" for title in titles]})
    pairs.to_parquet(folder / "text" / "same_product_pairs.parquet")
    described = [
        f"{title}. {title.split()[1]}. Elevate your home with this perfect and lovely thing."
        for title in titles
    ]
    texts = pd.DataFrame({"text": [*titles, *described]})
    texts.to_parquet(folder / "text" / "product_texts.parquet")
    for name in ("walmart_amazon", "amazon_google"):
        _label(titles).to_parquet(folder / "matching" / f"{name}.parquet")
    _save_evaluation_sets(folder / "eval", pd.concat(shops.values()))
    return folder


def _label(titles: list[str]) -> pd.DataFrame:
    """Every title with one of its product, and with the next two, which are of others."""
    rows = [
        (title, f"{titles[(number + step) % len(titles)]} new", step == 0, split)
        for number, title in enumerate(titles)
        for step, split in enumerate((SPLITS[number % 4].replace("val", "valid"),) * 3)
    ]
    return pd.DataFrame(rows, columns=["left", "right", "match", "split"])


def _catalogue(name: str, rows: int) -> pd.DataFrame:
    colours = [list(COLOURS)[row % 3] for row in range(rows)]
    kinds = [KINDS[row % 5] for row in range(rows)]
    seed = 1000 * CATALOGUES.index(name)
    return pd.DataFrame(
        {
            "product_id": [f"{name}-{row}" for row in range(rows)],
            "title": [f"{colours[n]} {kinds[n]} {name} {n}" for n in range(rows)],
            "description": [f"A {kind} to try." for kind in kinds],
            "brand": "Alder",
            "category": "things",
            "type": kinds,
            "colour": colours,
            "gender": "Men",
            "image": [draw(COLOURS[c], seed + n, side=32) for n, c in enumerate(colours)],
            "split": [SPLITS[row % len(SPLITS)] for row in range(rows)],
        }
    )


def _save_evaluation_sets(folder: Path, products: pd.DataFrame) -> None:
    val = products[products["split"] == "val"]
    wanted = (val["colour"] + " " + val["type"]).rename("text")
    for name, texts in (("val.attributes", wanted), ("val.title_to_image", val["title"])):
        distinct = texts.drop_duplicates().tolist()
        numbers = {text: f"q{number}" for number, text in enumerate(distinct)}
        queries = pd.DataFrame({"query_id": list(numbers.values()), "text": distinct})
        queries.to_parquet(folder / f"{name}.queries.parquet")
        qrels = pd.DataFrame({"query_id": texts.map(numbers), "product_id": val["product_id"]})
        qrels.assign(grade=3).to_parquet(folder / f"{name}.qrels.parquet")
    hidden = val[["product_id"]].assign(title_half=val["title"], title_none=val["type"])
    hidden.to_parquet(folder / "fashion.colour_hidden.parquet")
