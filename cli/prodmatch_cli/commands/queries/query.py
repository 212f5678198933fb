"""The command `query`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click

from prodmatch.products.prices import choose_price
from prodmatch.reports.cards import CardColumns
from prodmatch.search.answers.hits import Answer
from prodmatch.search.options import SearchOptions
from prodmatch.search.product_index import open_index
from prodmatch.search.queries import Query, RejectedQuery, read_picture, read_queries
from prodmatch.storage.atomic import write_file
from prodmatch_cli.inputs.named_models import open_named_model
from prodmatch_cli.options.combinations import excludes, needs
from prodmatch_cli.options.pages import COUNT, FACETS, gather_search, page_options
from prodmatch_cli.options.parameter_types import NAME_OR_PATH, PATH
from prodmatch_cli.options.shared import (
    EXPLAIN,
    HIT_FORMAT,
    STORE,
    TOP,
    WEIGHTS,
    WHERE,
    picture_options,
)
from prodmatch_cli.options.targets import check_targets
from prodmatch_cli.terminal.answers import print_answers, report_answer
from prodmatch_cli.terminal.messages import translate


@click.command()
@click.argument("text", required=False)
@STORE
@click.option("--image", type=PATH, help="A picture to search with.")
@click.option("--id", "product_id", help="Products like this one of the index.")
@click.option(
    "--queries",
    type=PATH,
    help="Parquet, CSV or JSON lines (- for standard input) with query_id and text, image (bytes "
    "or path) or product_id, and perhaps a filter, top and offset of its own.",
)
@TOP
@WHERE
@WEIGHTS
@page_options
@FACETS
@COUNT
@click.option(
    "--exact",
    is_flag=True,
    help="Search every word as it is typed, and understand nothing else of it.",
)
@HIT_FORMAT
@EXPLAIN
@click.option("--html", type=PATH, help="Write the answers as a page with pictures, too.")
@click.option(
    "--link",
    metavar="COLUMN",
    help="Of --html: column of the products' addresses, http or https, to link to.",
)
@picture_options
@click.option(
    "--model", type=NAME_OR_PATH, help="Refuse unless the index was made with this model."
)
@click.pass_context
@gather_search
def query(
    context: click.Context,
    text: str | None,
    store: Path,
    image: Path | None,
    product_id: str | None,
    queries: Path | None,
    search: SearchOptions,
    form: str,
    explain: bool,
    html: Path | None,
    link: str | None,
    catalogue: Path | str | None,
    columns: str | None,
    image_root: Path | str | None,
    model: str | None,
) -> None:
    """Find the products that match TEXT, a picture, or another product."""
    if html is None:
        needs("--html", "link", "catalogue", "columns", "image_root")
    if form == "csv":
        needs("--format table, json or jsonl", "facets", "count")
    if form != "table":
        needs("--format table", "explain")
    if queries is None and text is None:
        needs("TEXT or --queries", "exact")
    check_targets((html, "--html"))
    given = _read_given(text, image, product_id, queries)
    expected = open_named_model(model) if model else None
    with open_index(store, model=expected, long_lived=queries is not None) as index:
        names = index.products.columns
        if link is not None:
            index.products.check_column(link, "link")
        answers = index.answer(given, search)
        if queries is None:
            report_answer(answers[0])
        if html is not None:
            from prodmatch_cli.inputs.catalogues import find_pictures
            from prodmatch_cli.options.reading import read_options

            shown = {hit.product_id for answer in answers for hit in answer.hits}
            reading = read_options(columns, image_root)
            pictures = find_pictures(store, catalogue, reading, shown)
            settings = {
                "filter": "where",
                "weights": "weights",
                "one per": "one_per",
                "boost": "boost",
            }
            facts = {title: context.params[name] for title, name in settings.items()}
            facts["generation"] = str(index.generation.number)
            cards = CardColumns(choose_price(index.products.price_columns), link)
            write_file(html, _make_page(given, answers, pictures, facts, cards))
    print_answers(answers, form, names, explain=explain, many=queries is not None)


def _read_given(
    text: str | None, image: Path | None, product_id: str | None, queries: Path | None
) -> Sequence[Query | RejectedQuery]:
    """The query of the command line, or those of the file."""
    if queries is None:
        picture = read_picture(image, "--image") if image else None
        return [Query("q", text, picture, product_id)]
    excludes("--queries", "text", "image", "product_id")
    return read_queries(queries)


def _make_page(
    queries: Sequence[Query | RejectedQuery],
    answers: Sequence[Answer],
    pictures: Mapping[str, bytes],
    facts: Mapping[str, object],
    columns: CardColumns,
) -> str:
    from prodmatch.reports.html import answers_page

    return answers_page(
        [query if isinstance(query, Query) else Query(query.query_id) for query in queries],
        [replace(answer, error=translate(answer.error or "") or None) for answer in answers],
        pictures,
        facts={name: value for name, value in facts.items() if value is not None},
        columns=columns,
    )
