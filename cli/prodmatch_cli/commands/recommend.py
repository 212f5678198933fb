"""The command `recommend`."""

from pathlib import Path

import click

from prodmatch.recommend import recommend_products
from prodmatch.search.hits import Answer
from prodmatch.search.options import SearchOptions
from prodmatch.search.product_index import open_index
from prodmatch_cli.answers import print_answers
from prodmatch_cli.options import (
    EXPLAIN,
    HIT_FORMAT,
    STORE,
    TOP,
    WHERE,
    page_options,
    read_boost,
    read_weights,
)


@click.command()
@STORE
@click.option("--liked", multiple=True, required=True, help="A product's id; give it repeatedly.")
@click.option("--disliked", multiple=True, help="A product to keep away from; repeatedly.")
@TOP
@WHERE
@click.option("--weights", help="Of the two parts, such as text=0.4,image=0.6.")
@page_options
@HIT_FORMAT
@EXPLAIN
def recommend(
    store: Path,
    liked: tuple[str, ...],
    disliked: tuple[str, ...],
    top: int,
    where: str | None,
    weights: str | None,
    min_probability: float,
    offset: int,
    one_per: str | None,
    diverse: float,
    boost: str | None,
    form: str,
    explain: bool,
) -> None:
    """Find products near a history of liked ones; the history itself is left out."""
    options = SearchOptions(
        where,
        top,
        read_weights(weights),
        min_probability=min_probability,
        offset=offset,
        one_per=one_per,
        diverse=diverse,
        boost=read_boost(boost),
    )
    index = open_index(store)
    found = recommend_products(index, liked, disliked, options)
    hints = () if found else index.searcher.hints([where])
    print_answers([Answer("q", found, hints=hints)], form, explain=explain)
