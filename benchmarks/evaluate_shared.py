"""Retrieval of each leg and of the hybrid on the evaluation sets of DATA (`make evaluate`).

Every set is embedded, indexed and asked by the program itself. Relevant for RR and Success is
the highest grade; nDCG counts all grades. Measures are those of ir-measures.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ir_measures
import pandas as pd
from ir_measures import RR, R, Success, nDCG

from prodmatch.build import build_index
from prodmatch.embed import EmbedSettings
from prodmatch.query import ProductIndex, open_index
from prodmatch.questions import Question

LEGS: dict[str, dict[str, float] | None] = {
    "lexical": {"lexical": 1.0},
    "text": {"text": 1.0},
    "image": {"image": 1.0},
    "hybrid": None,
}


@dataclass(frozen=True)
class EvaluationSet:
    name: str
    catalogue: pd.DataFrame
    queries: pd.DataFrame
    qrels: pd.DataFrame


def read_shop(data: Path, split: str) -> pd.DataFrame:
    parts = []
    for name in ("fashion", "tops", "electronics") if split != "ood" else ("home",):
        rows = pd.read_parquet(data / "catalogue" / f"{name}.parquet")
        parts.append(rows[rows["split"] == split])
    return pd.concat(parts)


def read_sets(data: Path, split: str) -> list[EvaluationSet]:
    shop = read_shop(data, split)
    if split == "ood":
        described = shop.assign(
            title=[
                f"{t} {c}" if c else t for t, c in zip(shop["title"], shop["colour"], strict=True)
            ]
        )
        return [
            _read_set(data, "ood.home_description", described[["product_id", "title", "image"]]),
            _read_set(data, "ood.home_title_to_image", shop[["product_id", "image"]]),
        ]
    hidden = pd.read_parquet(data / "eval" / "fashion.colour_hidden.parquet")
    sets = []
    for column in ("title", "title_half", "title_none"):
        titles = shop["title"]
        if column != "title":
            said = hidden.set_index("product_id")[column]
            titles = shop["product_id"].map(said).fillna(titles)
        catalogue = shop[["product_id", "image"]].assign(title=titles)
        sets.append(_read_set(data, f"{split}.attributes", catalogue, f" ({column})"))
    sets.append(_read_set(data, f"{split}.title_to_image", shop[["product_id", "image"]]))
    return sets


def _read_set(data: Path, name: str, catalogue: pd.DataFrame, note: str = "") -> EvaluationSet:
    queries = pd.read_parquet(data / "eval" / f"{name}.queries.parquet")
    qrels = pd.read_parquet(data / "eval" / f"{name}.qrels.parquet")
    return EvaluationSet(name + note, catalogue, queries, qrels)


def remove_halves(catalogue: pd.DataFrame, share: float, column: str) -> pd.DataFrame:
    """The catalogue with a share of one column emptied, told by a seed."""
    gone = catalogue.sample(frac=share, random_state=0).index
    changed = catalogue.copy()
    changed[column] = changed[column].where(~changed.index.isin(gone), None)
    return changed


def measure(
    asked: EvaluationSet, index: ProductIndex, weights: dict[str, float] | None
) -> dict[str, float]:
    best = int(asked.qrels["grade"].max())
    measures = [RR(rel=best) @ 100, Success(rel=best) @ 10, nDCG @ 10, R(rel=best) @ 10]
    questions = [
        Question(str(query), text)
        for query, text in zip(asked.queries["query_id"], asked.queries["text"], strict=True)
    ]
    hits = index.search_many(questions, top=100, weights=weights)
    run = [
        ir_measures.ScoredDoc(hit.query_id, hit.product_id, 1.0 / hit.rank)
        for found in hits
        for hit in found
    ]
    qrels = [
        ir_measures.Qrel(str(row.query_id), str(row.product_id), int(row.grade))
        for row in asked.qrels.itertuples()
    ]
    found = ir_measures.calc_aggregate(measures, qrels, run)
    return {str(name): round(float(value), 4) for name, value in found.items()}


def main() -> None:
    """Prints a line of JSON for each set and leg, and a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--splits", nargs="*", default=["val", "test", "ood"])
    parser.add_argument("--out", type=Path, default=Path("build/evaluation"))
    parser.add_argument("--without-images", type=float, default=0.0, help="share removed")
    parser.add_argument("--without-texts", type=float, default=0.0, help="share removed")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    remove: Callable[[pd.DataFrame], pd.DataFrame] = lambda shop: remove_halves(  # noqa: E731
        remove_halves(shop, options.without_images, "image"), options.without_texts, "title"
    )
    for split in options.splits:
        for asked in read_sets(options.data, split):
            path = options.out / "catalogue.parquet"
            has_titles = "title" in asked.catalogue
            remove(asked.catalogue).to_parquet(path) if has_titles else asked.catalogue.to_parquet(
                path
            )
            settings = EmbedSettings(max_reject=1.0)
            build_index(path, options.out / "store", model=options.model, settings=settings)
            index = open_index(options.out / "store")
            for leg, weights in LEGS.items():
                if leg in ("lexical", "text") and not has_titles:
                    continue
                figures = measure(asked, index, weights)
                row = {"set": asked.name, "leg": leg, "queries": len(asked.queries), **figures}
                sys.stdout.write(json.dumps(row) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
