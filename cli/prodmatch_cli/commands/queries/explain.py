"""The command `explain`."""

from pathlib import Path

import click

from prodmatch.catalogue.reader import CatalogueOptions
from prodmatch.errors import QueryError
from prodmatch.explain import explain_product
from prodmatch.search.answers.explanation import explanation_fields, paint
from prodmatch.search.options import SearchOptions
from prodmatch.search.product_index import open_index
from prodmatch.search.queries import Query, read_picture
from prodmatch.storage.atomic import new_file, write_file
from prodmatch_cli.inputs.catalogues import find_all_pictures, find_listed_pictures
from prodmatch_cli.options.pages import BOOST, gather_search
from prodmatch_cli.options.parameter_types import PATH
from prodmatch_cli.options.reading import gather_reading
from prodmatch_cli.options.shared import FORMAT, STORE, WEIGHTS, picture_options
from prodmatch_cli.options.targets import check_targets
from prodmatch_cli.terminal.output import print_explanation

HEAT_PIXELS = 320  # of a side of the heat map's picture


@click.command()
@click.argument("text", metavar="QUERY")
@click.argument("product_id")
@STORE
@click.option(
    "--image", type=PATH, help="A picture to search with, with QUERY or, if that is '', alone."
)
@WEIGHTS
@BOOST
@FORMAT
@click.option("--html", type=PATH, help="Write a page, too.")
@click.option("--png", type=PATH, help="Write the heat map over the product's picture.")
@picture_options
@gather_reading
@gather_search
def explain(
    text: str,
    product_id: str,
    store: Path,
    image: Path | None,
    search: SearchOptions,
    form: str,
    html: Path | None,
    png: Path | None,
    catalogue: Path | str | None,
    reading: CatalogueOptions,
) -> None:
    """Say why the product PRODUCT_ID answers QUERY: the score's parts, words, a heat map.

    The heat map, for --html and --png, needs the product's picture, which is looked up in the
    catalogue that the store was made from, or in --catalogue. Of a list of pictures the one
    nearest to QUERY is named, and the heat map is of that one.
    """
    check_targets((html, "--html"), (png, "--png"))
    query = Query("q", text or None, read_picture(image, "--image") if image else None)
    with open_index(store) as index:
        if catalogue is None and html is None and png is None:
            pictures = find_listed_pictures(store, reading, product_id)
        else:
            pictures = find_all_pictures(store, catalogue, reading, {product_id}).get(
                product_id, []
            )
        if not pictures and (catalogue is not None or png is not None):
            raise QueryError(
                f"{catalogue or 'the catalogue'}: has no picture of the product {product_id!r}. "
                "Give `catalogue` that has one."
            )
        found = explain_product(
            index,
            query,
            product_id,
            pictures=pictures,
            heat=not (html is None and png is None),
            options=search,
        )
    if html is not None:
        from prodmatch.reports.html import explanation_page

        write_file(html, explanation_page(found))
    if png is not None and found.heat_map is not None:
        with new_file(png) as file:
            paint(found.heat_map, HEAT_PIXELS).save(file, "PNG")
    print_explanation(explanation_fields(found), form)
