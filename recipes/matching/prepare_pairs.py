"""Writes the listings of a file of labelled titles as catalogues, with their pairs.

A file with `match` and `split` is of two shops: `left.parquet` and `right.parquet` have the titles
of the splits taken, `SPLIT.csv` the pairs of each and `pairs.csv` those of all. Any other has two
titles of one product in each row: `catalogue.parquet` has those of a sample of products.
"""

import argparse
import itertools
import random
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from prodmatch.matching.duplicate_groups import find_components

MOST_TITLES = 6  # of one product
CATALOGUE = "catalogue.parquet"


def write_shops(pairs: pd.DataFrame, splits: list[str], out: Path) -> None:
    """Writes two catalogues, and the pairs of the splits."""
    pairs = pairs[pairs.split.isin(splits)]
    known = pd.DataFrame({"match": pairs.match, "split": pairs.split})
    for side in ("left", "right"):
        titles = sorted(pairs[side].unique())
        ids = {title: f"{side[0]}{number:05d}" for number, title in enumerate(titles)}
        write_titles(ids, out / f"{side}.parquet")
        known[side] = pairs[side].map(ids)
    columns = ["left", "right", "match"]
    known[columns].to_csv(out / "pairs.csv", index=False)
    for split in splits:
        known[known.split == split][columns].to_csv(out / f"{split}.csv", index=False)


def write_sample(pairs: pd.DataFrame, count: int, seed: int, out: Path) -> None:
    """Writes a catalogue of about so many titles, and all pairs of one product among them."""
    products = cluster(pairs)
    random.Random(seed).shuffle(products)
    ids: dict[str, str] = {}
    known = []
    for titles in products:
        if len(ids) >= count:
            break
        own = titles[:MOST_TITLES]
        ids |= {title: f"t{len(ids) + position:05d}" for position, title in enumerate(own)}
        known += [(ids[a], ids[b], True) for a, b in itertools.combinations(own, 2)]
    write_titles(ids, out / CATALOGUE)
    pd.DataFrame(known, columns=["left", "right", "match"]).to_csv(out / "pairs.csv", index=False)


def cluster(pairs: pd.DataFrame) -> list[list[str]]:
    """The titles of each product, ascending, by the pairs that are one."""
    titles = sorted({*pairs.left, *pairs.right})
    positions = {title: position for position, title in enumerate(titles)}
    left, right = (pairs[side].map(positions).to_numpy() for side in ("left", "right"))
    return [[titles[position] for position in product] for product in find_components(left, right)]


def write_titles(ids: dict[str, str], path: Path) -> None:
    """Writes a catalogue of titles."""
    pq.write_table(pa.table({"product_id": list(ids.values()), "title": list(ids)}), path)


def main() -> None:
    """Reads the arguments and writes the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--splits", default="train,valid")
    parser.add_argument("--titles", type=int, default=6000, help="of a sample of products")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    pairs = pq.read_table(options.pairs).to_pandas()
    if "match" in pairs:
        write_shops(pairs, options.splits.split(","), options.out)
    else:
        write_sample(pairs, options.titles, options.seed, options.out)


if __name__ == "__main__":
    main()
