"""The command `rollback`."""

from pathlib import Path

import click

from prodmatch.storage.generations import roll_back
from prodmatch_cli.options.shared import STORE
from prodmatch_cli.terminal.output import print_json


@click.command()
@STORE
@click.option("--to", "number", type=int, help="The generation to go to.  [default: the last one]")
def rollback(store: Path, number: int | None) -> None:
    """Go back to an earlier generation, after checking that it is intact."""
    generation = roll_back(store, number)
    print_json({"generation": generation.number, "products": generation.product_count})
