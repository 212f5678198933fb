"""The command `recommend`."""

from pathlib import Path

import click

from prodmatch.recommend import recommend_products, recommend_to_users
from prodmatch.search.answers.hits import Answer
from prodmatch.search.options import SearchOptions
from prodmatch.search.product_index import open_index
from prodmatch_cli.options.combinations import excludes, goes_with, needs
from prodmatch_cli.options.pages import gather_search, page_options
from prodmatch_cli.options.parameter_types import PATH
from prodmatch_cli.options.shared import (
    EVENT_WEIGHTS,
    EXPLAIN,
    HALF_LIFE,
    HIT_FORMAT,
    STORE,
    TOP,
    WHERE,
    read_log_settings,
)
from prodmatch_cli.options.targets import check_targets
from prodmatch_cli.terminal.answers import print_answers
from prodmatch_cli.terminal.output import print_outcome

OF_ONE = (
    *("liked", "disliked", "weights", "min_probability", "offset", "diverse", "boost"),
    *("form", "explain"),
)


@click.command()
@STORE
@click.option("--liked", multiple=True, help="A product's id; give it repeatedly.")
@click.option("--disliked", multiple=True, help="A product to keep away from; repeatedly.")
@click.option(
    "--histories",
    type=PATH,
    help="Log of user, product_id, time and event: the best products of every user go to --out.",
)
@click.option("--out", type=PATH, help="Parquet file of user, rank, product_id and scores.")
@EVENT_WEIGHTS
@HALF_LIFE
@TOP
@WHERE
@click.option("--weights", help="Of the two parts, such as text=0.4,image=0.6.")
@page_options
@HIT_FORMAT
@EXPLAIN
@gather_search
def recommend(
    store: Path,
    liked: tuple[str, ...],
    disliked: tuple[str, ...],
    histories: Path | None,
    out: Path | None,
    events: str | None,
    half_life: float,
    search: SearchOptions,
    form: str,
    explain: bool,
) -> None:
    """Find products near a history of liked ones; the history itself is left out.

    With --histories for every user of a log, by what is like their products and by what other
    users had with these, in the proportion that finds most; see docs/recommendations.md.
    """
    if histories is None:
        needs("--histories", "out", "events", "half_life")
        if form != "table":
            needs("--format table", "explain")
        if not liked:
            raise click.UsageError("Give --liked, or --histories with --out.")
        with open_index(store) as index:
            found = recommend_products(index, liked, disliked, search)
            hints = () if found else index.searcher.hints([search.where])
            names = index.products.columns
        print_answers([Answer("q", found, hints=hints)], form, names, explain=explain)
        return
    excludes("--histories", *OF_ONE)
    if out is None:
        raise goes_with("--histories", "--out")
    check_targets((out, "--out"))
    settings = read_log_settings(events, half_life)
    options = SearchOptions(search.where, search.top, one_per=search.one_per)
    with open_index(store) as index:
        report = recommend_to_users(index, histories, out, options, settings)
    print_outcome(report)
