"""The command `convert`."""

from dataclasses import asdict
from pathlib import Path

import click

from prodmatch.convert import convert_catalogue
from prodmatch_cli.options import PATH
from prodmatch_cli.output import print_json, print_warnings


@click.command()
@click.argument("source", type=PATH)
@click.argument("target", type=PATH)
def convert(source: Path, target: Path) -> None:
    """Turn a CSV or JSON lines file SOURCE into a Parquet catalogue TARGET."""
    report = convert_catalogue(source, target)
    print_warnings(report.warnings)
    print_json(asdict(report))
