"""The command `pull`."""

from pathlib import Path

import click

from prodmatch.storage.places.remote import open_folder
from prodmatch.transfer import pull_generation
from prodmatch_cli.options.parameter_types import PLACE
from prodmatch_cli.options.shared import STORE
from prodmatch_cli.terminal.output import print_outcome


@click.command()
@click.argument("source", type=PLACE)
@STORE
def pull(source: Path | str, store: Path) -> None:
    """Take the generation that 'prodmatch push' sent to SOURCE, and publish it in STORE.

    SOURCE is a directory, or s3://BUCKET/PREFIX or gs://BUCKET/PREFIX. Only files that STORE lacks
    are fetched, and every digest is compared before the generation is published, under the number
    that it has there. Where nothing is new, nothing is done, and the status is 0.
    """
    print_outcome(pull_generation(store, open_folder(source)))
