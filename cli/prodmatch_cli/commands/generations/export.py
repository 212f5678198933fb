"""The command `export`."""

from pathlib import Path
from typing import get_args

import click

from prodmatch.export import Form, export_embeddings
from prodmatch.storage.generations import open_generation
from prodmatch_cli.options.parameter_types import PATH
from prodmatch_cli.options.shared import GENERATION, STORE
from prodmatch_cli.options.targets import check_new_folder
from prodmatch_cli.terminal.output import print_outcome


@click.command()
@click.argument("out", type=PATH)
@STORE
@click.option(
    "--to",
    "form",
    type=click.Choice(get_args(Form)),
    default="parquet",
    help="Arrays, a table of Parquet, of Hugging Face's datasets or of LanceDB, or files that load "
    "Qdrant, Elasticsearch or PostgreSQL with pgvector.",
)
@GENERATION
def export(out: Path, store: Path, form: Form, number: int | None) -> None:
    """Write every product's embedding to a new directory OUT, for other programs."""
    check_new_folder(out, "OUT", holds_tables=True)
    print_outcome(export_embeddings(open_generation(store, number), form, out))
