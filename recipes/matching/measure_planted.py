"""Measures `pairs.parquet` of a catalogue with planted duplicates, by what was planted.

A pair called the same that is no planted duplicate counts as wrong, one with any other product too;
left out are pairs of a family of which nobody knows. A variant is named where the relation is
`variant` and one of its differences is what was planted: of capacity any quantity, of a picture
also its colour. Of listings that are equal in all but the id the first has the variants of all.
"""

import argparse
import re
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

PLANTED = re.compile(r"-(?:dup|var|word)\d*$")
NAMES = {"picture": {"picture", "colour"}, "capacity": {"capacity", "volume", "length", "power",
    "charge", "resolution", "number"}}  # fmt: skip
Pair = frozenset[str]


def name_families(pair: Pair) -> set[str]:
    """The products that the two listings were planted from."""
    return {PLANTED.sub("", each) for each in pair}


def is_named(found: dict[str, object] | None, differs: str) -> bool:
    """Whether a variant is written with a difference that was planted."""
    if found is None or found["relation"] != "variant":
        return False
    names = {each.split()[0] for each in str(found["differences"]).split("; ")}
    return any(names & NAMES.get(kind, {kind}) for kind in differs.split("|"))


def main() -> None:
    """Reads the arguments and prints what is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("found", type=Path, help="pairs.parquet")
    parser.add_argument("planted", type=Path, help="pairs.csv")
    options = parser.parse_args()
    rows = pq.read_table(options.found).to_pylist()
    found = {frozenset((each["left"], each["right"])): each for each in rows}
    first = {each["right"]: each["left"] for each in rows if each["text_cosine"] is None}
    table = pd.read_csv(options.planted, dtype={"differs": str}).fillna("")
    known = {
        frozenset((one, other)): match for one, other, match, _ in table.itertuples(index=False)
    }
    same = [pair for pair, each in found.items() if each["relation"] == "same"]
    same = [pair for pair in same if pair in known or len(name_families(pair)) == 2]
    right = sum(known.get(pair, False) for pair in same)
    print(f"precision {right / len(same):.3f} of {len(same)}")  # noqa: T201
    print(f"recall {right / sum(known.values()):.3f} of {sum(known.values())}")  # noqa: T201
    planted, named = Counter[str](), Counter[str]()
    for one, other, match, differs in table.itertuples(index=False):
        if not match and differs != "word":
            planted[differs] += 1
            pair = frozenset((first.get(one, one), first.get(other, other)))
            named[differs] += is_named(found.get(pair), differs)
    for differs, count in planted.most_common():
        print(f"  {differs}: {named[differs]} of {count}")  # noqa: T201
    print(f"named {named.total() / planted.total():.3f} of {planted.total()}")  # noqa: T201


if __name__ == "__main__":
    main()
