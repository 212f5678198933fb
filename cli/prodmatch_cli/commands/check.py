"""The command `check`."""

from dataclasses import asdict
from pathlib import Path

import click

from prodmatch.check import check_catalogue
from prodmatch.errors import CatalogueError
from prodmatch_cli.messages import print_warnings
from prodmatch_cli.opening import open_given
from prodmatch_cli.options import (
    CATALOGUE,
    FORMAT,
    MAX_LOST,
    MAX_REJECT,
    WORKERS,
    catalogue_options,
)
from prodmatch_cli.output import print_report


@click.command()
@CATALOGUE
@catalogue_options
@WORKERS
@click.option("--no-decode", is_flag=True, help="Do not decode the pictures.")
@MAX_LOST
@MAX_REJECT
@FORMAT
def check(
    catalogue: Path | str,
    columns: str | None,
    text_columns: str | None,
    image_root: Path | str | None,
    workers: int,
    no_decode: bool,
    max_reject: float,
    max_lost: float,
    form: str,
) -> None:
    """Say what is in CATALOGUE, what would be rejected and why; exit 1 if it would be refused."""
    opened = open_given(catalogue, columns, text_columns, image_root)
    report = check_catalogue(
        opened,
        decode=not no_decode,
        workers=workers,
        max_reject=max_reject,
        max_lost=max_lost,
    )
    print_report(asdict(report), form)
    print_warnings(report.warnings)
    if report.refused:
        raise CatalogueError(f"{opened.name}: would be refused; {' '.join(report.refusals)}")
