"""Retrieval of each signal and of the hybrid on the evaluation sets of DATA (`make evaluate`).

Every set is embedded, indexed and searched by the program itself; a match is a product of the
highest grade, and nDCG counts all grades.
"""

import argparse
import json
import random
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from prodmatch.build import BuildSettings, build
from prodmatch.embed import EmbedSettings
from prodmatch.evaluate import EvaluateSettings, evaluate_index
from prodmatch.evaluation.comparison import Evaluation
from prodmatch.evaluation.trec import Qrels
from prodmatch.reports.html import evaluation_page
from prodmatch.search.product_index import open_index
from prodmatch.search.queries import Query
from prodmatch.storage.atomic import new_file, write_json


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
    if split == "all":
        return [read_all_fashion(data)]
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
            shortened = hidden.set_index("product_id")[column]
            titles = shop["product_id"].map(shortened).fillna(titles)
        catalogue = shop[["product_id", "image"]].assign(title=titles)
        sets.append(_read_set(data, f"{split}.attributes", catalogue, f" ({column})"))
    sets.append(_read_set(data, f"{split}.title_to_image", shop[["product_id", "image"]]))
    return sets


def _read_set(data: Path, name: str, catalogue: pd.DataFrame, note: str = "") -> EvaluationSet:
    queries = pd.read_parquet(data / "eval" / f"{name}.queries.parquet")
    qrels = pd.read_parquet(data / "eval" / f"{name}.qrels.parquet")
    return EvaluationSet(name + note, catalogue, queries, qrels)


def remove_parts(catalogue: pd.DataFrame, share: float, column: str) -> pd.DataFrame:
    """The catalogue with a share of one column emptied, the same share at every call."""
    gone = catalogue.sample(frac=share, random_state=0).index
    changed = catalogue.copy()
    changed[column] = changed[column].where(~changed.index.isin(gone), None)
    return changed


def disturb(text: str, how: str, rng: random.Random) -> str:
    """The same query in other words: another order, plurals, or one typo."""
    words = text.split()
    if how == "order":
        rng.shuffle(words)
    if how == "plural":
        words = [f"{word}s" if word[-1:] not in "s" else word[:-1] for word in words]
    if how == "typo":
        longest = max(map(len, words))
        position = rng.choice([n for n, word in enumerate(words) if len(word) == longest])
        word = words[position]
        at = rng.randrange(1, len(word) - 1)
        typos = (word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:])
        swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        words[position] = rng.choice([*typos, swapped])
    return " ".join(words)


def read_all_fashion(data: Path) -> EvaluationSet:
    """2,000 test titles against all fashion pictures; every product of the title is right."""
    shop = pd.read_parquet(data / "catalogue" / "fashion.parquet")
    titles = shop.loc[shop["split"] == "test", "title"].drop_duplicates()
    titles = titles.sample(min(2000, len(titles)), random_state=0)
    queries = pd.DataFrame({"query_id": [str(n) for n in range(len(titles))], "text": titles})
    qrels = queries.merge(shop, left_on="text", right_on="title")[["query_id", "product_id"]]
    pictures = shop[["product_id", "image"]]
    return EvaluationSet("fashion, all pictures", pictures, queries, qrels.assign(grade=1))


def main() -> None:
    """Prints a line of JSON for each set: every signal and the hybrid."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--splits", nargs="*", default=["val"], help="of val, test, ood, all")
    parser.add_argument("--out", type=Path, default=Path("build/evaluation"))
    parser.add_argument("--without-images", type=float, default=0.0, help="share removed")
    parser.add_argument("--without-texts", type=float, default=0.0, help="share removed")
    parser.add_argument("--disturb", choices=["order", "plural", "typo"], help="of the queries")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for split in options.splits:
        for evaluated in read_sets(options.data, split):
            if options.disturb:
                rng = random.Random(0)
                evaluated.queries["text"] = [
                    disturb(text, options.disturb, rng) for text in evaluated.queries["text"]
                ]
            catalogue = evaluated.catalogue
            if "title" in catalogue:
                catalogue = remove_parts(catalogue, options.without_images, "image")
                catalogue = remove_parts(catalogue, options.without_texts, "title")
            path = options.out / "catalogue.parquet"
            catalogue.to_parquet(path)
            settings = BuildSettings(EmbedSettings(max_reject=1.0, accept_changes=True))
            build(path, options.out / "store", model=options.model, settings=settings)
            measured = measure(evaluated, options.out)
            for system, figures in measured.figures.items():
                values = {name: round(figure.value, 4) for name, figure in figures.items()}
                row = {
                    "set": evaluated.name,
                    "system": system,
                    "queries": measured.queries,
                    **values,
                }
                sys.stdout.write(json.dumps(row) + "\n")
            sys.stdout.flush()


def measure(evaluated: EvaluationSet, out: Path) -> Evaluation:
    """The figures of one set, and its report and runs below `out`."""
    queries = [
        Query(str(query), text)
        for query, text in zip(
            evaluated.queries["query_id"], evaluated.queries["text"], strict=True
        )
    ]
    qrels: Qrels = {}
    for row in evaluated.qrels.itertuples():
        qrels.setdefault(str(row.query_id), {})[str(row.product_id)] = int(row.grade)
    settings = EvaluateSettings(relevant=int(evaluated.qrels["grade"].max()))
    folder = out / evaluated.name.replace(" ", "_")
    measured = evaluate_index(open_index(out / "store"), queries, qrels, settings, out=folder)
    with new_file(folder / "evaluation.html") as file:
        file.write(evaluation_page(measured, evaluated.name).encode())
    write_json(folder / "evaluation.json", asdict(measured))
    return measured


if __name__ == "__main__":
    main()
