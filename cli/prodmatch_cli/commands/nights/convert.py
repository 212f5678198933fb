"""The command `convert`."""

from pathlib import Path

import click

from prodmatch.convert import ConvertSettings, convert_catalogue
from prodmatch_cli.options.combinations import needs
from prodmatch_cli.options.parameter_types import PATH
from prodmatch_cli.options.targets import check_targets
from prodmatch_cli.terminal.messages import print_note
from prodmatch_cli.terminal.output import print_outcome

TAB = ("\\t", "tab")  # as a shell passes it on


@click.command()
@click.argument("source", type=PATH)
@click.argument("target", type=PATH)
@click.option("--images", type=PATH, help="A folder of pictures, for the column image.")
@click.option(
    "--match",
    metavar="COLUMN",
    help="What the pictures' files are named by, such as sku.  [default: product_id]",
)
@click.option(
    "--image-paths",
    is_flag=True,
    help="Keep the pictures' paths below --images, not their bytes.",
)
@click.option("--encoding", help="Of the file, such as cp1252.  [default: recognised]")
@click.option("--delimiter", help="Between fields, such as ';' or tab.  [default: recognised]")
def convert(
    source: Path,
    target: Path,
    images: Path | None,
    match: str | None,
    image_paths: bool,
    encoding: str | None,
    delimiter: str | None,
) -> None:
    """Turn a product file SOURCE into a Parquet catalogue TARGET.

    SOURCE is CSV or another delimited text, JSON (lines, an array, an object that holds one), a
    shop export with a row a variant, or a shopping feed (TSV, RSS, Atom); gzip or not. What it was
    read as is on stderr and in the line of JSON at the end.
    """
    if images is None:
        needs("--images", "match", "image_paths")
    delimiter = "\t" if delimiter in TAB else delimiter
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise click.UsageError(f"--delimiter {delimiter!r}: must be one character.")
    check_targets((target, "TARGET"))
    settings = ConvertSettings(
        encoding=encoding,
        delimiter=delimiter,
        images=images,
        match=match or "product_id",
        image_paths=image_paths,
    )
    report = convert_catalogue(source, target, settings)
    print_note(f"{source}: read as {report.read_as}")
    print_outcome(report)
