"""The command `match`."""

from dataclasses import asdict
from pathlib import Path

import click

from prodmatch.match import MatchSettings, find_matches
from prodmatch.search.product_index import open_index
from prodmatch_cli.messages import print_warnings
from prodmatch_cli.options import PATH, STORE, FloatRange, check_target
from prodmatch_cli.output import print_json


@click.command()
@STORE
@click.option(
    "--against",
    type=PATH,
    help="Another store: pairs of a product here and one there.  [default: pairs inside the store]",
)
@click.option(
    "--out", type=PATH, required=True, help="Directory for pairs.parquet and groups.parquet."
)
@click.option(
    "--precision",
    type=FloatRange(0, 1, min_open=True),
    default=0.95,
    show_default=True,
    help="Of the pairs that are called the same, measured on held-out labelled pairs.",
)
@click.option(
    "--pairs",
    type=PATH,
    help="Labelled pairs to learn from: CSV, Parquet or JSON lines with left, right (ids) and "
    "match (true or false), 50 or more. Needs the extra 'match'.",
)
@click.option(
    "--scorer",
    type=PATH,
    help="File of a scorer: written with --pairs, else read.  [default: the shipped one]",
)
@click.option(
    "--candidates",
    type=click.IntRange(1, 100),
    default=10,
    show_default=True,
    help="Pairs of every listing that are scored.",
)
def match(
    store: Path,
    against: Path | None,
    out: Path,
    precision: float,
    pairs: Path | None,
    scorer: Path | None,
    candidates: int,
) -> None:
    """Find listings that are one product, inside a store or in two; groups of duplicates.

    pairs.parquet says of each pair whether it is the same, a variant and by what (size 40 / 42), or
    in doubt, with its probability. In a group of groups.parquet every pair is the same; a group
    keeps its id when the command is run again into the same directory.
    """
    if pairs is not None:
        check_target(scorer, "--scorer")
    settings = MatchSettings(precision, candidates, pairs, scorer)
    with open_index(store) as index:
        if against is None:
            report = find_matches(index, out, settings)
        else:
            with open_index(against) as other:
                report = find_matches(index, out, settings, against=other)
    print_warnings(report.warnings)
    print_json(asdict(report))
