"""Options that say which of the hits make a page, and in what order."""

from dataclasses import fields
from typing import Any

import click

from prodmatch.columns.name_lists import split_names
from prodmatch.search.options import SearchOptions
from prodmatch_cli.options.parameter_types import FloatRange
from prodmatch_cli.options.shared import add_options, gather, read_numbers, read_weights

MIN_PROBABILITY = click.option(
    "--min-probability",
    type=FloatRange(0, 1),
    default=0.0,
    help="Leave out hits that match with a lower probability.",
)
BOOST = click.option(
    "--boost",
    metavar="COLUMN=WEIGHT,...",
    help="Add numeric columns to the score, such as popularity=.1: a weight times the rank of the "
    "value among the column's distinct ones, 0 for the lowest to 1 for the highest. No value adds "
    "nothing; a negative weight favours low values.",
)
FACETS = click.option(
    "--facets",
    metavar="COLUMN,...",
    help="Count the values of columns over all products that match: those that meet the filter and "
    "contain most of the query's words or are likely, from .3 on. With --min-probability those "
    "above it.",
)
COUNT = click.option(
    "--count", is_flag=True, help="Count the products that match; --facets does that, too."
)


# Which of the hits make a page, and in what order.
page_options = add_options(
    MIN_PROBABILITY,
    click.option("--offset", type=int, default=0, help="Leave out so many hits at the top."),
    click.option(
        "--one-per",
        metavar="COLUMN",
        help="Only the best hit for each value of a column, with the number of products that "
        "have it (group_size, of those that meet the filter and --min-probability); one that "
        "has no value stands for itself.",
    ),
    click.option(
        "--diverse",
        type=FloatRange(0, 1),
        default=0.0,
        help="Put a hit down the more, the more it is like one above it: 0 not at all, 1 "
        "whatever its score (maximal marginal relevance).",
    ),
    BOOST,
)


def _read_search(
    *, weights: str | None, boost: str | None, facets: str | None = None, **values: Any
) -> SearchOptions:
    return SearchOptions(
        weights=read_weights(weights),
        boost=read_numbers(boost, "--boost"),
        facets=split_names(facets or ""),
        **values,
    )


# Of commands that search: `search` is made of those of these options that a command has.
gather_search = gather("search", _read_search, [field.name for field in fields(SearchOptions)])
