"""Writes the training data of the shipped model, from the catalogues and texts in DATA.

Three Parquet files: a catalogue of products (with a `split` column), pairs of texts that
describe the same product, and single texts. `make model` then runs `prodmatch train` on them.
"""

import argparse
import re
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = [
    "product_id",
    "source",
    "title",
    "description",
    "brand",
    "type",
    "colour",
    "pattern",
    "gender",
    "image",
    "split",
]
# Synonyms, so that the word of a query need not be the shop's.
SYNONYMS = {
    "tshirts": "t-shirt|tshirt|tee|t shirt",
    "trousers": "trousers|pants",
    "casual shoes": "casual shoes|shoes|sneakers",
    "sports shoes": "sports shoes|trainers|running shoes",
    "sweatshirts": "sweatshirt|hoodie|jumper",
    "sweaters": "sweater|pullover|jumper",
    "flip flops": "flip flops|flip-flops",
    "handbags": "handbag|bag|purse",
    "backpacks": "backpack|rucksack|bag",
    "perfume and body mist": "perfume|body mist|fragrance",
    "innerwear vests": "vest|innerwear vest",
    "outwear": "outerwear|jacket|coat",
    "longsleeve": "longsleeve|long sleeve t-shirt",
    "dresses": "dress",
    "watches": "watch",
    "scarves": "scarf",
    "lip gloss": "lip gloss",
    "lipstick": "lipstick",
    "shorts": "shorts",
    "jeans": "jeans",
    "pants": "pants|trousers",
    "shoes": "shoes|footwear",
    "t-shirt": "t-shirt|tshirt|tee",
}
# A title, a kind in a few words, and a description: "Rope Clock. clock. Add a touch of ..."
DESCRIBED = re.compile(r"\W*(.{3,90}?)\W*\. [\w &/'-]{2,40}\. (.{40,})$", re.DOTALL)
FEWEST_WORDS = 6  # of a sentence that describes its product
KEPT_PLURAL = ("shorts", "jeans", "leggings", "jeggings", "tights", "shoes", "heels", "flats")
GARMENT = re.compile(
    r"\b(t-shirt|tee|tank top|tank|blouse|shirt|tunic|polo|sweater|cardigan|camisole|vest|dress"
    r"|jersey|hoodie|sweatshirt|crop top|poncho|pullover|top)\b"
)
GENDERS = {"men": "men|mens|man", "women": "women|womens|ladies", "unisex": "unisex"}


def type_words(name: object) -> str | None:
    """A shop's type in the words of a query; alternatives are separated by `|`."""
    if not isinstance(name, str) or not name.strip():
        return None
    words = name.strip().lower()
    if words in SYNONYMS:
        return SYNONYMS[words]
    if words.endswith("s") and not words.endswith(("ss", *KEPT_PLURAL)):
        return f"{words[:-1]}|{words}"
    return words


def read_products(folder: Path) -> pd.DataFrame:
    """The rows of fashion, tops and electronics that may be trained on, and those to validate."""
    parts = []
    for name in ("fashion", "tops", "electronics"):  # home is non-commercial: never trained on
        rows = pd.read_parquet(folder / "catalogue" / f"{name}.parquet")
        rows = rows[rows["split"].isin(["train", "val"])].assign(source=name)
        rows["colour"] = [_colour_words(colour) for colour in rows["colour"]]
        # types of tops are codes of the marketplace, often wrong; their titles name the type
        if name == "fashion":
            rows["type"] = [type_words(kind) for kind in rows["type"]]
        else:
            rows["type"] = [
                _find_garment(title) if name == "tops" else None for title in rows["title"]
            ]
        rows["gender"] = [_gender_words(gender) for gender in rows["gender"]]
        parts.append(rows)
    photographs = pd.read_parquet(folder / "pretrain" / "clothing_5k.parquet")
    labels = photographs["label"]
    parts.append(
        pd.DataFrame(
            {
                "product_id": [f"clothing-{row}" for row in range(len(photographs))],
                "source": "clothing",
                "title": labels,
                "type": [type_words(label) for label in labels],
                "image": photographs["image"],
                "split": "train",
            }
        )
    )
    return pd.concat(parts).reindex(columns=COLUMNS)


def _find_garment(title: str) -> str | None:
    garments = GARMENT.findall(title.lower()) or ["top"]
    last = garments[-1]
    return {"t-shirt": "t-shirt|tee|top", "tee": "tee|t-shirt|top"}.get(last, last)


def _gender_words(gender: object) -> str | None:
    if not isinstance(gender, str) or not gender:
        return None
    return GENDERS.get(gender.lower(), gender.lower())


def _colour_words(colour: object) -> str | None:
    if not isinstance(colour, str) or not re.fullmatch(r"[A-Za-z ]{3,16}", colour):
        return None
    words = colour.lower()
    if words.startswith("multi"):
        return "multicoloured|multicolour"
    return {"grey": "grey|gray", "gray": "gray|grey", "navy blue": "navy blue|navy"}.get(
        words, words
    )


def read_drawings(paths: list[Path]) -> pd.DataFrame:
    """Products drawn by `recipes/sample_catalogue/draw.py` with other seeds than the sample's."""
    drawings = pd.concat([pd.read_parquet(path) for path in paths])
    drawings["product_id"] = [f"drawn-{row}" for row in range(len(drawings))]
    drawings["source"] = "drawn"
    drawings["split"] = "train"
    drawings.loc[drawings["gender"].notna(), "gender"] = drawings["gender"].str.lower()
    return drawings.reindex(columns=COLUMNS)


def read_texts(folder: Path) -> tuple[pd.DataFrame, list[str]]:
    """Pairs of texts of the same product, and all single texts."""
    pairs = pd.read_parquet(folder / "text" / "same_product_pairs.parquet")[["left", "right"]]
    texts = pd.read_parquet(folder / "text" / "product_texts.parquet")["text"].tolist()
    described = []
    for match in filter(None, map(DESCRIBED.match, texts)):
        title, description = match.groups()
        sentences = re.split(r"(?<=[.!?])\s+", description)
        described += [(part, title) for part in sentences if len(part.split()) >= FEWEST_WORDS]
    sources = {
        "offers": pairs,
        "descriptions": pd.DataFrame(described, columns=["left", "right"]),
    }
    both = pd.concat([rows.assign(source=source) for source, rows in sources.items()])
    return both, [*texts, *pairs["left"], *pairs["right"]]


def main() -> None:
    """Writes products.parquet, pairs.parquet and texts.parquet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--drawings", type=Path, nargs="*", default=[])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    products = read_products(options.data)
    if options.drawings:
        products = pd.concat([products, read_drawings(options.drawings)])
    pairs, texts = read_texts(options.data)
    table = pa.Table.from_pandas(products, preserve_index=False)
    pq.write_table(table, options.out / "products.parquet", row_group_size=2000)
    pq.write_table(pa.Table.from_pandas(pairs, preserve_index=False), options.out / "pairs.parquet")
    pq.write_table(pa.table({"text": texts}), options.out / "texts.parquet")
    counts = ", ".join(f"{n} pairs of {name}" for name, n in pairs["source"].value_counts().items())
    sys.stderr.write(f"{len(products)} products, {counts}, {len(texts)} texts\n")


if __name__ == "__main__":
    main()
