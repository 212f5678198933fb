"""The command `export`."""

from dataclasses import asdict
from pathlib import Path

import click

from prodmatch.export import Form, export_embeddings
from prodmatch.storage.generations import open_generation
from prodmatch_cli.options import GENERATION, PATH, STORE
from prodmatch_cli.output import print_json


@click.command()
@click.argument("out", type=PATH)
@STORE
@click.option(
    "--to",
    "form",
    type=click.Choice(["npy", "parquet", "hf"]),
    default="parquet",
    show_default=True,
    help="Arrays, one table, or a folder that Hugging Face's datasets loads.",
)
@GENERATION
def export(out: Path, store: Path, form: Form, number: int | None) -> None:
    """Write every product's embedding to a new directory OUT, for other programs."""
    print_json(asdict(export_embeddings(open_generation(store, number), form, out)))
