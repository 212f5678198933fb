"""The command `gc`."""

from pathlib import Path

import click

from prodmatch.storage.garbage import collect_garbage
from prodmatch_cli.options.parameter_types import FloatRange
from prodmatch_cli.options.shared import STORE
from prodmatch_cli.terminal.output import print_json


@click.command()
@STORE
@click.option("--keep", type=click.IntRange(1), default=3)
@click.option(
    "--minutes",
    type=FloatRange(0),
    default=60,
    help="What is younger stays: a query or a training may use it.",
)
def gc(store: Path, keep: int, minutes: float) -> None:
    """Remove what nothing refers to.

    These are old generations and embeddings, and the features, encoders and lists of rejects that
    neither the newest embeddings nor a kept generation were made with.
    """
    removed = collect_garbage(store, keep, seconds=60 * minutes)
    print_json({"removed": [str(path.relative_to(store)) for path in removed]})
