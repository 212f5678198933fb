"""The command `push`."""

from pathlib import Path

import click

from prodmatch.storage.places.remote import open_folder
from prodmatch.transfer import push_generation
from prodmatch_cli.options.parameter_types import PLACE
from prodmatch_cli.options.shared import GENERATION, STORE
from prodmatch_cli.options.targets import check_new_folder
from prodmatch_cli.terminal.output import print_outcome


@click.command()
@click.argument("target", type=PLACE)
@STORE
@GENERATION
@click.option("--keep", type=click.IntRange(1), default=3, help="Generations that TARGET keeps.")
def push(target: Path | str, store: Path, number: int | None, keep: int) -> None:
    """Send a generation to TARGET, from which 'prodmatch pull' takes it.

    TARGET is a directory, or s3://BUCKET/PREFIX or gs://BUCKET/PREFIX. Files that it has are not
    sent again; whoever pulls gets the old generation until the new one is there as a whole.
    """
    if isinstance(target, Path):
        check_new_folder(target, "TARGET", holds_tables=True)
    print_outcome(push_generation(store, open_folder(target), number=number, keep=keep))
