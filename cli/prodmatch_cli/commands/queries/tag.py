"""The command `tag`."""

from pathlib import Path

import click

from prodmatch.attributes.tagged import Tagged
from prodmatch.catalogue.reader import CatalogueOptions
from prodmatch.catalogue.remembered import open_remembered
from prodmatch.columns.name_lists import split_names
from prodmatch.search.product_index import ProductIndex, open_index
from prodmatch.storage.atomic import write_file
from prodmatch.tag import TagSettings, tag_products
from prodmatch_cli.inputs.catalogues import find_pictures
from prodmatch_cli.options.combinations import needs
from prodmatch_cli.options.parameter_types import NAME, PATH, FloatRange
from prodmatch_cli.options.reading import gather_reading
from prodmatch_cli.options.shared import COLUMNS, IMAGE_ROOT, KNOWN_CATALOGUE, STORE
from prodmatch_cli.options.targets import check_targets
from prodmatch_cli.terminal.output import print_outcome


@click.command()
@KNOWN_CATALOGUE
@STORE
@click.option(
    "--column",
    "column",
    multiple=True,
    type=NAME,
    help="Column to predict; give it repeatedly.  [default: all that have few values]",
)
@click.option(
    "--precision",
    type=FloatRange(0.5, 1, max_open=True),
    default=0.95,
    help="Share of the predictions that are to be right; what stays below it is abstained from.",
)
@click.option(
    "--values",
    metavar="COLUMN=VALUE,...",
    multiple=True,
    help="The values of a column that no product has one of; give it repeatedly.",
)
@click.option(
    "--labels",
    type=PATH,
    multiple=True,
    help="Decisions, as the page saves them: CSV, JSON lines or Parquet of product_id, column and "
    "value; later files go before earlier ones.",
)
@click.option(
    "--out", type=PATH, required=True, help="Parquet file of predictions and doubtful labels."
)
@click.option("--html", type=PATH, help="Page to decide on the predictions with pictures.")
@IMAGE_ROOT
@COLUMNS
@gather_reading
def tag(
    catalogue: Path | str | None,
    store: Path,
    column: tuple[str, ...],
    precision: float,
    values: tuple[str, ...],
    labels: tuple[Path, ...],
    out: Path,
    html: Path | None,
    reading: CatalogueOptions,
) -> None:
    """Predict the values that products of the published index lack, and name doubtful labels.

    A column such as colour is learnt from the products that have a value, and its precision is
    measured on products that were left out. With CATALOGUE only its products are predicted, and
    its pictures are shown; else all of the index.
    """
    if html is None:
        needs("--html", "image_root")
        if catalogue is None:
            needs("CATALOGUE or --html", "columns")
    check_targets((out, "--out"), (html, "--html"))
    named = {}
    for each in values:
        name, found, given = each.partition("=")
        if not found or not name.strip():
            raise click.UsageError(f"--values: {each!r} is not of the form COLUMN=VALUE,...")
        named[name.strip()] = split_names(given)
    product_ids = None
    if catalogue is not None:
        opened = open_remembered(store, catalogue, reading)
        product_ids = {each for _, ids in opened.ids_by_group() for each in ids if each is not None}
    settings = TagSettings(column, precision, named, labels, product_ids)
    with open_index(store) as index:
        tagged = tag_products(index, out, settings)
        if html is not None:
            write_file(html, _make_page(index, tagged, store, catalogue, reading))
    print_outcome(tagged.report)


def _make_page(
    index: ProductIndex,
    tagged: Tagged,
    store: Path,
    catalogue: Path | str | None,
    reading: CatalogueOptions,
) -> str:
    from prodmatch.reports.tags import choose_cases, tags_page

    chosen = choose_cases(tagged)
    shown = {case.product_id for each in chosen.values() for case in each}
    near = {name for each in chosen.values() for case in each for name in case.nearest}
    pictures = find_pictures(store, catalogue, reading, shown)
    titles = index.products.titles(shown | near)
    return tags_page(tagged, chosen, pictures, titles)
