"""The command `check`."""

from dataclasses import asdict
from pathlib import Path

import click

from prodmatch.catalogue.reader import Catalogue, CatalogueOptions, open_catalogue
from prodmatch.catalogue.remembered import open_remembered
from prodmatch.check import check_catalogue
from prodmatch.errors import CatalogueError
from prodmatch.storage.atomic import write_file
from prodmatch_cli.options.combinations import excludes, needs
from prodmatch_cli.options.parameter_types import NAME, PATH
from prodmatch_cli.options.reading import catalogue_options
from prodmatch_cli.options.shared import (
    CATALOGUE,
    FORMAT,
    LEAVE_OUT,
    MAX_LOST,
    MAX_REJECT,
    STORE,
    WORKERS,
)
from prodmatch_cli.options.targets import check_targets
from prodmatch_cli.terminal.messages import print_warnings, translate
from prodmatch_cli.terminal.output import on_terminal, print_report


@click.command()
@CATALOGUE
@catalogue_options
@LEAVE_OUT
@WORKERS
@click.option("--no-decode", is_flag=True, help="Do not decode the pictures.")
@MAX_LOST
@MAX_REJECT
@click.option(
    "--deep",
    is_flag=True,
    help="Lay out the published index of --store as a map, and list products that look wrong.",
)
@STORE
@click.option("--html", type=PATH, help="Of --deep: page of the map, with pictures.")
@click.option("--out", type=PATH, help="Of --deep: Parquet file of id, x, y, title, category.")
@click.option(
    "--colour-by",
    metavar="COLUMN",
    type=NAME,
    help="Of --deep: column that gives points their colour.  [default: category]",
)
@FORMAT
def check(
    catalogue: Path | str,
    reading: CatalogueOptions,
    workers: int,
    no_decode: bool,
    max_reject: float,
    max_lost: float,
    deep: bool,
    store: Path,
    html: Path | None,
    out: Path | None,
    colour_by: str | None,
    form: str,
) -> None:
    """Say what is in CATALOGUE, what would be rejected and why; exit 1 if it would be refused.

    With --deep also what its published index shows: a map, pictures that do not fit their text,
    categories unlike the neighbours', products that are nearly the same, empty and blurred
    pictures; the catalogue is read as the store remembers, where no option says otherwise. Without
    --deep no store is read: texts are title and description, if no option says otherwise.
    """
    if not deep:
        needs("--deep", "store", "html", "out", "colour_by")
        if no_decode:
            excludes("--no-decode", "workers")
    check_targets((html, "--html"), (out, "--out"))
    opened = (
        open_remembered(store, catalogue, reading) if deep else open_catalogue(catalogue, reading)
    )
    report = check_catalogue(
        opened,
        decode=not no_decode,
        workers=workers,
        max_reject=max_reject,
        max_lost=max_lost,
    )
    content = asdict(report)
    if deep:
        content["deep"] = _look_deep(opened, store, (html, out), colour_by, workers)
    if form == "table":
        content["warnings"] = [translate(text) for text in report.warnings]
        content["refusals"] = [translate(text) for text in report.refusals]
    print_report(content, form)
    if form != "table" or not on_terminal():  # where they stand in the table
        print_warnings(report.warnings)
    if report.refused:
        raise CatalogueError(f"{opened.name}: would be refused; {' '.join(report.refusals)}")


def _look_deep(
    catalogue: Catalogue,
    store: Path,
    targets: tuple[Path | None, Path | None],
    colour_by: str | None,
    workers: int,
) -> dict[str, object]:
    """Makes the map, writes what is wanted of it, and gives its report."""
    from prodmatch.check_deep import map_products, write_map
    from prodmatch.reports.map import map_page
    from prodmatch.search.product_index import open_index

    html, out = targets
    with open_index(store) as index:
        found = map_products(index, catalogue, colour_by=colour_by, workers=workers)
    if html is not None:
        write_file(html, map_page(found))
    if out is not None:
        write_map(found, out)
    print_warnings(found.report.warnings)
    return asdict(found.report)
