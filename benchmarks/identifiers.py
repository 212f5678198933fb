"""How often an identifier typed alone puts the products that say it first.

Identifiers are words with digits that at most three titles of the electronics catalogue of DATA
say, drawn by a seed; sizes such as "50ML" are none, as other titles say them as "50 ml". Each is
searched for as typed, without hyphens and in the other case.
"""

import argparse
import json
import random
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from prodmatch.build import build
from prodmatch.lexical.folding import fold
from prodmatch.lexical.quantities import find_quantities
from prodmatch.search.product_index import ProductIndex, open_index
from prodmatch.search.queries import Query

WORD = re.compile(r"[^\W_]+(?:[-./][^\W_]+)*")
MOST_TITLES = 3
FORMS = {"as typed": str, "without hyphens": lambda w: w.replace("-", ""), "case": str.swapcase}


def draw_identifiers(titles: Iterable[str], count: int, seed: int) -> list[str]:
    """Words with digits that at most three titles say, in any case; none that begins as a size."""
    spelled: dict[str, str] = {}
    titles_of: dict[str, int] = {}
    for title in titles:
        words = {word.casefold(): word for word in WORD.findall(title)}
        for folded, word in words.items():
            spelled.setdefault(folded, word)
            titles_of[folded] = titles_of.get(folded, 0) + 1
    codes = sorted(
        spelled[folded]
        for folded, count_of in titles_of.items()
        if count_of <= MOST_TITLES
        and any(c.isdigit() for c in folded)
        and len(folded) >= 3
        and not any(quantity.start == 0 for quantity in find_quantities(fold(folded)))
    )
    return random.Random(seed).sample(codes, min(count, len(codes)))


def measure(index: ProductIndex, rows: pd.DataFrame, identifiers: list[str]) -> dict[str, object]:
    """For each form the share that is first, and those that are not."""
    words = [{word.casefold() for word in WORD.findall(title)} for title in rows["title"]]
    wanted = {
        identifier: {
            product_id
            for product_id, title_words in zip(rows["product_id"], words, strict=True)
            if identifier.casefold() in title_words
        }
        for identifier in identifiers
    }
    found: dict[str, object] = {"identifiers": len(identifiers)}
    for form, change in FORMS.items():
        hits = index.search_many([Query(n, change(n)) for n in identifiers], top=1)
        missed = [
            name
            for name, first in zip(identifiers, hits, strict=True)
            if not first or first[0].product_id not in wanted[name]
        ]
        found[form] = round(1 - len(missed) / len(identifiers), 4)
        found[f"missed {form}"] = missed
    return found


def main() -> None:
    """Prints one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("build/identifiers"))
    options = parser.parse_args()
    catalogue = options.data / "catalogue" / "electronics.parquet"
    build(catalogue, options.out / "store")
    rows = pd.read_parquet(catalogue, columns=["product_id", "title"]).dropna()
    identifiers = draw_identifiers(rows["title"], options.count, options.seed)
    found = measure(open_index(options.out / "store"), rows, identifiers)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
