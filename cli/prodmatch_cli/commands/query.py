"""The command `query`."""

from pathlib import Path

import click

from prodmatch.errors import QueryError
from prodmatch.model.description import open_model
from prodmatch.search.hits import Answer
from prodmatch.search.product_index import open_index
from prodmatch.search.queries import Query, read_picture, read_queries
from prodmatch.search.searcher import SearchOptions
from prodmatch.storage.atomic import new_file
from prodmatch_cli.options import (
    EXPLAIN,
    HIT_FORMAT,
    PATH,
    STORE,
    TOP,
    WEIGHTS,
    WHERE,
    check_target,
    picture_options,
    read_weights,
)
from prodmatch_cli.output import print_hits

MOST_SAID = 200  # letters, of what was searched for


@click.command()
@click.argument("text", required=False)
@STORE
@click.option("--image", type=PATH, help="A picture to ask with.")
@click.option("--id", "product_id", help="Products like this one of the index.")
@click.option(
    "--queries",
    type=PATH,
    help="Parquet or JSON lines (- for standard input) with query_id and text, image (bytes or "
    "path) or product_id.",
)
@TOP
@WHERE
@WEIGHTS
@HIT_FORMAT
@EXPLAIN
@click.option("--html", type=PATH, help="Write the answers as a page with pictures, too.")
@picture_options
@click.option("--model", help="Refuse unless the index was made with this model.")
def query(
    text: str | None,
    store: Path,
    image: Path | None,
    product_id: str | None,
    queries: Path | None,
    top: int,
    where: str | None,
    weights: str | None,
    form: str,
    explain: bool,
    html: Path | None,
    catalogue: Path | None,
    columns: str | None,
    image_root: Path | None,
    model: str | None,
) -> None:
    """Find the products that match TEXT, a picture, or another product."""
    if catalogue is not None and html is None:
        raise click.UsageError("--catalogue is for the pictures of --html FILE; give that too.")
    check_target(html, "--html")
    if queries is not None and (text or image or product_id):
        raise click.UsageError("--queries stands alone, without TEXT, --image or --id.")
    if queries is not None:
        given = read_queries(queries)
    else:
        picture = read_picture(image, "--image") if image else None
        given = [Query("q", text, picture, product_id)]
    expected = open_model(model) if model else None
    index = open_index(store, model=expected, long_lived=queries is not None)
    options = SearchOptions(where, top, read_weights(weights))
    answers = index.answer(given, options)
    for answer in answers:
        if answer.error is not None:
            raise QueryError(answer.error)
    corrected = None if queries is not None else _report_correction(answers[0])
    found = [answer.hits for answer in answers]
    if html is not None:
        from prodmatch.reports.answers_page import answers_page

        pictures = {}
        if catalogue is not None:
            from prodmatch_cli.opening import find_pictures

            shown = {hit.product_id for hits in found for hit in hits}
            pictures = find_pictures(catalogue, columns, image_root, shown)
        facts = {
            "searched for": corrected,
            "filter": where,
            "weights": weights,
            "generation": index.generation.number,
        }
        facts = {name: value for name, value in facts.items() if value is not None}
        with new_file(html) as file:
            file.write(answers_page(given, found, pictures, facts=facts).encode())
    print_hits(found, form, explain=explain, many=queries is not None)


def _report_correction(answer: Answer) -> str | None:
    """What was searched for instead of what was typed; None where it is the same."""
    if answer.searched_for is not None:
        click.echo(f"Searched for: {answer.searched_for}"[:MOST_SAID], err=True)
    return answer.searched_for
